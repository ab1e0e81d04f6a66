"""Whoever is too fast for the desk loses nothing: the page goes on by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from supportchat.config import Config
from tests.browser.conftest import SECOND, Customer
from tests.server import Server


@pytest.fixture
def server(config: Config) -> Iterator[Server]:
    """A desk that takes two messages at once, and one every two seconds then."""
    running = Server(config, LIMIT_MESSAGES="2/4")
    running.start()
    yield running
    running.kill()


def test_messages_that_come_too_fast_are_sent_a_little_later_in_their_order(vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    with vera.page.expect_response(lambda answer: answer.status == 429, timeout=30 * SECOND):
        for text in ("One", "Two", "Three"):
            vera.write(text)
            expect(vera.box).to_have_value("", timeout=20 * SECOND)
    expect(vera.messages).to_have_text(["Hello", "One", "Two", "Three"], timeout=20 * SECOND)


def test_who_is_too_fast_reads_how_long_it_takes_and_the_page_does_it_by_itself(vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    for text in ("One", "Two", "Three"):
        vera.write(text)
        expect(vera.box).to_have_value("", timeout=20 * SECOND)
    expect(vera.page.locator("[data-pending-state]").first).to_contain_text(
        re.compile(r"You are sending messages too fast\. It will be sent in \d+ seconds?\."), timeout=20 * SECOND
    )
    expect(vera.messages).to_have_text(["Hello", "One", "Two", "Three"], timeout=20 * SECOND)
