"""What a first visit loads, and how small it is on its way."""

from __future__ import annotations

import gzip
import re

import pytest
from flask import Flask

from supportchat.config import ROOT
from supportchat.rendering.assets import BUILT, newest_files
from tests.cast import Agent
from tests.routes import calls
from tests.web import Browser, Web

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def files_of(page: str) -> set[str]:
    """Return the addresses of what a page has a browser load."""
    return set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page))


def names_of(page: str) -> set[str]:
    return {address.rpartition("/")[2] for address in files_of(page)}


def test_a_first_visit_loads_three_files_of_45_kb_together(web: Web) -> None:
    browser = web.visitor()
    page = browser.get("/chat", headers=GZIP)
    files = files_of(gzip.decompress(page.data).decode())
    loaded = [page, *(browser.get(file, headers=GZIP) for file in files)]
    assert len(files) == 3
    assert sum(len(answer.data) + len(str(answer.headers)) for answer in loaded) < 45_000


def test_each_page_has_one_stylesheet_and_one_script_made_for_who_reads_it(web: Web) -> None:
    carol = web.agent("carol")
    for path in ("/agent", "/status", "/tickets/none"):
        files = {"for_agents.css", "for_agents.js", "favicon.svg"}
        assert names_of(carol.get(path).text) - {"desk-180.png"} == files, path  # its icon on a phone's Home Screen
    assert "for_agents.css" in names_of(web.visitor().get("/agent/login").text)
    for path in ("/chat", "/nowhere"):
        assert names_of(web.visitor().get(path).text) == {"for_customers.css", "for_customers.js", "favicon.svg"}, path


@pytest.mark.parametrize(
    ("source", "mark"),
    [
        ("css/queue.css", ".row__preview"),
        ("css/status.css", ".figure__value"),
        ("js/behaviours/queue.js", "rail-count"),
    ],
)
def test_customers_load_nothing_of_the_desk(source: str, mark: str) -> None:
    files = {name: BUILT / path for name, path in newest_files().items()}
    kind = source.partition("/")[0]
    assert mark in (ROOT / "static" / source).read_text()
    assert mark in files[f"for_agents.{kind}"].read_text()
    assert mark not in files[f"for_customers.{kind}"].read_text()


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, br", "br"), ("gzip", "gzip"), ("", None)])
def test_styles_and_scripts_are_served_as_they_were_compressed(app: Flask, accepted: str, encoding: str | None) -> None:
    client = app.test_client()
    for path in newest_files().values():
        address, headers = f"/static/{path}", {"Accept-Encoding": accepted}
        answer = client.get(address, headers=headers, buffered=True)
        head = client.head(address, headers=headers)
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers == head.headers
        assert len(answer.data) == answer.content_length
        again = client.get(address, headers={**headers, "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_a_page_is_compressed_for_browsers_that_take_it(web: Web) -> None:
    browser = web.visitor()
    plain = browser.get("/chat")
    assert "Content-Encoding" not in plain.headers
    packed = browser.get("/chat", headers=GZIP)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) == packed.content_length < len(plain.data) / 3
    assert len(gzip.decompress(packed.data)) == len(plain.data)
    for refused in ("br", "identity", "gzip;q=0", "*;q=0"):
        assert "Content-Encoding" not in browser.get("/chat", headers={"Accept-Encoding": refused}).headers, refused
    for answer in (plain, packed):
        assert {"Accept-Encoding", "Cookie"} <= set(answer.vary)


def test_an_error_is_compressed_and_a_head_says_so_without_a_body(web: Web) -> None:
    browser = web.visitor()
    missing = browser.get("/nowhere", headers=GZIP)
    assert (missing.status_code, missing.headers["Content-Encoding"]) == (404, "gzip")
    assert "Go to the chat" in gzip.decompress(missing.data).decode()
    head = browser.client.head("/chat", headers=GZIP)
    assert (head.data, head.headers["Content-Encoding"]) == (b"", "gzip")


def test_what_fits_into_one_packet_is_left_as_it_is(web: Web) -> None:
    browser = web.visitor()
    for path in ("/", "/healthz", "/chat/people"):
        answer = browser.get(path, headers=GZIP)
        assert "Content-Encoding" not in answer.headers, path
        assert answer.content_length == len(answer.data)


@pytest.fixture
def people(web: Web, alice: Agent) -> list[Browser]:
    """Vera, whose chat has begun, and everybody who can read it."""
    return [web.customer("My secret", customer_name="Vera"), web.agent("alice"), web.agent("carol")]


def pages(app: Flask, browser: Browser, query: str = "") -> dict[str, str]:
    return {path: browser.get(path + query).text for _, method, path in calls(app, "0" * 8) if method == "GET"}


def test_no_page_holds_a_key(app: Flask, people: list[Browser]) -> None:
    """Whoever sees how long a compressed page is, and chooses part of it, could guess one byte by byte."""
    for browser in people:
        cookies = [cookie.value for cookie in (browser.client._cookies or {}).values()]
        assert any(len(value) > 40 for value in cookies)
        for path, page in pages(app, browser).items():
            assert [value for value in cookies if value in page] == [], path


NAMES = ("lang", "next", "view", "rows", "ticket", "before", "after", "after_note", "epoch", "new", "show", "done")


@pytest.mark.parametrize("chosen", ["m4rk", "987654321"])
def test_no_page_of_customers_repeats_its_address(app: Flask, people: list[Browser], chosen: str) -> None:
    vera = people[0]
    shown = pages(app, vera, "?" + "&".join(f"{name}={chosen}" for name in NAMES))
    assert "My secret" in shown["/chat"]
    assert [path for path, page in shown.items() if chosen in page and "My secret" in page] == []


def test_where_another_site_chose_part_of_its_address_a_page_of_the_desk_is_not_compressed(
    people: list[Browser],
) -> None:
    alice = people[1]

    def encoding(path: str, site: str) -> str | None:
        return alice.get(path, headers={**GZIP, "Sec-Fetch-Site": site}).headers.get("Content-Encoding")

    assert encoding("/agent?ticket=My+secret", "cross-site") is None
    assert encoding("/agent?ticket=My+secret", "same-site") is None
    assert encoding("/agent?ticket=1001", "same-origin") == "gzip"
    assert encoding("/agent?ticket=1001", "none") == "gzip"
    assert encoding("/agent", "cross-site") == "gzip"
