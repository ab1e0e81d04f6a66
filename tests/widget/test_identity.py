"""A customer whom the shop's page names, in a real browser: nothing is shown to anybody else."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from supportchat.database import Database
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
