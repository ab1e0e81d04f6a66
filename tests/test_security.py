"""What holds for every route: from where it is called, what it takes, and what its answers carry.

Who may call it: `tests/security/test_access.py`.
"""

from __future__ import annotations

import io
import itertools
import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from supportchat.app import create_app
from supportchat.config import ROOT, Config
from supportchat.database.postgres import PostgresDatabase
from supportchat.web.security import own_origin
from tests.cast import Agent, new_id
from tests.routes import calls, sockets
from tests.variants import first
from tests.web import ORIGIN, Browser, Web

MULTIPART = "multipart/form-data"


@pytest.fixture
def hers(web: Web, alice: Agent, rows: Any) -> str:
    """Vera's chat, with alice; gives the id of a picture in it."""
    web.customer("My secret", customer_name="Vera Lindt")
    [(session_id,)] = rows("select session_id from user_sessions")
    image_id = str(uuid.uuid4())
    rows(
        "insert into chat_images (id, session_id, storage_key, content_type, width, height, bytes, digest)"
        " values (%s, %s, %s, 'image/webp', 1, 1, 1, 'd')",
        image_id,
        session_id,
        "a" * 64,
    )
    return image_id


def test_every_answer_carries_the_headers_of_a_strict_page(app: Flask, web: Web, hers: str) -> None:
    browser = web.agent("carol")
    for _, method, path in calls(app, hers):
        headers = browser.send(method, path).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert "default-src 'none'" in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        if path != "/widget.js":
            assert "no-store" in headers["Cache-Control"] or path.endswith(hers)
            assert "Cookie" in headers["Vary"]


def test_each_answer_has_a_nonce_of_its_own(web: Web) -> None:
    nonces = {web.visitor().get("/chat").headers["Content-Security-Policy"].split("nonce-")[1][:22] for _ in range(5)}
    assert len(nonces) == 5


def test_an_answer_without_scripts_allows_none(web: Web) -> None:
    answer = web.customer().post("/chat/messages", htmx=True, message="Hi", client_message_id=new_id())
    assert "nonce" not in answer.get_data(as_text=True)
    assert "script-src 'none';" in answer.headers["Content-Security-Policy"]


def test_no_page_has_a_script_or_a_style_inline(app: Flask, web: Web, hers: str) -> None:
    browser = web.agent("carol")
    for _, method, path in calls(app, hers):
        page = browser.send(method, path).get_data(as_text=True)
        assert re.findall(r"<script(?![^>]*\bsrc=)", page) == [], path
        assert re.findall(r"\sstyle=|<style|\son[a-z]+=|javascript:", page) == [], path


@pytest.mark.mode("postgres")
def test_a_form_has_no_more_fields_than_ours_have(web: Web) -> None:
    browser = web.customer()
    for count, status in ((15, 303), (25, 413), (20_000, 413)):
        fields = {f"x{n}": "" for n in range(count)}
        for file in ({}, {"image": (io.BytesIO(b""), "")}):
            answer = browser.post("/chat/messages", message="Hi", **fields, **file)
            assert answer.status_code == status, (count, file)
            assert len(answer.get_data()) < 20_000


FIELD = 'Content-Disposition: form-data; name="message"\r\n\r\nHello'


@pytest.mark.parametrize(
    "part",
    [
        "Content-Disposition: form-data\r\n\r\nHello",
        'Content-Disposition: form-data; filename="a.png"\r\n\r\nHello',
        'Content-Disposition: form-data; filename="a.png"; name*=x\r\n\r\nHello',
        "Content-Type: text/plain\r\n\r\nHello",
        "\r\n\r\nHello",
        "Hello",
    ],
)
@pytest.mark.mode("postgres")
def test_a_part_without_a_name_is_answered_in_words(web: Web, part: str) -> None:
    browser = web.customer()
    headers = {"Origin": ORIGIN}
    for parts in ([part], [FIELD, part], [part, FIELD]):
        body = "".join(f"--b\r\n{each}\r\n" for each in parts) + "--b--\r\n"
        kind = "multipart/form-data; boundary=b"
        answer = browser.client.post("/chat/messages", data=body, content_type=kind, headers=headers)
        assert answer.status_code in (303, 400, 413, 422), (parts, answer.status_code)
    assert "500" not in answer.status


