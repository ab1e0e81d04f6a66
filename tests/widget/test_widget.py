"""The widget on pages of another site, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from .conftest import Shop


def test_a_link_becomes_a_button_that_opens_the_chat(shop: Shop, rows: Any) -> None:
    page = shop.open()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("link", name="Chat with us")).to_have_count(0)
    shop.start()
    expect(shop.button).to_have_attribute("aria-expanded", "true")
    assert rows("select count(*) from user_sessions") == [(1,)]
    assert shop.stored("supportchat:main") == "1"
    print(shop.complaints, shop.requests, shop.context.cookies())
