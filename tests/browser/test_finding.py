"""Tags, priorities, snoozes, the search and many tickets at once, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from supportchat.database import Database
from tests.browser.conftest import DESK, Agent, Customer, Opener
from tests.cast import Cast


@pytest.fixture
def bob(windows: Opener) -> Agent:
    """A colleague at the desk."""
    window: Agent = windows(Agent, **DESK)
    return window.come("bob", "/agent?view=all")


def start(database: Database, count: int) -> None:
    cast = Cast(database)
    for number in range(count):
        cast.visitor().start(f"Question {number}")


def order(agent: Agent) -> list[str]:
    numbers: list[str] = agent.page.locator("[data-group='reply'] [data-row]").evaluate_all(
        "rows => rows.map((row) => row.dataset.row)"
    )
    return numbers


def test_a_tag_and_a_priority_reach_every_desk(alice: Agent, vera: Customer, bob: Agent) -> None:
    vera.start("First")
    alice.open()
    alice.page.locator("#tag-name").fill("Heating")
    alice.page.keyboard.press("Enter")
    expect(alice.page.locator("#customer .tag__name")).to_have_text("Heating")
    expect(alice.page.locator("#tag-name")).to_be_focused()
    expect(bob.row()).to_contain_text("Heating")
    alice.page.locator("#priority").select_option("1")
    expect(bob.row().get_by_title("Urgent")).to_be_visible()
    alice.page.get_by_role("button", name="Remove the tag Heating").click()
    expect(bob.row()).not_to_contain_text("Heating")


def test_names_of_tags_are_offered_while_one_is_typed(alice: Agent, vera: Customer, database: Database) -> None:
    vera.start("First")
    Cast(database).agent("alice").call("tag_ticket", number=1001, add=["Heating"])
    alice.open()
    alice.page.locator("#tag-name").press_sequentially("hea")
    expect(alice.page.locator("#tag-names option")).to_have_attribute("value", "Heating")


def test_what_is_urgent_moves_to_the_top_and_the_order_is_remembered(alice: Agent, database: Database) -> None:
    start(database, 3)
    expect(alice.row(1003)).to_be_visible()
    assert order(alice) == ["1001", "1002", "1003"]
    Cast(database).agent("carol").call("set_priority", number=1003, priority=1)
    expect(alice.row(1003).get_by_title("Urgent")).to_be_visible()
    assert order(alice) == ["1003", "1001", "1002"]
    alice.page.locator("#queue-order").select_option("newest")
    expect(alice.page.locator("[data-group='reply'] [data-row]").last).to_have_attribute("data-row", "1001")
    assert order(alice) == ["1003", "1002", "1001"]
    alice.page.reload()
    assert order(alice) == ["1003", "1002", "1001"]


def test_a_snoozed_ticket_leaves_the_queue_and_comes_back_with_a_mark(alice: Agent, vera: Customer) -> None:
    vera.start("First")
    alice.open()
    alice.page.locator("#snooze-menu").click()
    alice.page.get_by_role("button", name="The customer’s next message").click()
    expect(alice.row()).to_have_count(0)
    expect(alice.page.locator("#toast")).to_contain_text("Snoozed #1001.")
    expect(alice.page.locator("#view-snoozed")).to_contain_text("1")
    vera.write("Here I am")
    expect(alice.row()).to_contain_text("Back")
    expect(alice.page.locator("#view-snoozed")).to_contain_text("0")


def test_a_snooze_is_taken_back(alice: Agent, vera: Customer) -> None:
    vera.start("First")
    alice.open()
    alice.page.locator("#snooze-menu").click()
    alice.page.get_by_role("button", name="Tomorrow, 9:00").click()
    alice.page.get_by_role("button", name="Undo").click()
    expect(alice.row()).to_be_visible()
    expect(alice.page.locator("#reply-text")).to_be_focused()


def test_a_hit_opens_the_ticket_at_its_line(alice: Agent, vera: Customer, database: Database) -> None:
    vera.start("The heating is cold")
    agent = Cast(database).agent("alice")
    for number in range(70):
        agent.reply(1001, f"line {number}\n\nof some height")
    alice.page.locator("#find").fill("heat")
    alice.page.keyboard.press("Enter")
    hit = alice.page.locator(".hit__line").first
    expect(hit.locator("mark")).to_have_text("heat")
    hit.click()
    expect(alice.page.locator("#message-1001-1")).to_be_in_viewport()
    expect(alice.page.locator("#message-1001-72")).not_to_be_in_viewport()


def test_results_follow_what_is_typed(alice: Agent, vera: Customer) -> None:
    vera.start("The heating is cold")
    alice.page.goto(f"{alice.url}/search")
    alice.page.locator("#search-box").press_sequentially("hea")
    expect(alice.page.locator("#found")).to_contain_text("1 ticket")


def test_many_tickets_are_chosen_and_closed(alice: Agent, database: Database) -> None:
    start(database, 3)
    for number in (1001, 1003):
        alice.page.get_by_label(f"Choose #{number}").check(force=True)
    expect(alice.page.locator("[data-bulk-count]")).to_have_text("2 chosen")
    sent: list[str] = []
    alice.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    alice.page.locator("#bulk-close").click()
    alice.sees("Close the chosen tickets?")
    assert [url for url in sent if url.endswith("/bulk")] == []
    alice.page.keyboard.press("Escape")
    expect(alice.page.locator("[data-bulk-count]")).to_have_text("2 chosen")
    alice.page.locator("#bulk-close").click()
    alice.page.get_by_role("button", name="Close tickets").click()
    expect(alice.page.locator("#toast")).to_contain_text("Closed 2 tickets.")
    expect(alice.page.locator("#bulk")).to_be_hidden()
    expect(alice.page.locator("[data-row='1001']")).to_have_attribute("data-status", "closed")
    assert order(alice) == ["1002"]


def test_what_comes_above_a_scrolled_queue_is_counted(alice: Agent, database: Database) -> None:
    Cast(database).agent("carol").call("set_queue_order", order="newest")
    Cast(database).agent("alice").call("set_queue_order", order="newest")
    alice.page.set_viewport_size({"width": 1280, "height": 420})
    alice.page.goto(f"{alice.url}/agent?view=all")
    alice.is_live()
    start(database, 9)
    expect(alice.row(1009)).to_be_visible()
    alice.page.locator("#queue").evaluate("queue => queue.scrollTo(0, 300)")
    alice.page.wait_for_function("document.querySelector('#queue').scrollTop > 100")
    alice.page.mouse.move(700, 200)
    start(database, 2)
    jump = alice.page.locator("#queue-jump")
    expect(jump).to_have_text(re.compile("2 new"))
    jump.click()
    expect(jump).to_be_hidden()
    expect(alice.row(1011)).to_be_in_viewport()