@pytest.mark.mode("postgres")
def test_a_refused_request_is_not_parsed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = web.customer()
    monkeypatch.setattr("supportchat.web.bodies.DeskRequest._load_form_data", lambda *a: 1 / 0)
    foreign = {"Origin": "http://elsewhere.example"}
    strange = {"Origin": ORIGIN, "Host": "elsewhere.example"}
    for headers, status in ((foreign, 403), (strange, 400)):
        for htmx in ({}, {"HX-Request": "true"}):
            answer = browser.client.post("/chat/messages", data={"message": "typed"}, headers={**headers, **htmx})
            assert answer.status_code == status
            assert "typed" not in answer.get_data(as_text=True)
    assert browser.post("/chat/messages", message="x" * 140_000).status_code == 413
    assert browser.post("/chat/messages", message="x", **{f"x{n}": "" for n in range(30)}).status_code == 413
    assert browser.post("/nowhere", message="x").status_code == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("message=%F0%9F%98%80+a%2Bb", "\N{GRINNING FACE} a+b"),
        ("&&message=%zz%4&&", "%zz%4"),
        ("message=%FFa", "\N{REPLACEMENT CHARACTER}a"),
        ("%6Dessage=a=b", "a=b"),
    ],
)
@pytest.mark.mode("postgres")
def test_what_browsers_escape_is_read(web: Web, rows: Any, body: str, message: str) -> None:
    browser = web.customer()
    kind = "application/x-www-form-urlencoded"
    headers = {"Origin": ORIGIN}
    assert browser.client.post("/chat/messages", data=body, content_type=kind, headers=headers).status_code == 303
    assert rows("select message from chat_messages where sender = 'user' order by seq desc limit 1") == [(message,)]


@pytest.mark.mode("postgres")
def test_the_longest_message_fits_into_every_form_that_has_one(web: Web, rows: Any) -> None:
    message = "\N{GRINNING FACE}" * 8000
    names = {"message": message, "customer_name": "\N{GRINNING FACE}" * 80}
    customer = web.visitor()
    assert customer.send("POST", "/chat", names, content_type=MULTIPART).status_code == 303
    assert rows("select char_length(message) from chat_messages where sender = 'user'") == [(8000,)]
    too_long = web.visitor().send("POST", "/chat", {"message": message + "x"}, content_type=MULTIPART)
    assert too_long.status_code == 422
    assert "more than 8,000 characters" in too_long.get_data(as_text=True)
    for path in (ROOT / "templates").rglob("*.html"):
        forms = re.findall(r"<form.*?</form>", path.read_text(), re.DOTALL)
        for form in forms:
            assert 'name="message"' not in form or MULTIPART in form, path
    assert web.visitor().post("/chat", message=message).status_code == 413  # 96 KB escaped


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("picture", [True, False])
def test_a_body_that_is_too_large_is_refused_with_a_sentence(web: Web, htmx: bool, picture: bool) -> None:
    large = "x" * 12_000_000
    sent: dict[str, Any] = {"image": (io.BytesIO(large.encode()), "a.png")} if picture else {"message": large}
    answer = web.customer().post("/chat/messages", htmx=htmx, **sent)
    assert answer.status_code == 413
    assert ("Pictures can have up to 10 MB" if picture else "up to 8,000 characters") in answer.get_data(as_text=True)


@pytest.mark.parametrize(("size", "status"), [(200_000, 422), (1_500_000, 413)])
def test_a_text_that_is_too_long_is_not_answered_as_a_picture(web: Web, size: int, status: int) -> None:
    # As a browser without scripts sends it: multipart, with an empty file.
    sent = {"message": "x" * size, "image": (io.BytesIO(b""), "")}
    answer = web.customer().post("/chat/messages", **sent)
    page = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert "8,000 characters" in page
    assert "Pictures can have up to 10 MB" not in page
    assert ("x" * size in page) == (status == 422)


@pytest.mark.mode("postgres")
def test_a_machine_without_a_temporary_folder_says_so(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = web.customer()
    # Werkzeug keeps half a megabyte in memory. Encoded here: the client of the tests needs such a folder as well.
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * 1_000_000)
    boundary, body = encode_multipart({"message": "Look", "image": FileStorage(picture, "a.png")})
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/nowhere"])
    headers = {"Origin": ORIGIN, "HX-Request": "true"}
    kind = f"multipart/form-data; boundary={boundary}"
    answer = browser.client.post("/chat/messages", data=body, content_type=kind, headers=headers)
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.get_data(as_text=True)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"])
def test_only_the_hosts_that_are_ours_are_answered(web: Web, host: str) -> None:
    answer = web.visitor().client.get("/chat", headers={"Host": host})
    assert answer.status_code == 400
    assert host not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "localhost:3000"),
        ({}, "[::1]:3000"),
        ({"host": "::1"}, "[::1]"),
        ({"host": "127.0.0.2"}, "127.0.0.2:3000"),
        ({"host": "0:0:0:0:0:0:0:1"}, "[0:0:0:0:0:0:0:1]:3000"),
        ({"public_url": "https://[2001:db8::1]"}, "[2001:db8::1]"),
        ({"host": "192.0.2.1"}, "xn--bcher-kva.example:3000"),
        # How bin/run asks whether the desk is ready.
        ({"public_url": "https://chat.example.com", "host": "192.0.2.1"}, "192.0.2.1:3000"),
    ],
)
def test_every_address_of_the_desk_is_answered(tmp_path: Path, settings: dict[str, Any], host: str) -> None:
    app = create_app(Config(data_dir=tmp_path, **settings))
    answer = app.test_client().get("/agent/login", headers={"Host": host})
    origin = settings.get("public_url", f"http://{host}")
    assert answer.status_code == 200
    with app.test_request_context("/", headers={"Host": host}):
        assert own_origin() == origin


