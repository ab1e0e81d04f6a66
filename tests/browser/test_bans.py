"""Whoever writes to no good is stopped with a click: held, spam, banned."""

from __future__ import annotations

from playwright.sync_api import expect

from supportchat.database import Database
from tests.browser.conftest import DESK, SECOND, Agent, Customer, Opener
from tests.cast import agent_id

SENTENCE = "You can’t write to us here right now."


def test_a_held_message_is_released_then_spam_then_the_browser_is_banned_and_let_in_again(
    windows: Opener, vera: Customer, database: Database
) -> None:
    database.call("change_settings", agent_id=agent_id(database, "carol"), values={"hold_links": "on"})
    carol = windows(Agent, **DESK).come("carol", "/agent?view=unassigned")
    vera.start("Cheap watches: https://watches.example.com", name="Vera")
    expect(carol.row()).to_contain_text("Held: has a link")
    carol.open()
    carol.page.get_by_role("button", name="Release").click()
    expect(carol.page.get_by_text("Assigned to you")).to_be_visible()

    vera.is_live()
    carol.page.get_by_role("button", name="Close as spam").click()
    expect(vera.page.get_by_text(SENTENCE)).to_be_visible(timeout=15 * SECOND)
    expect(vera.box).to_be_hidden()
    carol.page.get_by_role("button", name="Undo").click()
    expect(vera.box).to_be_visible()
    expect(vera.page.get_by_text(SENTENCE)).to_be_hidden()

    carol.page.get_by_text("Ban this customer").click()
    carol.page.get_by_label("Reason").fill("Sells watches")
    carol.page.get_by_role("button", name="Ban this browser").click()
    expect(vera.page.get_by_text(SENTENCE)).to_be_visible()
    expect(carol.page.get_by_text("This browser is banned")).to_be_visible()

    carol.page.goto(f"{carol.url}/bans")
    carol.page.get_by_role("button", name="End Vera").click()
    expect(carol.page.get_by_text("The ban has ended.")).to_be_visible()
    expect(vera.box).to_be_visible()
    vera.write("I will behave")
    expect(vera.messages.last).to_have_text("I will behave")
