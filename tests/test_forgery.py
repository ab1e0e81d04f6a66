"""What another site can have a browser do here, with all its cookies: nothing.

There are no form tokens, and in frames the customer's cookie is `SameSite=None`. What stands in the way is one rule
for the requests that may change something, and the promise that no others do.
"""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from supportchat.config import Config
from supportchat.web.security import is_from_our_pages
from tests.cast import Agent
from tests.routes import calls, sockets
from tests.web import ORIGIN, Browser, Web

SITES = [None, "same-origin", "same-site", "cross-site", "none", "", "Same-Origin", "same-origin,same-origin"]
ORIGINS = [None, ORIGIN, "null", "", "https://evil.example", "http://localhost.evil.example", "https://localhost"]
ORIGINS += [
    "http://localhost:8080",
    "http://localhost/",
    "HTTP://LOCALHOST",
    f"{ORIGIN},{ORIGIN}",
    "http://[",
    "file://",
]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW", "post", "get"]
SOCKET = {"Upgrade": "WebSocket", "Connection": "Upgrade"}


def headers_of(site: str | None, origin: str | None) -> dict[str, str]:
    named = {"Sec-Fetch-Site": site, "Origin": origin}
    return {name: value for name, value in named.items() if value is not None}


FOREIGN = [headers_of(site, ORIGIN) for site in SITES if site not in (None, "same-origin")]
FOREIGN += [headers_of(None, origin) for origin in ORIGINS if origin != ORIGIN]


@pytest.fixture
def hers(web: Web, alice: Agent, rows: Any) -> str:
    """Vera's chat, with alice; gives the id of a picture in it."""
    web.customer("My secret", customer_name="Vera Lindt")
    image_id = str(uuid.uuid4())
    rows(
        "insert into chat_images (id, session_id, storage_key, content_type, width, height, bytes, digest)"
        " select %s, session_id, %s, 'image/webp', 1, 1, 1, 'd' from user_sessions",
        image_id,
        "a" * 64,
    )
    return image_id


def everything(rows: Any) -> dict[str, list[str]]:
    """Every row of every table, with the transaction that wrote it."""
    tables = [name for (name,) in rows("select tablename from pg_tables where schemaname = 'public' order by 1")]
    assert {"tickets", "agent_sessions", "throttle_buckets"} <= set(tables)
    written = {table: f"select {table}::text || xmin from {table}" for table in tables}
    # A login that is used lives on.
    written["agent_sessions"] = "select (to_jsonb(a) - 'last_seen_at')::text from agent_sessions a"
    for of_processes in ("server_processes", "heartbeat"):  # a process says by itself that it lives
        del written[of_processes]
    return {table: sorted(row for (row,) in rows(query)) for table, query in written.items()}


