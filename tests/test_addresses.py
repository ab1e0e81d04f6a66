"""What a deployer meets: names, ports and proxies before the desk, and what it says when one of them is wrong."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from supportchat.app import create_app
from supportchat.config import ROOT, Config
from supportchat.rendering.assets import BUILT, newest_files
from supportchat.status.proxy import check_proxy
from supportchat.web import refusals
from supportchat.web.refusals import LINES, Quota, shown
from tests.cast import PASSWORD, Agent
from tests.routes import calls, sockets
from tests.variants import first
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")

UNSAFE = ("POST", "DELETE")
ATTACK = "Click Send again"
SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade"}
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost:8080"},
    {"Sec-Fetch-Site": "same-site"},
    {},
]


@pytest.fixture(autouse=True)
def quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "quota", Quota())


@pytest.fixture
def proxied(config: Config) -> Iterator[Web]:
    """A desk behind a proxy that has another port, tells it nothing, and asks it by an address of its own."""
    app = create_app(replace(config, public_url="https://chat.example.test:9443"))
    yield Web(app)
    app.extensions["database"].close()


def all_calls(app: Flask) -> list[tuple[str, str]]:
    image_id = str(uuid.uuid4())
    return [(method, path) for _, method, path in calls(app, image_id)] + [("GET", path) for path in sockets(app)]


# Addresses


def addresses_in(answer: TestResponse) -> list[str]:
    headers = [value for name, value in answer.headers if name != "Content-Security-Policy"]
    page = re.sub(r'xmlns(:\w+)?="[^"]*"', "", answer.get_data(as_text=True))
    return re.findall(r"(?:https?|wss?)://[^\s\"'<]+", "\n".join([page, *headers]))


def test_no_answer_holds_an_address_made_from_the_host_of_the_request(web: Web, app: Flask) -> None:
    customer, agent, admin = web.customer(), web.agent("alice"), web.agent("carol")
    for method, path in all_calls(app):
        for browser in (customer, agent, admin):
            answer = browser.client.open(path, method=method, headers={"Host": "localhost:3501", "Origin": ORIGIN})
            assert [address for address in addresses_in(answer) if "3501" in address] == [], (method, path)


def test_the_link_to_copy_is_public_url_where_it_is_set(proxied: Web) -> None:
    origin = "https://chat.example.test:9443"
    browser = Browser(proxied._app)
    fields = {"email": "alice@example.com", "password": PASSWORD}
    assert browser.client.post("/agent/login", base_url=origin, data=fields, headers={"Origin": origin}).location
    page = browser.client.get("/agent", base_url=origin)
    assert addresses_in(page) == [f"{origin}/chat"]


def test_pages_open_their_socket_at_their_own_address(app: Flask) -> None:
    pages = "".join(page.read_text() for page in (ROOT / "templates").rglob("*.html"))
    assert sorted(re.findall(r'hx-ws:connect="([^"]+)"', pages)) == sorted(sockets(app))


@pytest.mark.parametrize("path", ["//chat", "/chat//messages", "//agent"])
def test_no_redirect_leads_to_the_host_of_the_request(web: Web, path: str) -> None:
    answer = web.visitor().client.get("/", base_url="http://localhost:3501", environ_overrides={"PATH_INFO": path})
    assert "localhost:3501" not in str(answer.headers)


@pytest.mark.parametrize("scheme", ["https", "wss"])
def test_a_trusted_proxy_says_by_which_scheme_browsers_come(config: Config, scheme: str) -> None:
    app = create_app(replace(config, trusted_proxies=1))
    headers = {"X-Forwarded-Proto": scheme, "Origin": "https://localhost"}
    answer = app.test_client().post("/agent/logout", headers=headers)
    assert answer.status_code != 403
    app.extensions["database"].close()


# Probes


@pytest.mark.parametrize("settings", [{}, {"host": "0.0.0.0", "public_url": "https://chat.example.com"}])
def test_probes_are_answered_whatever_they_name_as_the_host(config: Config, settings: Any) -> None:
    cases: list[str] = ["10.0.0.5:3505", "pod-7.internal", "kube-probe", "support_chat:3000", "[::2]", "", "["]
    for host in cases:
        app = create_app(replace(config, **settings))
        for path in ("/healthz", "/readyz"):
            for method in ("GET", "HEAD"):
                answer = app.test_client().open(path, method=method, headers={"Host": host})
                assert answer.status_code == 200, path
        app.extensions["database"].close()


# What another site may have sent


@pytest.mark.parametrize("htmx", [{}, {"HX-Request": "true", "HX-Source": "form#reply"}])
@pytest.mark.parametrize("headers", first(FOREIGN))
def test_a_request_of_another_site_gets_no_form_no_echo_and_no_cookie(
    app: Flask, web: Web, headers: dict[str, str], htmx: dict[str, str]
) -> None:
    web.customer()
    strangers, agent = Browser(app), web.agent("alice")
    fields = {"message": ATTACK, "email": ATTACK, "note": ATTACK, "customer_name": ATTACK}
    for method, path in all_calls(app):
        for browser in (strangers, agent):
            if method in UNSAFE:
                answer = browser.client.open(path, method=method, data=fields, headers={**headers, **htmx})
            elif path in sockets(app):
                answer = browser.client.get(path, headers={**headers, **SOCKET})
            else:
                continue
            page = answer.get_data(as_text=True)
            assert answer.status_code == 403, (method, path)
            assert not re.search(f"<form|<input|<textarea|{ATTACK}", page), (method, path)
            assert "Set-Cookie" not in answer.headers, (method, path)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_neither_does_one_to_an_address_that_is_none_and_its_body_is_not_read(
    app: Flask, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask.Request._load_form_data", lambda _: pytest.fail("read"))
    for path in ("/nowhere", "/chat", "/healthz"):
        for kind, body in (("text/plain", ATTACK), ("multipart/form-data; boundary=x", f"--x\r\n\r\n{ATTACK}")):
            answer = Browser(app).client.open(
                path, method=method, data=body, content_type=kind, headers={"Origin": "https://evil.example"}
            )
            assert 400 <= answer.status_code < 500
            assert not re.search(f"<form|{ATTACK}", answer.get_data(as_text=True))
            assert "Set-Cookie" not in answer.headers


def test_a_link_on_another_site_finds_the_agent_logged_in_and_a_form_there_does_nothing(web: Web, rows: Any) -> None:
    web.customer()
    agent = web.log_in("alice")
    cookie = agent.client.get_cookie("a")
    assert cookie is not None
    assert cookie.same_site == "Lax"
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Referer": "https://app.slack.com/"}
    assert agent.client.get("/agent?ticket=1001", headers=followed).status_code == 200
    forged = {"Origin": "https://evil.example", **followed}
    answer = agent.client.post("/tickets/1001/closure", headers=forged)
    assert answer.status_code == 403
    assert rows("select status from tickets") != [("closed",)]


# Cookies and headers


def cookies_at(config: Config, address: str, **settings: Any) -> dict[str, str]:
    """The cookies of somebody who has logged in and looked at the chat, by name."""
    app = create_app(replace(config, **settings))
    client = app.test_client()
    client.get("/chat", base_url=address)
    fields = {"email": "alice@example.com", "password": PASSWORD}
    answer = client.post("/agent/login", base_url=address, data=fields, headers={"Origin": address})
    assert answer.status_code == 303
    client.get("/agent", base_url=address)
    app.extensions["database"].close()
    return {cookie.key: cookie.value for cookie in (client._cookies or {}).values()}


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("http://localhost", "a c k"),
        ("http://localhost:3000", "a-3000 c-3000 k-3000"),
        ("http://[::1]:3001", "a-3001 c-3001 k-3001"),
        ("https://chat.example.com", "__Host-a __Host-c __Host-k"),
        ("https://chat.example.com:9443", "__Host-a-9443 __Host-c-9443 __Host-k-9443"),
    ],
)
def test_cookies_know_the_port_since_browsers_do_not(config: Config, address: str, names: str) -> None:
    public_url = address if address.startswith("https") else ""
    assert sorted(cookies_at(config, address, public_url=public_url)) == names.split()


@pytest.fixture
def moved(web: Web, app: Flask) -> tuple[Browser, dict[str, str]]:
    """A browser at a port, with the cookies that older versions gave it; and those."""
    browser = Browser(app)
    alice, vera = web.agent("alice"), web.customer("Do you know me?")
    old = {}
    for name, owner in (("a", alice), ("c", vera)):
        cookie = owner.client.get_cookie(name)
        assert cookie is not None
        browser.client.set_cookie(name, cookie.value)
        old[name] = cookie.value
    return browser, old


PORT = "http://localhost:3000"


def test_cookies_of_the_time_before_names_knew_the_port_are_still_good(moved: tuple[Browser, dict[str, str]]) -> None:
    browser, old = moved
    assert browser.client.get("/agent", base_url=PORT).status_code == 200
    page = browser.client.get("/chat", base_url=PORT).get_data(as_text=True)
    assert "Do you know me?" in page
    new = browser.client.get_cookie("c-3000")
    assert new is not None
    assert new.value == old["c"]
    fields = {"message": "Still good"}
    answer = browser.client.post("/chat/messages", base_url=PORT, data=fields, headers={"Origin": PORT})
    assert answer.status_code == 303


def test_a_logout_takes_the_old_cookie_too_but_not_another_desks(moved: tuple[Browser, dict[str, str]]) -> None:
    browser, _ = moved
    headers = {"Origin": PORT}
    assert browser.client.post("/agent/logout", base_url=PORT, headers=headers).status_code == 303
    assert browser.client.get_cookie("a") is None

    browser.client.set_cookie("a", "another desk's, of a port that needs no saying")
    fields = {"email": "alice@example.com", "password": PASSWORD}
    assert browser.client.post("/agent/login", base_url=PORT, data=fields, headers=headers).status_code == 303
    assert browser.client.get_cookie("a-3000") is not None
    assert browser.client.post("/agent/logout", base_url=PORT, headers=headers).status_code == 303
    assert browser.client.get_cookie("a-3000") is None
    assert browser.client.get_cookie("a") is not None


@pytest.mark.parametrize(
    ("public_url", "is_strict"),
    [("", False), ("http://chat.test", False), ("https://chat.test:9443", False), ("https://chat.test", True)],
)
def test_only_who_has_the_whole_host_says_that_it_is_https(config: Config, public_url: str, is_strict: bool) -> None:
    app = create_app(replace(config, public_url=public_url))
    headers = app.test_client().get("/healthz").headers
    assert ("Strict-Transport-Security" in headers) == is_strict
    app.extensions["database"].close()


def test_no_proxy_may_rewrite_a_page(app: Flask, web: Web) -> None:
    agent = web.agent("carol")
    for method, path in all_calls(app):
        if path.startswith("/static/"):
            continue
        answer = agent.send(method, path)
        # The script is no page, and the same for everybody.
        kept = {"/widget.js": "public, max-age=3600"}.get(path, "no-store, no-transform")
        assert answer.headers["Cache-Control"] == kept, (method, path)


def test_a_page_of_another_version_gets_the_files_of_this_one(web: Web) -> None:
    client = web.visitor().client
    for path, newest in newest_files().items():
        answer = client.get(f"/static/0123456789ab/{path}")
        assert answer.get_data() == (BUILT / newest).read_bytes()
        assert answer.headers["Cache-Control"] == "no-store"
        assert "nosniff" in answer.headers["X-Content-Type-Options"]
        answer.close()
    for path in (
        "none.css",
        "css",
        "",
        "for_agents.css.br",
        "../wsgi.py",
        "%2e%2e/wsgi.py",
        "..%2fwsgi.py",
        "/etc/passwd",
        "%00",
    ):
        assert client.get(f"/static/0123456789ab/{path}").status_code == 404, path


# What is said to who runs the desk


def test_a_wrong_host_gets_a_page_for_the_admin_and_nothing_else(app: Flask, caplog: Any) -> None:
    client = app.test_client()
    for method, path in all_calls(app):
        if path in ("/healthz", "/readyz"):
            continue
        answer = client.open(path, method=method, headers={"Host": "demo.ngrok-free.app"}, data={"message": ATTACK})
        page = answer.get_data(as_text=True)
        assert answer.status_code == 400, (method, path)
        assert "set PUBLIC_URL to the address in your browser, or HOST" in page
        assert not re.search(f"<form|<script|{ATTACK}|ngrok", page)
        assert "Set-Cookie" not in answer.headers
    assert re.search(r"refused host: got 'demo.ngrok-free.app', expected .*localhost.*PUBLIC_URL", caplog.messages[0])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://localhost"},  # TLS ends at a proxy that nobody told the desk of
        {"Origin": "http://localhost:9443"},  # the proxy has another port
    ],
)
def test_who_has_forgotten_a_setting_is_told_which(web: Web, caplog: Any, headers: dict[str, str]) -> None:
    answer = web.visitor().client.post("/chat", data={"message": "Hello"}, headers=headers)
    assert answer.status_code == 403
    assert "set PUBLIC_URL to the address in your browser, and TRUSTED_PROXIES" in answer.get_data(as_text=True)
    [line] = caplog.messages
    assert f"refused origin: got '{headers['Origin']}', expected {ORIGIN}" in line
    assert "PUBLIC_URL, or TRUSTED_PROXIES" in line


def test_behind_a_proxy_that_keeps_the_name_to_itself_forms_work_and_sockets_are_logged(web: Web, caplog: Any) -> None:
    browser = web.visitor()
    headers = {"Origin": "https://chat.example.com", "Sec-Fetch-Site": "same-origin"}
    assert browser.client.post("/chat", data={"message": "Hello"}, headers=headers).status_code == 303
    answer = browser.client.get("/chat/ws", headers={**headers, **SOCKET})
    assert answer.status_code == 403
    assert "set PUBLIC_URL to the address in your browser" in answer.get_data(as_text=True)
    [line] = caplog.messages
    assert f"refused origin: got 'https://chat.example.com (same-origin)', expected {ORIGIN}" in line
    assert "PUBLIC_URL, or TRUSTED_PROXIES" in line


def test_another_site_is_not_told_how_the_desk_is_set_up(web: Web) -> None:
    answer = web.visitor().client.post("/chat", headers={"Origin": "https://evil.example"})
    page = answer.get_data(as_text=True)
    assert "came from another site" in page
    assert "PUBLIC_URL" not in page


@pytest.mark.parametrize(
    ("headers", "came"),
    [
        ({}, "'nothing and nothing'"),
        ({"Connection": "close"}, "'nothing and close'"),
        ({"Upgrade": "websocket", "Connection": "close", "Origin": ORIGIN}, "'websocket and close'"),
    ],
)
def test_a_proxy_that_does_not_pass_the_upgrade_on_is_named(
    web: Web, caplog: Any, headers: dict[str, str], came: str
) -> None:
    assert web.customer().get("/chat/ws", headers=headers).status_code == 400
    assert f"refused websocket: got {came}" in caplog.messages[-1]


def test_what_is_too_large_is_logged_with_its_length(web: Web, caplog: Any) -> None:
    web.customer().post("/chat/messages", message="x" * 12_000_000)
    assert re.search(r"refused length: got '120\d+', expected at most 11534336 bytes", caplog.messages[-1])


@pytest.mark.parametrize("odd", ["a\nb", "a\r\nb", "\x1b[31m", "\x85", "\u202e", "\u2028", "x" * 1_000_000])
def test_nothing_that_comes_breaks_a_line_of_the_log_or_fills_it(odd: str) -> None:
    written = shown(odd)
    assert written.isprintable()
    assert len(written) < 200


def test_a_stranger_does_not_fill_the_log(web: Web, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = web.visitor().client
    for _ in range(LINES + 7):
        client.get("/chat", headers={"Host": "evil.example"})
    client.post("/chat", headers={"Origin": "https://evil.example"})
    assert [message.split(":")[0] for message in caplog.messages] == ["refused host"] * LINES + ["refused origin"]
    monkeypatch.setattr("supportchat.web.refusals.time.monotonic", lambda: float("inf"))
    client.get("/chat", headers={"Host": "evil.example"})
    assert caplog.messages[-2:][0] == "refused host: 7 more in the last minute were not logged"


@pytest.mark.parametrize(
    ("settings", "headers", "state", "says"),
    [
        ({}, {}, "ok", "http://127.0.0.1:3000"),
        ({"public_url": "https://chat.example.com"}, {}, "ok", "https://chat.example.com"),
        ({"host": "0.0.0.0"}, {}, "warn", "accepts any host name"),
        ({}, {"X-Forwarded-For": "192.0.2.1"}, "warn", "X-Forwarded-For, but TRUSTED_PROXIES is 0"),
        ({}, {"X-Forwarded-Proto": "https"}, "warn", "X-Forwarded-Proto, but TRUSTED_PROXIES is 0"),
        ({"trusted_proxies": 1}, {"X-Forwarded-For": "192.0.2.1"}, "ok", ""),
        ({"trusted_proxies": 1}, {}, "warn", "TRUSTED_PROXIES is 1, but X-Forwarded-For holds 0 addresses"),
        (
            {"trusted_proxies": 2},
            {"X-Forwarded-For": "192.0.2.1"},
            "warn",
            "is 2, but X-Forwarded-For holds 1 address.",
        ),
        ({"trusted_proxies": 2}, {"X-Forwarded-For": "192.0.2.1, 10.0.0.1"}, "ok", ""),
    ],
)
def test_the_status_says_what_stands_before_the_desk(
    settings: dict[str, Any], headers: dict[str, str], state: str, says: str
) -> None:
    check = check_proxy(Config(**settings), Headers(headers))
    assert (check.state, says in check.text) == (state, True), check.text
    assert bool(check.fix) == (state == "warn")


def test_the_status_page_looks_at_its_own_request(web: Web) -> None:
    admin = web.agent("carol")
    assert "TRUSTED_PROXIES" not in admin.get("/status").text
    assert "TRUSTED_PROXIES is 0" in admin.get("/status", headers={"X-Forwarded-For": "192.0.2.1"}).text


def test_who_tries_what_they_have_no_right_to_is_logged(web: Web, caplog: Any, alice: Agent) -> None:
    browser = web.agent("alice")
    caplog.clear()
    assert browser.get("/people").status_code == 403
    assert caplog.messages == [
        f"refused right_missing: agent {alice.id} lacks manage_people ('GET' '/people' from 127.0.0.1)"
    ]


def test_each_login_has_its_line_without_a_password(web: Web, caplog: Any) -> None:
    web.log_in("alice")
    browser = web.visitor()
    browser.get("/agent/login")
    browser.post("/agent/login", email="alice@example.com", password="my secret guess")
    browser.post("/agent/login", email="my secret password", password="x")
    assert caplog.messages == [
        "login of 'alice@example.com' from 127.0.0.1",
        "failed login of 'alice@example.com' from 127.0.0.1",
        "failed login of what is no e-mail address from 127.0.0.1",
    ]
