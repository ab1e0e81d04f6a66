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


def held_back(shop: Shop, address: str) -> list[Route]:
    """Return where requests for an address wait from now on, until a test lets them go on."""
    held: list[Route] = []
    shop.page.route(address, lambda route: held.append(route))
    return held


def test_what_is_typed_and_sent_while_the_desk_finds_out_who_writes_is_sent_then(shop: Shop, rows: Any) -> None:
    page, held = shop.open(), held_back(shop, "**/chat/identity*")
    name(shop, "vera")
    shop.button.click()
    until(shop, lambda: held)
    expect(shop.frame.locator("h1")).to_be_hidden()
    page.keyboard.type("Typed blindly")
    page.keyboard.press("Enter")
    expect(shop.frame.get_by_label("Your message")).to_have_value("Typed blindly\n")
    page.keyboard.press("Control+Enter")
    held[0].continue_()
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("Typed blindly")
    assert rows("select count(*) from persons join user_sessions using (visitor_id)") == [(1,)]


def test_the_box_keeps_the_focus_while_the_desk_finds_out_who_writes(shop: Shop) -> None:
    page, held = shop.open(), held_back(shop, "**/chat/identity*")
    name(shop, "vera")
    shop.button.click()
    until(shop, lambda: held)
    page.keyboard.type("Hello")
    held[0].continue_()
    expect(shop.frame.locator("h1")).to_be_visible()
    page.keyboard.type(", I am Vera")
    expect(shop.frame.get_by_label("Your message")).to_have_value("Hello, I am Vera")


def test_a_first_message_on_its_way_is_not_lost_to_whom_the_site_names_meanwhile(shop: Shop, rows: Any) -> None:
    page = shop.open()
    hear(shop)
    shop.button.click()
    shop.frame.get_by_label("Your message").fill("On its way")
    held = held_back(shop, "**/chat")
    asked = held_back(shop, "**/chat/identity*")
    shop.frame.get_by_role("button", name="Start Chat").click()
    until(shop, lambda: held)
    name(shop, "vera")
    expect(shop.frame.locator("h1")).to_be_hidden()
    assert asked == []
    page.unroute("**/chat/identity*")
    page.unroute("**/chat")
    held[0].continue_()
    page.wait_for_function("window.said.includes(true)")
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("On its way")
    assert rows("select count(*) from persons join user_sessions using (visitor_id)") == [(1,)]


def test_whoever_goes_on_with_their_own_account_finds_nothing_that_somebody_else_has_typed(shop: Shop) -> None:
    page = shop.open()
    name(shop, "vera")
    frame = shop.start("Of Vera")
    frame.locator("[data-text]").fill("A draft of Vera")
    name(shop, "victor")
    frame.get_by_role("button", name="Continue with my account").click()
    expect(frame.get_by_label("Your message")).to_have_value("")
    frame.get_by_label("Your message").fill("Of Victor")
    frame.get_by_role("button", name="Start Chat").click()
    expect(frame.locator("[data-messages] .bubble")).to_have_text("Of Victor")
    expect(frame.locator("[data-text]")).to_have_value("")
    assert page.url.endswith("/machines")


def test_a_message_that_could_not_be_sent_goes_with_a_logout(shop: Shop, rows: Any) -> None:
    page = shop.open()
    frame = shop.start("Sent")
    page.route("**/chat/messages*", lambda route: route.abort())
    frame.locator("[data-text]").fill("Not sent")
    with page.expect_event("requestfailed", lambda request: request.method == "POST"):
        frame.get_by_role("button", name="Send").click()
    page.evaluate("window.supportchat.logout()")
    expect(frame.get_by_role("button", name="Start Chat")).to_be_visible()
    page.unroute("**/chat/messages*")
    assert frame.locator("body").evaluate("() => Object.keys(sessionStorage)") == []
    assert rows("select message from chat_messages where message like '%%ent'") == [("Sent",)]


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
