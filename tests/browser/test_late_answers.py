"""Answers that come late: the page has fetched the change before, or shows another ticket by then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from supportchat.database import Database
from tests.browser.conftest import Agent
from tests.cast import Cast, agent_id

pytestmark = pytest.mark.mode("postgres")


def press_close(alice: Agent) -> None:
    alice.press("Close")


def send_and_close(alice: Agent) -> None:
    alice.box.fill("Bye")
    alice.box.press("Control+Shift+Enter")


def snooze(alice: Agent) -> None:
    alice.page.locator("#snooze-menu").click()
    alice.page.locator("#snooze-hour").click()


ACTS: dict[str, Callable[[Agent], None]] = {"closure": press_close, "messages": send_and_close, "snooze": snooze}


class Late:
    """The answer to an act, which the test lets through when it wants to."""

    def __init__(self, alice: Agent, number: int, act: str) -> None:
        self._alice = alice
        self._kept: list[tuple[Route, Any]] = []
        alice.page.route(f"**/tickets/{number}/{act}", self._keep)
        ACTS[act](alice)
        while not self._kept:
            alice.page.evaluate("0")  # lets Playwright go on

    def _keep(self, route: Route) -> None:
        if route.request.method == "POST":
            self._kept.append((route, route.fetch()))
        else:
            route.fallback()

    def come(self) -> None:
        """Let the answer through."""
        route, answer = self._kept[0]
        route.fulfill(response=answer)


def start(database: Database, count: int) -> None:
    cast = Cast(database)
    for number in range(count):
        cast.visitor().start(f"Question {number}")


def toast(alice: Agent) -> Locator:
    return alice.page.locator("#toast")


def shows(alice: Agent, number: int) -> None:
    expect(alice.page.locator("[data-ticket-title]")).to_contain_text(f"#{number}")
    expect(alice.page).to_have_url(re.compile(f"ticket={number}$"))


def test_the_page_goes_on_although_it_has_fetched_the_change_before_the_answer(
    alice: Agent, database: Database
) -> None:
    start(database, len(ACTS) + 1)
    alice.open(1001)
    for number, act in enumerate(ACTS, start=1001):
        shown = alice.page.locator(f"#ticket-header-{number} [data-version]")
        version = shown.get_attribute("data-version") or ""
        late = Late(alice, number, act)
        expect(shown).not_to_have_attribute("data-version", version)
        late.come()
        shows(alice, number + 1)
        expect(toast(alice)).to_contain_text(f"#{number}")


def test_a_ticket_that_was_opened_meanwhile_stays(alice: Agent, database: Database) -> None:
    start(database, len(ACTS) + 1)
    chosen = 1001 + len(ACTS)
    for number, act in enumerate(ACTS, start=1001):
        alice.open(number)
        late = Late(alice, number, act)
        alice.open(chosen)
        alice.page.locator("label", has_text="Note").first.click()
        late.come()
        expect(toast(alice)).to_contain_text(f"#{number}")
        shows(alice, chosen)
        expect(alice.page.locator("#note-text")).to_be_focused()


def test_a_held_reply_can_be_taken_back_although_another_ticket_was_opened(alice: Agent, database: Database) -> None:
    database.call("change_settings", agent_id=agent_id(database, "carol"), values={"undo_send_seconds": 30})
    start(database, 2)
    alice.open(1001)
    late = Late(alice, 1001, "messages")
    alice.open(1002)
    late.come()
    expect(toast(alice)).to_contain_text("Your reply to #1001 is held for 30 seconds.")
    shows(alice, 1002)
    toast(alice).get_by_role("button", name="Undo").click()
    shows(alice, 1001)
    expect(alice.box).to_have_value("Bye")
