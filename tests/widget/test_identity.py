"""A customer whom the shop's page names, in a real browser: nothing is shown to anybody else."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.cast import Agent, Cast
from tests.identity.conftest import SECRET, signed

from .conftest import Shop

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture(autouse=True)
def names(database: Database, cast: Cast) -> None:
    """Have the site name its customers."""
    carol: Agent = cast.agent("carol")
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret=SECRET)


def name(shop: Shop, sub: str) -> None:
    """Have the shop's page say who is logged in."""
    shop.page.evaluate("token => window.supportchat.identify(token)", signed(sub=sub))


def hear(shop: Shop) -> None:
    """Have the shop's page note what the widget says about who the customer is."""
    shop.page.evaluate("window.said = []; window.supportchat.on('identified', (is) => window.said.push(is))")


def test_a_key_that_was_planted_reads_nothing_once_the_customer_is_named(shop: Shop) -> None:
    shop.open()
    hear(shop)
    shop.start("My order")
    planted = Shop(shop.context.browser, shop.desk)  # type: ignore[arg-type]
    [cookie] = [each for each in shop.context.cookies(shop.desk) if re.search("[cf]-", each["name"])]
    planted.context.add_cookies(
        [{"name": cookie["name"].replace("f-", "c-"), "value": cookie["value"], "url": shop.desk}]
    )
    planted.page.goto(f"{shop.desk}/chat")
    expect(planted.page.locator("[data-messages] .bubble")).to_have_text("My order")
    expect(planted.page.locator("html")).to_have_attribute("data-live", "yes")

    began = time.monotonic()
    name(shop, "vera")
    expect(planted.page.get_by_role("button", name="Start Chat")).to_be_visible(timeout=15_000)
    print(f"closed after {time.monotonic() - began:.1f} s")
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("My order")
    expect(shop.frame.locator("html")).to_have_attribute("data-live", "yes")
    assert True in shop.page.evaluate("window.said")
    planted.close()


def test_somebody_else_at_the_same_browser_is_asked_and_sees_nothing(shop: Shop) -> None:
    shop.open()
    name(shop, "vera")
    shop.start("Of Vera")
    shop.open()
    shop.button.wait_for()
    name(shop, "victor")
    if shop.button.get_attribute("aria-expanded") != "true":
        shop.button.click()
    expect(shop.frame.get_by_role("heading", name="Someone else’s chat is open in this browser")).to_be_visible()
    expect(shop.frame.locator("body")).not_to_contain_text("Of Vera")
    shop.frame.get_by_role("button", name="Continue with my account").click()
    expect(shop.frame.get_by_role("button", name="Start Chat")).to_be_visible()
    expect(shop.frame.locator("body")).not_to_contain_text("Of Vera")


def test_on_a_phone_the_question_can_be_closed(browser: Browser, desk: str) -> None:
    shop = Shop(browser, desk, viewport={"width": 390, "height": 844})
    shop.open()
    hear(shop)
    shop.start("Of Vera")
    name(shop, "vera")
    shop.page.wait_for_function("window.said.includes(true)")
    name(shop, "victor")
    expect(shop.frame.get_by_role("heading", name="Someone else’s chat")).to_be_visible()
    shop.frame.get_by_role("button", name="Close").click()
    expect(shop.button).to_be_visible()
    shop.close()


def test_logging_out_leaves_nothing_of_the_chat_in_the_browser(shop: Shop) -> None:
    shop.open()
    name(shop, "vera")
    frame = shop.start("My secret")
    frame.locator("[data-text]").fill("A draft of mine")
    shop.page.evaluate("history.pushState({}, '', '/basket')")
    shop.page.wait_for_function("sessionStorage.getItem('supportchat:visit').includes('/basket')")
    shop.page.evaluate("window.supportchat.logout()")
    expect(frame.get_by_role("button", name="Start Chat")).to_be_visible()
    expect(frame.locator("body")).not_to_contain_text("My secret")
    expect(frame.get_by_label("Your message")).to_have_value("")
    assert not shop.stored("supportchat:main")
    expect(frame.locator("[data-text]")).to_be_visible()
    assert shop.pages() == ["https://shop.example/basket"]
    assert frame.locator("body").evaluate("() => Object.keys(sessionStorage)") == []


def key_count(rows: Any) -> Any:
    """Return what says how many browsers of people the desk knows."""
    return lambda: rows("select count(*) from person_keys")[0][0]


def test_logging_out_on_a_later_page_also_leaves_whoever_has_not_chatted(shop: Shop, rows: Any) -> None:
    page, keys = shop.open(), key_count(rows)
    hear(shop)
    name(shop, "vera")
    shop.button.hover()
    page.wait_for_function("window.said.includes(true)")
    assert keys() == 1
    shop.open(at="https://shop.example/goodbye")
    page.evaluate("window.supportchat.logout()")
    until(shop, lambda: keys() == 0)
    until(shop, lambda: shop.stored("supportchat:main") == "")


def test_logging_out_and_leaving_the_page_at_once_is_done_on_the_next_page(shop: Shop, rows: Any) -> None:
    page, keys = shop.open(), key_count(rows)
    shop.start("My secret")
    name(shop, "vera")
    until(shop, lambda: keys() == 1)
    expect(shop.frame.locator("html")).to_have_attribute("data-live", "yes")
    page.route("**/chat/key/delete", lambda route: route.abort())  # what a page that is left does to a request
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/chat/key/delete")):
        page.evaluate("window.supportchat.logout()")
    page.unroute("**/chat/key/delete")
    assert keys() == 1
    page.goto("https://shop.example/goodbye")
    until(shop, lambda: keys() == 0)
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    until(shop, lambda: shop.stored("supportchat:main") == "")
    assert not [url for url in shop.requests if "unread" in url]


def test_a_logout_waits_for_the_token_that_is_still_on_its_way(shop: Shop, rows: Any) -> None:
    page, keys = shop.open(), key_count(rows)
    shop.button.click()
    page.locator("support-chat .panel.ready").wait_for()
    held: list[Route] = []
    page.route("**/chat/identity*", lambda route: held.append(route))
    with page.expect_request("**/chat/identity*"):
        page.evaluate(
            "token => { window.supportchat.identify(token); window.supportchat.logout() }", signed(sub="vera")
        )
    until(shop, lambda: held)
    with page.expect_response("**/chat/key/delete"):
        held[0].continue_()
    until(shop, lambda: shop.stored("supportchat:main") == "")
    assert keys() == 0
    assert [cookie for cookie in shop.context.cookies(shop.desk) if known(cookie, rows)] == []


def test_whoever_logs_in_after_a_logout_is_the_one_who_is_named(shop: Shop, rows: Any) -> None:
    page = shop.open()
    name(shop, "vera")
    shop.start("Of Vera")
    hear(shop)
    page.evaluate("token => { window.supportchat.logout(); window.supportchat.identify(token) }", signed(sub="victor"))
    page.wait_for_function("window.said.includes(true)")
    expect(shop.frame.locator("body")).not_to_contain_text("Of Vera")
    persons = "select p.sub from person_keys k join persons p using (visitor_id)"
    until(shop, lambda: rows(persons) == [("victor",)])


def known(cookie: Any, rows: Any) -> bool:
    """Whether the desk knows a cookie's value as somebody's key."""
    statement = "select count(*) from person_keys where token_hash = %s"
    return bool(rows(statement, token_hash(cookie["value"])) != [(0,)])


def until(shop: Shop, is_so: Any) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < deadline
        shop.page.evaluate("new Promise(requestAnimationFrame)")