def files_in(folder: Path) -> list[Path]:
    """Every file in a folder. /status tries the store with a file of its own, which goes again."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def tempt(rows: Any) -> None:
    """Leave in every place what somebody who comes by might tidy up."""
    rows("update agent_sessions set last_seen_at = now() - interval '5 minutes'")
    rows("update agents set lease_expires_at = now() - interval '1 minute'")
    rows("update tickets set awaiting_since = now() - interval '1 hour'")
    rows("insert into throttle_buckets (key, full_at) values ('x/y', now() - interval '1 hour')")


def test_no_get_changes_anything(app: Flask, web: Web, hers: str, rows: Any, config: Config) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}  # a link anywhere, with the cookies
    overridden = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "POST"}
    ways = [("GET", followed), ("GET", {"HX-Request": "true"}), ("HEAD", overridden), ("OPTIONS", overridden)]
    query = {"message": "x", "availability": "away", "agent": "1", "new": "", "before": "1", "view": "all", "read": "1"}
    query |= {"_method": "DELETE", "after": "0", "after_note": "0", "next": "/agent", "done": "", "lang": "de"}
    browsers = [web.agent("alice"), web.agent("carol"), web.visitor(), web.customer("Mine"), Browser(app)]
    tempt(rows)
    before, files = everything(rows), files_in(config.data_dir)
    for _, method, path in calls(app, hers):
        if method != "GET":
            continue
        for browser, (way, headers) in itertools.product(browsers, ways):
            answer = browser.client.open(path, method=way, headers=headers, query_string=query)
            given = answer.headers.getlist("Set-Cookie")
            # A key for a browser that has none, and the language that was asked for.
            assert [cookie for cookie in given if not cookie.startswith(("c=", "l="))] == [], path
    assert everything(rows) == before
    assert files_in(config.data_dir) == files


def test_what_only_takes_posts_does_nothing_for_safe_methods(app: Flask, web: Web, hers: str, rows: Any) -> None:
    browser, before = web.agent("alice"), everything(rows)
    reads = {path for _, method, path in calls(app, hers) if method == "GET"}
    for _, method, path in calls(app, hers):
        if method != "GET" and path not in reads:
            assert browser.client.open(path, method="GET").status_code == 405, path
            assert browser.client.open(path, method="HEAD").status_code == 405, path
            assert browser.client.open(path, method="OPTIONS").status_code == 200, path
    assert everything(rows) == before


def test_a_link_from_elsewhere_makes_nobody_present(app: Flask, web: Web, hers: str) -> None:
    for browser in (web.customer("Mine"), web.agent("alice")):
        for _, method, path in calls(app, hers):
            if method == "GET":
                browser.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert app.extensions["hub"]._polls == {}


@pytest.mark.mode("postgres")
def test_no_unsafe_route_takes_what_is_not_from_our_pages(app: Flask, web: Web, hers: str, rows: Any) -> None:
    agent, customer = web.agent("alice"), web.customer("Mine")
    before = everything(rows)
    unsafe = [(method, path) for _, method, path in calls(app, hers) if method != "GET"]
    assert len(unsafe) > 15
    # Of each route some of them, in turn: that there is one rule for all of them, the next tests say.
    foreign = itertools.cycle(FOREIGN)
    for method, path, headers in [(*route, next(foreign)) for route in unsafe for _ in range(4)]:
        browser = agent if path.startswith(("/agent", "/tickets")) else customer
        answer = browser.client.open(path, method=method, headers=headers, data={"message": "x"})
        assert answer.status_code == 403, (method, path, headers)
    assert everything(rows) == before


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("headers", [headers_of(None, ORIGIN), headers_of("same-origin", ORIGIN)])
def test_every_unsafe_route_takes_what_is_from_our_pages(
    app: Flask, web: Web, hers: str, headers: dict[str, str]
) -> None:
    for _, method, path in calls(app, hers):
        if method != "GET":
            answer = web.visitor().client.open(path, method=method, headers=headers)
            assert answer.status_code != 403, (method, path)


@pytest.mark.mode("postgres")
def test_the_rule_holds_for_every_method_that_is_not_known_to_be_safe(app: Flask) -> None:
    for method in UNSAFE:
        for site, origin in itertools.product(SITES, ORIGINS):
            with app.test_request_context("/chat", headers=headers_of(site, origin)) as context:
                context.request.method = method
                expected = site == "same-origin" if site is not None else origin == ORIGIN
                assert is_from_our_pages() == expected, (site, origin)


@pytest.mark.mode("postgres")
def test_a_socket_needs_the_exact_origin_whatever_else_is_said(web: Web, app: Flask) -> None:
    for site in SITES:
        browsers = [web.customer(), web.agent("alice")]
        for path, origin, browser in itertools.product(sockets(app), ORIGINS, browsers):
            answer = browser.client.get(path, headers={**SOCKET, **headers_of(site, origin)})
            assert (answer.status_code == 403) == (origin != ORIGIN), (path, origin)


@pytest.mark.mode("postgres")
def test_a_program_that_says_nothing_of_where_it_is_gets_a_plain_sentence(web: Web) -> None:
    for headers in ({"User-Agent": "curl/8.0"}, {"Origin": "null"}):
        answer = web.visitor().client.post("/chat", data={"message": "Hello"}, headers=headers)
        assert answer.status_code == 403
        assert "did not say which page this came from" in answer.get_data(as_text=True)
