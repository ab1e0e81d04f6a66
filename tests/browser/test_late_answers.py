"""Answers that come late: the page has fetched the change before, shows another ticket, or is typed into by then.

And changes by colleagues, which come at any moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from supportchat.database import Database
from tests.browser.conftest import DESK, Agent, Opener
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
    """The answer to an act, which the test lets through when it wants to. When it is done again that comes at once."""

    def __init__(self, alice: Agent, path: str, act: Callable[[Agent], None], method: str = "POST") -> None:
        self._method = method
        self._kept: list[tuple[Route, Any]] = []
        self.asked = 0
        alice.page.route(f"**/tickets/{path}", self._keep)
        act(alice)
        while not self._kept:
            alice.page.evaluate("0")  # lets Playwright go on

    def _keep(self, route: Route) -> None:
        if route.request.method != self._method:
            route.fallback()
            return
        self.asked += 1
        if self._kept:
            route.fallback()
        else:
            self._kept.append((route, route.fetch()))

    def come(self) -> None:
        """Let the answer through."""
        route, answer = self._kept[0]
        route.fulfill(response=answer)


def start(database: Database, count: int) -> None:
    cast = Cast(database)
    for number in range(count):
        cast.visitor().start(f"Question {number}")


def hold_replies(database: Database) -> None:
    database.call("change_settings", agent_id=agent_id(database, "carol"), values={"undo_send_seconds": 30})


def toast(alice: Agent) -> Locator:
    return alice.page.locator("#toast")


def undo(alice: Agent) -> Locator:
    return toast(alice).get_by_role("button", name="Undo")


def tags(alice: Agent) -> Locator:
    return alice.page.locator("#customer .tag__name")


def add_tag(alice: Agent, name: str) -> None:
    alice.page.locator("#tag-name").focus()
    alice.page.keyboard.type(name)
    alice.page.keyboard.press("Enter")


def choose_close(alice: Agent) -> None:
    """Choose what ends a ticket in the palette, and wait with Enter."""
    alice.page.keyboard.press("Control+k")
    alice.page.keyboard.type("Close ticket")
    alice.page.keyboard.press("ArrowDown")


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
        late = Late(alice, f"{number}/{act}", ACTS[act])
        expect(shown).not_to_have_attribute("data-version", version)
        late.come()
        shows(alice, number + 1)
        expect(toast(alice)).to_contain_text(f"#{number}")


def test_a_ticket_that_was_opened_meanwhile_stays(alice: Agent, database: Database) -> None:
    start(database, len(ACTS) + 1)
    chosen = 1001 + len(ACTS)
    for number, act in enumerate(ACTS, start=1001):
        alice.open(number)
        late = Late(alice, f"{number}/{act}", ACTS[act])
        alice.open(chosen)
        alice.page.locator("label", has_text="Note").first.click()
        late.come()
        expect(toast(alice)).to_contain_text(f"#{number}")
        shows(alice, chosen)
        expect(alice.page.locator("#note-text")).to_be_focused()


def test_a_ticket_that_was_opened_again_while_it_was_being_closed_stays(alice: Agent, database: Database) -> None:
    start(database, 2)
    alice.open(1001)
    late = Late(alice, "1001/closure", press_close)
    with alice.page.expect_response("**/tickets/1001"):
        alice.row(1001).get_by_role("link").click()
    expect(alice.page.get_by_role("button", name="Reopen")).to_be_visible()
    late.come()
    expect(toast(alice)).to_contain_text("Closed #1001.")
    shows(alice, 1001)


@pytest.mark.parametrize("keys", ["Enter", "Control+Shift+Enter"])
def test_a_held_reply_can_be_taken_back_although_another_ticket_was_opened(
    alice: Agent, database: Database, keys: str
) -> None:
    hold_replies(database)
    start(database, 2)
    alice.open(1001)
    alice.box.fill("Bye")
    late = Late(alice, "1001/messages", lambda alice: alice.box.press(keys))
    alice.open(1002)
    late.come()
    expect(toast(alice)).to_contain_text("Your reply to #1001 is held for 30 seconds.")
    shows(alice, 1002)
    undo(alice).click()
    shows(alice, 1001)
    expect(alice.box).to_have_value("Bye")


def test_a_ticket_that_was_opened_after_undo_stays(alice: Agent, database: Database) -> None:
    start(database, 3)
    alice.open(1001)
    alice.press("Close")
    shows(alice, 1002)
    late = Late(alice, "1001/closure*", lambda alice: undo(alice).click(), "DELETE")
    alice.open(1003)
    alice.page.locator("label", has_text="Note").first.click()
    late.come()
    expect(toast(alice)).to_be_empty()
    shows(alice, 1003)
    expect(alice.page.locator("#note-text")).to_be_focused()


def press_undo_twice(alice: Agent) -> None:
    undo(alice).click()
    undo(alice).click()


def test_undo_that_is_pressed_twice_is_done_once(alice: Agent, database: Database) -> None:
    hold_replies(database)
    start(database, 1)
    alice.open(1001)
    add_tag(alice, "refund")
    expect(tags(alice)).to_have_text(["refund"])
    late = Late(alice, "undo", press_undo_twice)
    late.come()
    expect(toast(alice)).to_be_empty()
    expect(tags(alice)).to_have_count(0)
    alice.write("Bye")
    late_reply = Late(alice, "1001/held/*", press_undo_twice, "DELETE")
    late_reply.come()
    expect(alice.box).to_have_value("Bye")
    expect(alice.page.locator("#notice")).to_be_empty()
    assert (late.asked, late_reply.asked) == (1, 1)


def test_tags_can_be_typed_faster_than_they_are_answered(alice: Agent, database: Database) -> None:
    start(database, 1)
    alice.open(1001)
    late = Late(alice, "1001/tags", lambda alice: add_tag(alice, "refund"))
    add_tag(alice, "vip")
    add_tag(alice, "slow")
    late.come()
    expect(tags(alice)).to_have_text(["refund", "slow", "vip"])
    expect(alice.page.locator("#tag-name")).to_have_value("")
    expect(alice.page.locator("#tag-name")).to_be_focused()


def test_a_colleague_s_change_takes_nothing_from_who_is_typing_and_closes_no_menu(
    alice: Agent, database: Database
) -> None:
    start(database, 1)
    bob = Cast(database).agent("bob")
    alice.open(1001)
    alice.page.keyboard.press("Escape")
    alice.page.keyboard.press("t")
    alice.page.keyboard.type("refu")
    bob.call("tag_ticket", number=1001, add=["vip"])
    expect(tags(alice)).to_have_text(["vip"])
    alice.page.keyboard.type("nd")
    expect(alice.page.locator("#tag-name")).to_have_value("refund")
    alice.page.keyboard.press("Escape")
    alice.page.keyboard.press("s")
    expect(alice.page.locator("#snooze-hour")).to_be_focused()
    bob.call("tag_ticket", number=1001, add=["slow"])
    expect(tags(alice)).to_have_text(["slow", "vip"])
    expect(alice.page.locator("#snooze-hour")).to_be_focused()
    alice.page.keyboard.press("Enter")
    expect(toast(alice)).to_contain_text("Snoozed #1001.")


def test_the_priority_is_the_one_that_was_chosen_last_by_anybody(alice: Agent, database: Database) -> None:
    start(database, 1)
    alice.open(1001)
    alice.page.locator("#priority").select_option("1")
    expect(alice.page.locator("[data-ticket-title] .priority")).to_be_visible()
    Cast(database).agent("bob").call("set_priority", number=1001, priority=4)
    expect(alice.page.locator("#priority")).to_have_value("4")


def test_a_question_and_the_palette_outlive_a_change_of_their_ticket(windows: Opener, database: Database) -> None:
    start(database, 1)
    bob = Cast(database).agent("bob").come()
    bob.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=None)
    carol: Agent = windows(Agent, **DESK)
    carol.come("carol", "/agent?view=all")
    carol.open(1001)
    choose_close(carol)
    bob.call("tag_ticket", number=1001, add=["vip"])
    expect(tags(carol)).to_have_text(["vip"])
    carol.page.keyboard.press("Enter")
    question = carol.page.get_by_role("dialog")
    expect(question).to_contain_text("Close this ticket of Bob Ortiz?")
    bob.call("tag_ticket", number=1001, add=["slow"])
    expect(tags(carol)).to_have_text(["slow", "vip"])
    question.get_by_role("button", name="Close ticket").click()
    expect(toast(carol)).to_contain_text("Closed #1001.")


def test_enter_before_the_list_of_saved_replies_has_come_takes_from_it_and_sends_no_slash(
    alice: Agent, database: Database
) -> None:
    values = {"name": "Refund", "message": "The money is on its way."}
    database.call("save_reply", agent_id=agent_id(database, "alice"), values=values)
    start(database, 1)
    alice.open(1001)
    late: list[Route] = []
    alice.page.route("**/tickets/1001/replies*", lambda route: late.append(route))
    alice.box.press_sequentially("/ref")
    alice.box.press("Enter")
    assert late
    for route in late:
        route.continue_()
    alice.page.unroute("**/tickets/1001/replies*")
    expect(alice.box).to_have_value("The money is on its way.")
    alice.box.fill("It is in /etc/hosts")
    alice.box.press("Enter")
    expect(alice.messages.last).to_have_text("It is in /etc/hosts")
    expect(alice.page.get_by_text("/ref")).to_have_count(0)


@pytest.mark.parametrize("key", ["e", "n"])
def test_a_key_is_for_the_ticket_that_is_on_its_way(alice: Agent, database: Database, key: str) -> None:
    start(database, 3)
    alice.open(1001)
    alice.page.keyboard.press("Escape")
    late = Late(alice, "1002", lambda alice: alice.row(1002).get_by_role("link").press("Enter"), "GET")
    alice.page.keyboard.press(key)
    late.come()
    if key == "n":
        shows(alice, 1002)
        expect(alice.page.locator("#note-text")).to_be_focused()
    else:
        expect(toast(alice)).to_contain_text("Closed #1002.")
        shows(alice, 1001)


def test_the_palette_is_about_the_ticket_that_an_answer_turns_the_page_to(alice: Agent, database: Database) -> None:
    start(database, 2)
    alice.open(1001)
    late = Late(alice, "1001/closure", press_close)
    choose_close(alice)
    late.come()
    shows(alice, 1002)
    expect(alice.page.locator("[data-palette-context]")).to_contain_text("#1002")
    alice.page.keyboard.press("Enter")
    expect(alice.page.locator("[data-palette]")).to_be_visible()  # it ends nothing by itself
    shows(alice, 1002)
