"""Replies that are held can be taken back; what was done with tickets can be, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from supportchat.database import Database
from tests.browser.conftest import Agent, Customer, Opener
from tests.cast import agent_id

UNDO = "Control+z"


@pytest.fixture
def holding(database: Database) -> None:
    """Replies are held for 30 seconds."""
    hold(database, 30)


def hold(database: Database, seconds: int) -> None:
    values = {"undo_send_seconds": seconds}
    database.call("change_settings", agent_id=agent_id(database, "carol"), values=values)


def held(agent: Agent) -> Locator:
    return agent.page.locator("[data-held-list] > li")


def toast(agent: Agent) -> Locator:
    return agent.page.locator("#toast")


@pytest.mark.usefixtures("holding")
def test_a_held_reply_is_taken_back_by_a_key_with_its_picture_and_its_boxes(
    alice: Agent, vera: Customer, photo: Path
) -> None:
    vera.start("Help me")
    alice.open(1001)
    alice.page.locator("#reply-image").set_input_files(photo)
    alice.box.fill("Bye\n    now")
    alice.box.press("Control+Shift+Enter")
    expect(toast(alice)).to_contain_text("Your reply to #1001 is held for 30 seconds.")
    expect(alice.page.locator("[data-caught-up]")).to_be_visible()
    alice.page.keyboard.press(UNDO)
    expect(alice.box).to_have_value("Bye\n    now")
    expect(alice.box).to_be_focused()
    expect(alice.page.get_by_label("Close the ticket after sending")).to_be_checked()
    expect(alice.page.locator("[data-preview]")).to_be_visible()
    expect(held(alice)).to_have_count(0)
    vera.does_not_see("Bye")


def test_a_held_reply_goes_out_by_itself_and_stands_once_in_the_conversation(
    alice: Agent, vera: Customer, database: Database
) -> None:
    hold(database, 2)
    vera.start("Help me")
    alice.open(1001)
    alice.box.fill("An answer")
    alice.box.press("Enter")
    expect(held(alice)).to_contain_text("Held. The customer does not see it yet.")
    expect(alice.box).to_have_value("")
    alice.box.fill("typed on")
    alice.box.press(UNDO)
    expect(alice.messages.last).to_have_text("An answer")
    expect(held(alice)).to_have_count(0)
    vera.sees("An answer")


@pytest.mark.usefixtures("holding")
def test_what_is_refused_when_its_time_comes_is_announced_and_can_be_edited(
    alice: Agent, vera: Customer, database: Database, rows: Any
) -> None:
    vera.start("Help me")
    alice.open(1001)
    alice.box.fill("For Vera")
    alice.box.press("Enter")
    expect(held(alice)).to_have_count(1)
    bob, own = agent_id(database, "bob"), agent_id(database, "alice")
    database.call("assign_ticket", agent_id=bob, number=1001, assignee_id=bob, expected_id=own)
    rows("update held_replies set due_at = now()")
    database.call("release_replies")
    expect(alice.page.locator("#unsent")).to_contain_text("Your reply to #1001 was not sent.")
    expect(held(alice)).to_contain_text("Bob Ortiz already took this ticket.")
    alice.take_over()
    held(alice).get_by_role("button", name="Edit").click()
    expect(alice.box).to_have_value("For Vera")
    expect(held(alice)).to_have_count(0)
    expect(alice.page.locator("#unsent p")).to_have_count(0)


def test_a_reply_that_closes_its_ticket_opens_the_next_one(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("Help me", name="Vera")
    windows(Customer).start("Me too", name="Victor")
    alice.open(1001)
    alice.box.fill("Bye")
    alice.box.press("Control+Shift+Enter")
    expect(alice.page.locator("[data-ticket-title]")).to_contain_text("Victor")
    expect(toast(alice)).to_contain_text("Closed #1001.")
    vera.sees("Bye")


def test_the_box_that_closes_the_ticket_is_there_after_a_reload(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Help me")
    alice.open(1001)
    alice.box.fill("Bye {{customer.name}}")
    alice.box.press("Control+Shift+Enter")
    box = alice.page.get_by_label("Close the ticket after sending")
    expect(box).to_be_checked()
    with alice.page.expect_response("**/drafts"):
        alice.box.press_sequentially("!")
    alice.page.evaluate("sessionStorage.clear()")
    alice.page.reload()
    expect(box).to_be_checked()
    box.uncheck()
    alice.page.reload()
    expect(alice.box).to_have_value("Bye {{customer.name}}!")
    expect(box).to_have_count(0)


def test_tags_bulk_changes_and_returned_tickets_are_taken_back(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Help me")
    alice.open(1001)
    alice.page.locator("#tag-name").fill("Parts")
    alice.page.locator("#tag-name").press("Enter")
    expect(toast(alice)).to_contain_text("Changed the tags of #1001.")
    toast(alice).get_by_role("button", name="Undo").click()
    expect(alice.page.locator("#customer .tag")).to_have_count(0)
    alice.row(1001).hover()
    alice.page.locator("[data-pick]").check()
    alice.page.locator("#bulk-close").click()
    alice.page.get_by_role("button", name="Close tickets").click()
    expect(toast(alice)).to_contain_text("Closed 1 ticket.")
    alice.page.keyboard.press(UNDO)
    expect(alice.box).to_be_visible()
    alice.page.locator("#hand-over-menu").click()
    alice.page.get_by_role("button", name="Return to the queue").click()
    expect(toast(alice)).to_contain_text("Returned #1001 to the queue.")
    toast(alice).get_by_role("button", name="Undo").click()
    expect(alice.box).to_be_visible()
    assert rows("select status from tickets") == [("open",)]
