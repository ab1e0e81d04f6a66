"""The widget on pages of another site, in a real browser: what it shows, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from supportchat.database import Database
from tests.cast import Agent

from .conftest import SHOP, SHOP_BODY, SNIPPET, Shop

STRICT = (
    "default-src 'none'; script-src {desk}; frame-src {desk}; connect-src {desk}; style-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_a_link_becomes_a_button_and_nothing_is_loaded_until_somebody_points_at_it(shop: Shop, rows: Any) -> None:
    page = shop.open()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("button", name="Chat with us", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Chat with us")).to_have_count(0)
    assert shop.requests == [f"{SHOP}/machines", f"{shop.desk}/widget.js"]
    shop.button.hover()
    expect(page.locator("support-chat iframe")).to_have_count(1)
    shop.start()
    expect(shop.button).to_have_attribute("aria-expanded", "true")
    assert rows("select count(*) from user_sessions") == [(1,)]
    assert shop.complaints == []


def test_esc_in_the_chat_closes_it_and_the_focus_and_the_scroll_are_where_they_were(shop: Shop) -> None:
    page = shop.open("<div style='block-size: 4000px'>" + SHOP_BODY + "</div>" + SNIPPET)
    page.evaluate("scrollTo(0, 900)")
    shop.button.focus()
    page.keyboard.press("Enter")
    expect(shop.frame.get_by_label("Your message")).to_be_focused()
    page.keyboard.type("typed at once")
    expect(shop.frame.get_by_label("Your message")).to_have_value("typed at once")
    page.keyboard.press("Escape")
    expect(shop.button).to_be_focused()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(page.locator("support-chat iframe")).to_be_hidden()
    assert page.evaluate("scrollY") == 900
    page.keyboard.press("Space")
    expect(shop.frame.get_by_label("Your message")).to_have_value("typed at once")


def test_a_strict_policy_and_trusted_types_stop_nothing(shop: Shop) -> None:
    policy = STRICT.replace("{desk}", shop.desk)
    page = shop.open(headers={"Content-Security-Policy": policy})
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('support-chat').shadowRoot.querySelector('button')).width"
        )
        == "56px"
    )
    shop.start()
    assert shop.complaints == []


@pytest.mark.parametrize("policy", ["require-corp", "credentialless"])
def test_a_site_that_embeds_only_who_agrees_gets_the_chat(shop: Shop, policy: str) -> None:
    headers = {"Cross-Origin-Embedder-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin"}
    page = shop.open(headers=headers)
    assert page.evaluate("crossOriginIsolated") is True
    shop.start()
    assert shop.complaints == []


def test_nothing_on_the_site_moves(shop: Shop) -> None:
    page = shop.open(wait=False)
    page.evaluate(
        "window.shifts = [];"
        "new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    before = page.evaluate("document.querySelector('main').getBoundingClientRect().toJSON()")
    shop.button.click()
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    assert page.evaluate("document.querySelector('main').getBoundingClientRect().toJSON()") == before
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert page.evaluate("shifts") == []


def test_what_is_unread_is_counted_before_there_is_a_frame(shop: Shop, database: Database, alice: Agent) -> None:
    page = shop.open()
    shop.start()
    shop.button.click()
    shop.requests.clear()
    page.goto("about:blank")
    alice.reply(1001, "Hello, how can I help?")
    alice.reply(1001, "Are you there?")
    shop.open()
    expect(page.get_by_role("button", name="Chat with us (2)", exact=True)).to_be_visible()
    assert shop.requests.index(f"{shop.desk}/chat/unread?site=main") < shop.requests.index(f"{shop.desk}/chat")
    assert database.call("conversation_of_visitor", visitor=visitor_of(shop))["customer_read_seq"] < 3
    shop.button.click()
    expect(page.get_by_role("button", name="Chat with us", exact=True)).to_be_visible()


def visitor_of(shop: Shop) -> str:
    """Return the hash of the key that the frame has."""
    from supportchat.web.cookies import token_hash

    [key] = [cookie["value"] for cookie in shop.context.cookies() if "f-" in cookie["name"]]
    return token_hash(key)