@pytest.mark.parametrize("settings", [{"host": "::1"}, {"public_url": "https://[2001:db8::1]"}])
@pytest.mark.parametrize("host", ["evil.example", "[::2]", "[2001:db8::2]", "[::1].evil.example", "[", "", "a:b:c"])
def test_no_other_address_is_answered(tmp_path: Path, settings: dict[str, Any], host: str) -> None:
    app = create_app(Config(data_dir=tmp_path, **settings))
    for path in ("/agent/login", "/nowhere"):
        answer = app.test_client().get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "2001:db8::2" not in str(answer.headers)


@pytest.mark.parametrize(("host", "status"), [("desk.internal", 200), ("[::1]", 200), ("[::::1]", 400)])
def test_where_any_name_will_do_it_has_to_be_one(tmp_path: Path, host: str, status: int) -> None:
    app = create_app(Config(data_dir=tmp_path, host="0.0.0.0"))
    with app.test_request_context("/agent/login", headers={"Host": host}):
        assert app.full_dispatch_request().status_code == status


def test_public_url_is_the_origin_behind_a_proxy(config: Config) -> None:
    app = create_app(replace(config, public_url="https://chat.example.com"))
    browser = Browser(app)
    browser.client.get("/chat", base_url="https://chat.example.com")

    def start(origin: str) -> int:
        return browser.client.post(
            "/chat",
            base_url="https://chat.example.com",
            data={"message": "Hi", "client_message_id": new_id()},
            headers={"Origin": origin},
        ).status_code

    assert start("http://chat.example.com") == 403
    assert start("https://chat.example.com") == 303
    app.extensions["database"].close()


def test_only_the_named_sites_may_frame_the_chat(config: Config) -> None:
    app = create_app(replace(config, embed_origins=("https://shop.example",)))
    client = app.test_client()
    assert "frame-ancestors 'self' https://shop.example;" in client.get("/chat").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in client.get("/agent/login").headers["Content-Security-Policy"]
    app.extensions["database"].close()


def test_forwarded_headers_count_only_behind_a_trusted_proxy(config: Config) -> None:
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    for proxies, status in ((0, 200), (1, 400)):
        app = create_app(replace(config, trusted_proxies=proxies))
        assert app.test_client().get("/agent/login", headers=forged).status_code == status
        app.extensions["database"].close()


def test_templates_never_switch_escaping_off() -> None:
    sources = [*(ROOT / "templates").rglob("*.html")]
    assert len(sources) > 20
    for source in sources:
        text = source.read_text()
        assert not re.search(r"\|\s*safe|autoescape|xmlattr|hx-on|\bjs:|\"javascript:", text), source
        assert not re.search(r"hx-nonce:inherited", text), source


def test_frames_for_the_socket_carry_no_attributes_of_htmx() -> None:
    # Everything that fragments.py renders for frames, with what it includes.
    for name in (
        "shared/_message",
        "chat/_event",
        "shared/_typing",
        "tickets/_event",
        "chat/_presence",
        "tickets/_note",
        "tickets/_customer_here",
    ):
        assert "hx-" not in (ROOT / "templates" / f"{name}.html").read_text(), name


def test_no_route_answers_a_fault_with_a_traceback(app: Flask, web: Web, hers: str, monkeypatch: Any) -> None:
    browser = web.customer()
    monkeypatch.setattr("supportchat.chat.routes.chat.call", lambda *a, **k: 1 / 0)
    for htmx in ({}, {"HX-Request": "true"}):
        answer = browser.client.get("/chat", headers=htmx)
        page = answer.get_data(as_text=True)
        assert answer.status_code == 500
        assert "Something went wrong on our side" in page
        assert "ZeroDivisionError" not in page
        assert "Traceback" not in page


