"""The link that takes a chat along into a window of its own, and the count of what is unread."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from supportchat.database import Database, NotFound
from supportchat.web.cookies import token_hash
from supportchat.widget.sealing import opened, sealed
from tests.cast import Agent, Cast
from tests.identity.conftest import SECRET, identify
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")


def link_of(browser: Browser) -> str:
    return browser.post("/chat/handover").text


def test_a_link_takes_the_chat_along_and_leaves_it_where_it_was(web: Web) -> None:
    vera, tab = web.customer("Take me along"), web.visitor()
    link = link_of(vera)
    assert "Ticket #1001" in tab.get(link).text
    answer = tab.post(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/chat")
    for browser in (vera, tab):
        assert "Take me along" in browser.get("/chat").text


def test_looking_at_a_link_does_not_use_it_up_and_going_on_does(web: Web, rows: Any) -> None:
    link = link_of(web.customer())
    scanner, tab, other = web.visitor(), web.visitor(), web.visitor()
    for _ in range(3):
        assert scanner.get(link).status_code == 200
    assert "Hello" not in scanner.get("/chat").text
    assert tab.post(link).status_code == 303
    for browser in (tab, other):
        assert browser.post(link).status_code == 404
        assert browser.get(link).status_code == 404
    assert rows("select count(*) from one_time_links") == [(0,)]


def test_a_link_is_over_after_two_minutes_and_when_a_newer_one_is_made(web: Web, rows: Any, database: Database) -> None:
    vera, tab = web.customer(), web.visitor()
    older, newer = link_of(vera), link_of(vera)
    assert tab.get(older).status_code == 404
    assert rows("select expires_at - created_at <= interval '2 minutes' from one_time_links") == [(True,)]
    rows("update one_time_links set expires_at = now()")
    assert tab.get(newer).status_code == 404
    assert tab.post(newer).status_code == 404
    database.call("forget_old_data")
    assert rows("select count(*) from one_time_links") == [(0,)]


def test_no_other_kind_of_link_is_taken_for_it_nor_it_for_another(web: Web, carol: Agent) -> None:
    link, token = link_of(web.customer()), secrets.token_urlsafe(32)
    carol.call("invite_person", token_hash=token_hash(token), email="eve@example.com")
    tab = web.visitor()
    assert tab.post(f"/chat/handover/{token}").status_code == 404
    assert tab.get(link.replace("/chat/handover/", "/links/")).status_code == 404
    assert tab.post(link.replace("/chat/handover/", "/links/"), name="Eve", password="x" * 20).status_code == 404
    assert tab.get(link).status_code == 200


def test_the_database_cannot_open_what_it_keeps(web: Web, rows: Any) -> None:
    vera = web.customer()
    token = link_of(vera).rpartition("/")[2]
    [(stored, hashed)] = rows("select sealed_key, token_hash from one_time_links")
    key = vera.client.get_cookie("c").value  # type: ignore[union-attr]
    assert opened(stored, token) == key
    assert key not in stored
    assert token not in stored + hashed
    assert sealed(key, token) != sealed(key, token + "x")


def test_a_key_that_was_replaced_meanwhile_opens_nothing(web: Web, rows: Any) -> None:
    link, tab = link_of(web.customer()), web.visitor()
    rows("update visitors set token_hash = repeat('a', 64)")
    assert tab.post(link).status_code == 404
    assert tab.client.get_cookie("c") is not None
    assert "Hello" not in tab.get("/chat").text


def test_of_many_who_use_a_link_at_once_one_has_the_chat(web: Web, database: Database, rows: Any) -> None:
    token = link_of(web.customer()).rpartition("/")[2]

    def take(_: int) -> bool:
        try:
            return bool(database.call("take_handover", token_hash=token_hash(token)))
        except NotFound:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [False] * 7 + [True]


@pytest.mark.parametrize("end", ["forgotten", "erased", "named", "named and logged out"])
def test_a_link_opens_nothing_after_its_chat_is_gone_from_the_browser(
    end: str, web: Web, cast: Cast, rows: Any
) -> None:
    carol = cast.agent("carol")
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret=SECRET)
    vera, tab = web.customer("My secret"), web.visitor()
    if end == "named and logged out":
        identify(vera)
    link = link_of(vera)
    if end == "erased":
        carol.call("erase_customer", number=1001)
    elif end == "named":
        identify(vera)
    else:
        vera.post("/chat/key/delete")
    assert tab.post(link).status_code == 404
    assert "My secret" not in tab.get("/chat").text
    assert "My secret" not in tab.get(link).text


def test_who_has_a_chat_already_keeps_it_until_they_go_on(web: Web) -> None:
    victor, link = web.customer("Of Victor"), link_of(web.customer("Of Vera"))
    victor.get(link)
    assert "Of Victor" in victor.get("/chat").text


def test_who_has_no_chat_gets_no_link(web: Web, rows: Any) -> None:
    assert web.visitor().post("/chat/handover").status_code == 404
    assert rows("select count(*) from one_time_links") == [(0,)]


def test_a_link_is_in_no_frame_and_goes_nowhere_else(web: Web) -> None:
    headers = web.visitor().get(link_of(web.customer())).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]


def test_another_site_cannot_make_or_use_a_link(web: Web) -> None:
    vera = web.customer()
    link = link_of(vera)
    for path in ("/chat/handover", link):
        assert vera.client.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert web.visitor().get(link).status_code == 200


@pytest.fixture
def shops(cast: Cast, alice: Agent) -> None:
    """Two sites, each with an origin of its own."""
    carol = cast.agent("carol")
    carol.call(
        "change_site", key="main", values={"allowed_origins": ["https://shop.example", "https://*.shop.example"]}
    )
    carol.call("add_site", key="books", name="Books")
    carol.call("change_site", key="books", values={"allowed_origins": ["https://books.example"]})


def test_the_page_of_a_link_has_the_look_and_the_language_of_the_site(web: Web, shops: None, cast: Cast) -> None:
    cast.agent("carol").call("change_site", key="books", values={"colour": "#8c4126", "language": "de"})
    page = web.visitor().get(link_of(web.customer(site="books"))).text
    for part in ("<strong><bdi>Books</bdi></strong>", 'lang="de"', 'class="look-8c4126"', 'class="brand"'):
        assert part in page


def unread(browser: Browser, origin: str | None, site: str = "main") -> tuple[int, str, str | None]:
    headers = {"Origin": origin} if origin else {}
    answer = browser.get(f"/chat/unread?site={site}", headers=headers)
    return answer.status_code, answer.text.strip(), answer.headers.get("Access-Control-Allow-Origin")


def test_a_page_of_the_site_learns_how_much_is_unread_and_nothing_else(web: Web, shops: None, alice: Agent) -> None:
    vera = web.customer()
    assert unread(vera, "https://shop.example") == (200, "0", "https://shop.example")
    for text in ("One", "Two"):
        alice.reply(1001, text)
    assert unread(vera, "https://shop.example") == (200, "2", "https://shop.example")
    assert unread(vera, "https://www.shop.example") == (200, "2", "https://www.shop.example")
    assert unread(vera, ORIGIN) == (200, "2", ORIGIN)
    assert unread(web.visitor(), "https://shop.example") == (200, "0", "https://shop.example")
    answer = vera.get("/chat/unread", headers={"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_no_other_page_learns_it(web: Web, shops: None, alice: Agent) -> None:
    vera = web.customer()
    alice.reply(1001, "One")
    for origin in (
        *("https://evil.example", "http://shop.example", "https://shop.example:8443", "null", "", None),
        *(
            "https://evilshop.example",
            "https://shop.example.evil.example",
            "https://shop.example/",
            "https://books.example",
        ),
    ):
        status, text, allowed = unread(vera, origin)
        assert (status, allowed) == (403, None), origin
        assert text != "1"
    # Nor does a page without CORS, as a script, a picture or a frame of its own.
    for kind in ("script", "image", "iframe", "document"):
        headers = {"Sec-Fetch-Dest": kind, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-site"}
        answer = vera.get("/chat/unread", headers=headers)
        assert (answer.status_code, answer.text.strip() == "1") == (403, False)
        assert "no-store" in answer.headers["Cache-Control"]
    # The site of another shop does not count the chats of this one.
    assert unread(vera, "https://books.example", "books") == (200, "0", "https://books.example")
