"""What is kept of where customers say that they are."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from supportchat.database import Database, Invalid
from supportchat.widget.visits import kept_address, visit_in
from tests.cast import Agent, Cast
from tests.web import Web

pytestmark = pytest.mark.mode("postgres")

SHOP = "https://shop.example"


def page(url: Any, title: Any = "A page", at: Any = 0) -> dict[str, Any]:
    return {"url": url, "title": title, "at": at}


def said(*pages: Any, referrer: Any = "") -> str:
    return json.dumps({"pages": pages, "referrer": referrer})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"{SHOP}/kettles?size=2&token=secret#reviews", f"{SHOP}/kettles?size=2"),
        ("http://vera:secret@shop.example:8080/", "http://shop.example:8080/"),
        (f"{SHOP}/?size=1&size=2&Size=3", f"{SHOP}/?size=1&size=2"),
        ("https://[::1]:3000/a", "https://[::1]:3000/a"),
        (f"{SHOP}/{'a' * 1000}", f"{SHOP}/{'a' * 479}"),
        (f"{SHOP}/basket;jsessionid=secret/2;v=1?size=2", f"{SHOP}/basket/2?size=2"),
        (f"{SHOP}/;jsessionid=secret", f"{SHOP}/"),
        ("javascript:alert(1)//https://shop.example/", None),
        ("data:text/html,<script>alert(1)</script>", None),
        ("file:///etc/passwd", None),
        (" https://shop.example/", None),
        ("https://shop.example/a b", None),
        ("https://shop.example/\n\rX", None),
        ("https://shop.example/\u202egpj.exe", None),
        ("https://shop.example:99999/", None),
        ("https://[::1::1]/", None),
        ("https:///", None),
        (f"{SHOP}/{'a' * 10_000_000}", None),
        (f"{SHOP}/?" + "&".join(["size=1"] * 101), None),
        (7, None),
        (None, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_of_an_address_what_a_site_names_is_kept_and_nothing_that_is_not_of_the_web(
    given: Any, kept: str | None
) -> None:
    assert kept_address(given, ["size"]) == kept


def test_the_last_ten_pages_are_kept_with_their_titles_cut_and_none_from_the_future() -> None:
    pages = [page(f"{SHOP}/{number}", "\x00\x1b[31m" + "t" * 300, float("inf")) for number in range(100)]
    visit = visit_in(said(*pages[:30], page("javascript:1"), *pages[91:]), [], bool)
    assert [each["url"] for each in visit["pages"]] == [f"{SHOP}/{number}" for number in range(91, 100)]
    assert {len(each["title"]) for each in visit["pages"]} == {200}
    assert visit["pages"][0]["title"].startswith("[31mt")
    assert visit["pages"][0]["at"] <= time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 5))


REFUSED = [
    *("", "[]", "{}", "null", '{"pages": {}}', '{"pages": [7]}', '{"pages": [{}]}', '{"pages": [' + "[" * 50_000),
    *("9" * 5000, said(page(SHOP, at="soon")), said(page(SHOP, at=None)), said(page(SHOP, at=float("nan")))),
    said(page(SHOP, "x" * 70_000)),
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_no_frame_would_send_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        visit_in(text, [], bool)


@pytest.fixture
def follows(database: Database, cast: Cast) -> None:
    """The site follows pages, and keeps one parameter."""
    values = {"follow_pages": True, "kept_parameters": ["size"], "allowed_origins": [SHOP, "https://*.shops.example"]}
    cast.agent("carol").call("change_site", key="main", values=values)


def test_nothing_is_kept_if_the_site_does_not_want_it(web: Web, cast: Cast, rows: Any) -> None:
    cast.agent("carol").call("change_site", key="main", values={"follow_pages": False})
    vera = web.customer()
    assert vera.post("/chat/pages", visit=said(page(SHOP))).status_code == 204
    assert rows("select count(*) from customer_pages") == [(0,)]


def test_who_has_no_chat_is_not_followed(web: Web, follows: None, rows: Any) -> None:
    assert web.visitor().post("/chat/pages", visit=said(page(SHOP))).status_code == 404
    assert rows("select count(*) from customer_pages") == [(0,)]


def test_an_agent_sees_pages_as_text_with_links_that_tell_nothing(web: Web, follows: None, alice: Agent) -> None:
    vera = web.customer()
    title = '<img src=x onerror=alert(1)>\u202e" onfocus="alert(2)'
    visit = said(
        page(f"{SHOP}/a", "First"), page(f"{SHOP}/kettles?size=2&q=%22%3E", title), referrer="https://a.example/?q=1"
    )
    assert vera.post("/chat/pages", visit=visit).status_code == 204
    shown = web.agent("alice").get("/agent?ticket=1001").text
    assert f'<a href="{SHOP}/kettles?size=2" target="_blank" rel="noopener noreferrer nofollow">' in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img src=x" not in shown
    assert "a.example/" in shown
    assert "q=1" not in shown
    assert "Widget on <bdi>shop.example</bdi>" in shown


def source(web: Web, number: int) -> str:
    """Return where an agent reads that a chat comes from."""
    shown = web.agent("alice").get(f"/agent?ticket={number}").text
    found = re.search("<dt>Source</dt>\\s*<dd>(.*?)</dd>", shown, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("origin", [SHOP, "https://de.shops.example"])
def test_an_agent_sees_which_page_a_chat_was_started_in_before_anything_of_the_visit_is_known(
    web: Web, follows: None, alice: Agent, origin: str
) -> None:
    web.customer(framed_on=origin)
    assert source(web, 1001) == f"Widget on <bdi>{origin.partition('//')[2]}</bdi>"


@pytest.mark.parametrize(
    "said",
    ["", "null", "https://evil.example", f"{SHOP}/", "https://x y.shops.example", f"https://{'a' * 300}.shops.example"],
)
def test_what_is_no_page_that_may_show_the_chat_is_no_source(web: Web, follows: None, alice: Agent, said: str) -> None:
    web.customer(framed_on=said)
    assert source(web, 1001) == "Chat page"


def test_only_pages_that_may_show_the_chat_are_where_a_customer_is(web: Web, follows: None, rows: Any) -> None:
    vera = web.customer()
    addresses = [
        *(
            "https://evil.example/login",
            "http://shop.example/",
            "https://shop.example:8443/",
            "https://shop.example.evil/",
        ),
        *(
            "https://shop.example@evil.example/",
            "https://evilshops.example/",
            f"{SHOP}/kettles",
            "https://a.shops.example/",
        ),
    ]
    vera.post("/chat/pages", visit=said(*map(page, addresses)))
    kept = rows("select jsonb_array_elements(pages) ->> 'url' from customer_pages")
    assert kept == [(f"{SHOP}/kettles",), ("https://a.shops.example/",)]
    vera.post("/chat/pages", visit=said(page("https://evil.example/login")))
    assert "evil.example" not in web.agent("alice").get("/agent?ticket=1001").text


def test_the_log_knows_that_somebody_has_moved_and_not_where(web: Web, follows: None, rows: Any) -> None:
    vera = web.customer()
    for _ in range(3):
        vera.post("/chat/pages", visit=said(page(f"{SHOP}/kettles")))
    assert rows("select detail from events where kind = 'pages.changed'") == [({},)]


def test_who_moves_without_end_is_not_followed_any_more(web: Web, follows: None, rows: Any) -> None:
    vera = web.customer()
    answers = [vera.post("/chat/pages", visit=said(page(f"{SHOP}/{number}"))).status_code for number in range(70)]
    assert set(answers) == {204, 429}
    assert answers.index(429) >= 60


def test_where_somebody_was_is_forgotten_with_the_chat_and_after_a_week(
    web: Web, follows: None, database: Database, rows: Any, carol: Agent
) -> None:
    for _ in range(2):
        web.customer().post("/chat/pages", visit=said(page(f"{SHOP}/kettles")))
    carol.call("erase_customer", number=1001)
    assert rows("select count(*) from customer_pages") == [(1,)]
    rows("update customer_pages set updated_at = now() - interval '6 days 23 hours'")
    database.call("forget_old_data")
    assert rows("select count(*) from customer_pages") == [(1,)]
    rows("update customer_pages set updated_at = now() - interval '7 days 1 hour'")
    database.call("forget_old_data")
    assert rows("select count(*) from customer_pages") == [(0,)]