FIELDS = [
    "message",
    "note",
    "client_message_id",
    "session",
    "availability",
    "agent",
    "expected",
    "delivered",
    "read",
    "customer_name",
    "customer_phone",
    "time_zone",
    "email",
    "password",
    "next",
    "before",
    "after",
    "after_note",
    "epoch",
    "view",
    "ticket",
    "new",
]
ODD_VALUES = ("%00", "%ED%A0%80", "a%00b")  # NUL, a lone surrogate
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
# As WSGI has them: bytes of the wire, read as Latin-1.
ODD_HEADERS: list[dict[str, str]] = [
    {"HX-Request": "true", "HX-Current-URL": "http://[", "HX-Source": "form#\xed\xa0\x80", "Referer": "http://["},
    {"HX-Request": "\xff", "HX-Current-URL": "\xed\xa0\x80?\x01", "HX-Target": "\xff", "HX-Source": "form#"},
    {"Content-Type": "multipart/form-data", "Range": "bytes=9-1", "If-None-Match": '"'},
    UPGRADE,
]
ODD_UPGRADES: list[dict[str, str]] = [
    UPGRADE | {"Sec-WebSocket-Version": "\xff", "Sec-WebSocket-Key": "\xff", "Sec-WebSocket-Protocol": "\xff,"},
    UPGRADE | {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "=", "Sec-WebSocket-Extensions": "\xff;="},
]


@pytest.mark.mode("postgres")  # what the doors make of odd values: tests/database/test_values.py, in both
@pytest.mark.parametrize("turn", first(range(len(ODD_VALUES))))
def test_whatever_is_sent_no_route_fails_on_it(app: Flask, web: Web, hers: str, turn: int) -> None:
    """Each field has another of the odd values, and in the next turn the one after it."""
    odd_values = itertools.islice(itertools.cycle(ODD_VALUES), turn, None)
    body = "&".join(f"{field}={odd}" for field, odd in zip(FIELDS, odd_values, strict=False))
    own, form = {"Origin": ORIGIN}, {"Content-Type": "application/x-www-form-urlencoded"}
    for browser in (web.customer(), web.agent("carol")):
        for _, method, path in calls(app, hers):
            if path == "/agent/logout":
                continue
            odd = [browser.client.open(path, method=method, headers=own | headers) for headers in ODD_HEADERS]
            sent: dict[str, Any] = {"query_string": body} if method == "GET" else {"data": body}
            odd.append(browser.client.open(path, method=method, headers=own | form, **sent))
            assert [answer.status_code for answer in odd if answer.status_code >= 500] == [], (method, path)
        for path in sockets(app):
            odd = [browser.client.get(path, headers=own | headers) for headers in [*ODD_HEADERS, *ODD_UPGRADES]]
            assert [answer.status_code for answer in odd if answer.status_code >= 500] == [], path


def test_a_lost_database_is_said_in_words_and_keeps_the_text(web: Web, app: Flask) -> None:
    browser = web.customer()
    app.extensions["database"].close()
    app.extensions["database"] = PostgresDatabase("host=127.0.0.1 port=1 user=x dbname=x", wait=0.2)
    plain = browser.post("/chat/messages", message="Do not lose me")
    assert plain.status_code == 503
    assert plain.headers["Retry-After"] == "2"
    assert "Do not lose me" in plain.get_data(as_text=True)
    fragment = browser.post("/chat/messages", htmx=True, message="Do not lose me")
    assert fragment.status_code == 503
    assert "Retry" in fragment.get_data(as_text=True)


def test_a_browser_without_cookies_is_told_what_to_allow(app: Flask, rows: Any) -> None:
    browser = Browser(app)
    answer = browser.post("/chat", message="Keep this")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "Allow cookies for this page" in page
    assert "Keep this" in page
    assert rows("select count(*) from user_sessions") == [(0,)]
    assert browser.post("/chat", message="Keep this").status_code == 303  # it had only lost them


def test_a_page_of_the_version_before_still_works(web: Web, rows: Any) -> None:
    browser = web.visitor()
    old = {"csrf_token": "ImFiYyI.aaaa.bbbb", "time_zone": "UTC", "customer_name": "Vera", "customer_phone": ""}
    headers = {"Origin": ORIGIN, "X-CSRFToken": "ImFiYyI.aaaa.bbbb"}
    browser.client.set_cookie("s", "eyJjc3JmX3Rva2VuIjoiYWJjIn0.aaaa.bbbb")
    for path in ("/chat", "/chat/messages"):
        sent = {"message": "From an old page", "client_message_id": new_id(), **old}
        assert browser.client.post(path, data=sent, headers=headers, content_type=MULTIPART).status_code == 303
    assert rows("select count(*) from chat_messages where message = 'From an old page'") == [(2,)]
    assert browser.client.get_cookie("s") is None


def test_the_session_of_another_program_on_this_host_is_left_alone(web: Web) -> None:
    browser = web.visitor()
    browser.client.set_cookie("s", "somebody else's")
    browser.get("/chat")
    assert browser.client.get_cookie("s") is not None


def test_no_route_gives_a_browser_a_session_of_flask(app: Flask, web: Web, hers: str) -> None:
    for browser in (web.customer(), web.agent("carol")):
        for _, method, path in calls(app, hers):
            browser.send(method, path)
        assert {cookie.key for cookie in (browser.client._cookies or {}).values()} <= {"a", "c", "k"}
