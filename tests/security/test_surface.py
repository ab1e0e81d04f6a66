"""What the desk shows of itself, takes the word of others for, and reaches by itself."""

from __future__ import annotations

import ast
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from supportchat.app import create_app
from supportchat.config import ROOT, Config
from supportchat.database.postgres import PostgresDatabase
from supportchat.web import limits
from tests.cast import Agent, new_id
from tests.routes import calls
from tests.web import ORIGIN, Browser

from .conftest import People

SOURCES = sorted((ROOT / "supportchat").rglob("*.py"))


def imports() -> Iterator[tuple[str, str]]:
    """Yield each module that is imported, with where."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                yield name, source.relative_to(ROOT / "supportchat").as_posix()


# Rows 24 and 50: what the desk calls, and who calls it

CALLERS = ("httpx", "urllib.request", "http.client", "requests", "aiohttp", "ftplib", "smtplib", "websockets")
# A Supabase project and a provider, by their settings; and bin/run, which asks its own server whether it is ready.
REACHING = {
    *("supabase/client.py", "supabase/database.py", "supabase/images.py", "server/run.py"),
    "provider/errands.py",
}
INBOUND = re.compile(r"imaplib|poplib|smtpd|aiosmtpd|imap_tools|mailparser|email\.parser|mail_parser")


def test_row_24_only_what_a_setting_names_is_called() -> None:
    assert {where for name, where in imports() if name in CALLERS} <= REACHING


URLS = "http://127.0.0.1:9/zqxv http://169.254.169.254/latest file:///etc/passwd gopher://127.0.0.1:9/ //localhost:9/ "


@pytest.mark.mode("postgres")
def test_row_24_an_address_that_somebody_sends_is_called_by_nobody(
    app: Flask, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = list[Any]()

    def call(*args: Any, **kwargs: Any) -> list[Any]:
        called.append(args)
        return []

    monkeypatch.setattr(socket.socket, "connect", call)
    monkeypatch.setattr(socket, "getaddrinfo", call)
    names = ("message", "customer_name", "customer_phone", "next", "session", "agent", "email", "url", "view", "epoch")
    fields = dict.fromkeys(names, URLS)
    headers = {"Origin": ORIGIN, "Referer": URLS, "HX-Current-URL": URLS, "X-Forwarded-Host": "127.0.0.1:9"}
    for name in ("vera", "alice", "carol"):
        for _, method, path in calls(app, people.hers.image_id):
            if path not in ("/agent/logout", "/status"):
                data = fields if method != "GET" else None
                query = fields if method == "GET" else None
                people.browsers[name].client.open(
                    path, method=method, data=data, query_string=query, headers=headers, buffered=True
                )
    assert called == []


def test_row_50_no_mail_comes_in() -> None:
    assert [(name, where) for name, where in imports() if INBOUND.search(name)] == []


# Row 25: there are no addresses that are worth something by themselves


@pytest.mark.both_modes
def test_row_25_a_picture_has_no_address_but_the_one_that_asks_who_it_is(app: Flask, people: People, rows: Any) -> None:
    assert not re.search(r"create_signed|sign/|get_public_url", "".join(s.read_text() for s in SOURCES))
    rows(
        "update chat_messages set image_id = %s where session_id = %s and sender = 'user'",
        people.hers.image_id,
        people.hers.session_id,
    )
    page = people.browsers["vera"].get("/chat").get_data(as_text=True)
    addresses = {found for found in re.findall(r'(?:src|href)="([^"]*)"', page) if "static" not in found}
    path = f"/chat/images/{people.hers.image_id}"
    assert path in addresses
    assert not [address for address in addresses if "token=" in address or "a" * 64 in address]
    for browser in (people.browsers["victor"], Browser(app)):
        assert browser.get(path).status_code == 404
    people.browsers["vera"].post("/chat/closure")
    assert people.browsers["vera"].get(path).status_code == 200  # it is still hers
    rows("update chat_messages set image_id = null")
    rows("delete from chat_images")
    assert people.browsers["vera"].get(path).status_code == 404


def test_row_38_supabase_is_asked_by_functions_with_named_arguments_and_in_no_other_way() -> None:
    code = "".join(source.read_text() for source in SOURCES if "supabase" in source.parts[-2:][0])
    assert ".rpc(" in code
    assert not re.search(r"(?<!storage)\.from_\(|\.(table|or_|filter|eq|select|order)\(", code)


# Row 40: no secret is shown


@pytest.mark.both_modes
def test_row_40_no_page_holds_a_secret_of_the_desk(app: Flask, people: People, config: Config, rows: Any) -> None:
    secrets = [config.supabase_secret_key, config.database_url]
    secrets += [value for (value,) in rows("select password_hash from agent_credentials")]
    secrets += [
        value for (value,) in rows("select token_hash from agent_sessions union select token_hash from visitors")
    ]
    secrets += [value for (value,) in rows("select storage_key from chat_images")]
    shown = "".join(
        browser.get(path).get_data(as_text=True)
        for name, browser in people.browsers.items()
        if name not in ("new", "victor", "disabled", "returned")  # who see what vera or nobody sees
        for _, method, path in calls(app, people.hers.image_id)
        if method == "GET" and (not path.startswith("/static") or name == "vera")
    )
    assert [secret for secret in secrets if secret and secret in shown] == []
    assert not re.search(r"sb_secret_|service_role.{0,9}eyJ|password=", shown)
    scripts = "".join(path.read_text() for path in (ROOT / "static" / "built").rglob("*.js"))
    assert not re.search(r"sb_secret_|service_role|eyJhbGci", scripts)


@pytest.mark.mode("postgres")
def test_row_40_a_database_that_cannot_be_reached_is_named_to_nobody(
    app: Flask, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    app.extensions["database"].close()
    app.extensions["database"] = PostgresDatabase("host=127.0.0.1 port=1 user=x password=zqxv dbname=zqxw", wait=0.01)
    for name in ("vera", "carol"):
        for path in ("/chat", "/agent", "/status", "/readyz"):
            answer = people.browsers[name].get(path)
            assert not re.search(r"zqxv|zqxw|127\.0\.0\.1|psycopg", answer.get_data(as_text=True)), path
    assert "zqxv" not in caplog.text


# Row 41

DECEPTIONS = [
    "/x.css",
    "/x.js",
    ";x.css",
    "%2fx.css",
    "%3bx.css",
    ".css",
    "/.css",
    "%00.css",
    "%23.css",
    "%3f.css",
    "/index.html",
]


@pytest.mark.mode("postgres")
def test_row_41_no_address_of_somebodys_page_looks_like_one_of_a_file(app: Flask, people: People) -> None:
    for name, pages in (
        ("vera", ("/chat", "/chat/messages")),
        ("carol", ("/agent", "/status", "/tickets", "/tickets/1001")),
    ):
        for page in pages:
            for ending in DECEPTIONS:
                answer = people.browsers[name].get(page + ending)
                assert answer.status_code == 404, page + ending
                assert "no-store" in answer.headers["Cache-Control"]


# Rows 42 and 43: whose word counts

SPOOFED = {
    **dict.fromkeys(
        ("X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP"), "192.0.2.66"
    ),
    **dict.fromkeys(("X-Cluster-Client-IP", "Fastly-Client-IP", "X-Originating-IP", "Forwarded-For"), "192.0.2.66"),
    **dict.fromkeys(("Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Auth-Request-Email"), "carol@example.com"),
    "Forwarded": "for=192.0.2.66;host=evil.example;proto=https",
    **dict.fromkeys(("X-Forwarded-Host", "X-Host", "X-HTTP-Host-Override", "X-Forwarded-Server"), "evil.example"),
    **dict.fromkeys(("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Script-Name"), "/status"),
    **dict.fromkeys(("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"), "DELETE"),
    "X-Forwarded-Proto": "https",
    "Authorization": "Basic Y2Fyb2xAZXhhbXBsZS5jb206eA==",
}


@pytest.mark.mode("postgres")
def test_rows_42_and_43_no_header_says_who_somebody_is_or_where_they_are(app: Flask, people: People) -> None:
    with app.test_request_context("/chat", headers=SPOOFED, environ_base={"REMOTE_ADDR": "198.51.100.7"}):
        assert limits.address() == "198.51.100.7"
    for name in ("nobody", "vera", "alice"):
        for policy, method, path in calls(app, people.hers.image_id):
            if method == "GET" and not path.startswith("/static"):
                plain = people.browsers[name].get(path)
                spoofed = people.browsers[name].get(path, headers=SPOOFED)
                assert spoofed.status_code == plain.status_code, (name, policy, path)
                assert spoofed.headers.get("Location") == plain.headers.get("Location")
                assert not re.search(r"evil\.example|192\.0\.2\.66", spoofed.get_data(as_text=True))


@pytest.mark.mode("postgres")
def test_row_48_only_the_chat_is_shown_in_frames_and_only_to_the_sites_that_are_named(
    config: Config, people: People
) -> None:
    app = create_app(replace(config, embed_origins=("https://shop.example",)))
    framed = set()
    browser = Browser(app)
    for _, method, path in [*calls(app, new_id()), ("", "GET", "/nowhere"), ("", "GET", "/chat/nowhere")]:
        [policy] = re.findall(r"frame-ancestors ([^;]+)", browser.send(method, path).headers["Content-Security-Policy"])
        assert policy in ("'none'", "'self' https://shop.example"), path
        if policy != "'none'":
            framed.add(path)
    assert {path for path in framed if not path.startswith("/chat")} <= {"/"}
    assert "/chat" in framed
    app.extensions["database"].close()


@pytest.mark.mode("postgres")
def test_row_49_a_customer_gets_of_an_agent_what_they_are_called_and_nothing_else(
    app: Flask, people: People, alice: Agent, rows: Any
) -> None:
    alice.call("add_note", number=1001, client_message_id=new_id(), note="zqxv between us")
    people.browsers["alice"].post("/tickets/1001/messages", message="Hello Vera", client_message_id=new_id())
    shown = ""
    for _, method, path in calls(app, people.hers.image_id):
        if method == "GET" and path.startswith("/chat"):
            answer = people.browsers["vera"].get(path)
            shown += answer.get_data(as_text=True) + str(answer.headers)
    assert "Hello Vera" in shown
    assert "Alice" in shown
    [(image,)] = rows(
        "select image_id::text from chat_messages where image_id is not null union all select '-' limit 1"
    )
    hidden = [value for (value,) in rows("select email from agents union all select id::text from agents")]
    hidden += ["zqxv", "127.0.0.1", people.his.session_id, "Victor", "Carol", "max_tickets", "is_active"]
    assert [value for value in hidden if value in shown] == []
    assert image == "-"
