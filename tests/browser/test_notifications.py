"""Notifications of a browser that can show them, which the one for most tests cannot."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from supportchat.database import Database
from tests.browser.conftest import LOOKS_ELSEWHERE, Agent
from tests.cast import Cast
from tests.chromium import ARGUMENTS
from tests.server import Server

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
SHOWN = """async () => {
  const registration = await navigator.serviceWorker.getRegistration("/alerts/");
  const shown = (await registration?.getNotifications()) ?? [];
  return shown.map(({ title, body, tag }) => [title, body, tag]);
}"""

pytestmark = [
    pytest.mark.mode("postgres"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium that shows notifications: apt install chromium"),
]


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A browser in which the desk may show notifications."""
    able = browser.browser_type.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, "--headless=new"])
    made = able.new_context(locale="en-GB")
    made.grant_permissions(["notifications"], origin=server.url)
    made.add_init_script(LOOKS_ELSEWHERE)
    yield made
    able.close()


@pytest.fixture
def desk(context: BrowserContext, server: Server, database: Database) -> Agent:
    """Alice's desk, which she does not look at."""
    made = Agent(context, server.url, database).come("alice")
    made.is_live()
    return made


def until_shown(desk: Agent, is_right: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 15
    while not is_right(shown := desk.page.evaluate(SHOWN)):
        assert time.monotonic() < deadline, shown
    return shown


def test_a_notification_says_who_writes_once_for_a_ticket_and_goes_when_it_is_read_elsewhere(
    desk: Agent, database: Database
) -> None:
    cast = Cast(database)
    vera = cast.visitor()
    vera.start("Is anybody there?", customer_name="Vera")
    assert until_shown(desk, bool) == [["Vera", "#1001: new message", "ticket-1001"]]
    cast.agent("alice").call("change_alerts", values={"shows_text": True})
    vera.post("Hello?")
    until_shown(desk, lambda shown: shown == [["Vera", "Hello?", "ticket-1001"]])
    cast.agent("alice").call("record_receipt", number=1001, delivered=9, read=9)
    until_shown(desk, lambda shown: shown == [])
    assert desk.complaints == []
