"""Colleagues in notes: found behind an @, told of it, and read."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Locator, expect

from supportchat.database import Database
from tests.browser.conftest import DESK, Agent, Customer, Opener
from tests.browser.test_accessibility import PHONE, small_targets, violations


def options(agent: Agent) -> Locator:
    return agent.page.get_by_role("listbox", name="Colleagues").get_by_role("option")


def note_box(agent: Agent) -> Locator:
    agent.page.locator("label", has_text="Note").first.click()
    return agent.page.locator("#note-text")


def picture(agent: Agent, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        for scheme in ("light", "dark"):
            agent.page.emulate_media(color_scheme=scheme)
            agent.page.screenshot(path=f"{folder}/{name}-{scheme}.png")
        agent.page.emulate_media(color_scheme="light")


def test_an_at_finds_colleagues_and_enter_writes_the_name_which_tells_them(
    alice: Agent, vera: Customer, windows: Opener, database: Database
) -> None:
    database.call("create_agent", name="Bob Ortiz", email="ortiz@example.com", password_hash=None)
    vera.start("My heating is cold", name="Vera Lindt")
    bob: Agent = windows(Agent, **DESK)
    bob.come("bob").is_live()
    for agent in (alice, bob):
        agent.page.emulate_media(reduced_motion="reduce")
    alice.open()
    box = note_box(alice)
    box.press_sequentially("Ask @ortiz")
    expect(options(alice)).to_have_count(2)
    expect(options(alice).first).to_have_attribute("aria-selected", "true")
    expect(options(alice).first).to_contain_text("bob@example.com")
    picture(alice, "list")
    assert violations(alice.page) == []
    box.press("ArrowDown")
    box.press("ArrowUp")
    box.press("Enter")
    expect(box).to_have_value("Ask @Bob Ortiz (bob@example.com) ")
    expect(options(alice)).to_have_count(0)
    box.press_sequentially("or @car")
    expect(options(alice)).to_have_text([re.compile("Carol Tan")])
    box.press("Tab")
    expect(box).to_have_value("Ask @Bob Ortiz (bob@example.com) or @Carol Tan ")
    box.press("Enter")
    names = alice.page.locator(".mention")
    expect(names).to_have_text(["@Bob Ortiz (bob@example.com)", "@Carol Tan"])
    expect(bob.row()).to_contain_text("Mentioned you")
    expect(bob.page).to_have_title("(1) Support desk")
    expect(bob.page.locator("#queue-mentioned")).to_contain_text("Vera Lindt")
    picture(bob, "mentioned")
    assert violations(bob.page) == []
    bob.open()
    expect(bob.page.locator(".mention--me")).to_have_text("@Bob Ortiz (bob@example.com)")
    expect(bob.page.locator("#queue-mentioned")).to_be_hidden()
    expect(bob.page).to_have_title("#1001 · Support desk")
    picture(bob, "read")
    assert violations(bob.page) == []
    expect(vera.page.locator("body")).not_to_contain_text("Ortiz")


def test_a_second_name_on_the_line_is_found_and_one_written_to_its_end_does_not_keep_enter(
    alice: Agent, vera: Customer
) -> None:
    vera.start()
    alice.open()
    box = note_box(alice)
    box.press_sequentially("@nobody and @bob")
    expect(options(alice)).to_have_text([re.compile("Bob Ortiz")])
    box.press("Escape")
    expect(options(alice)).to_have_count(0)
    box.fill("")
    box.press_sequentially("@bob ortiz ")
    expect(options(alice)).to_have_count(0)
    box.press("Enter")
    expect(alice.page.locator(".mention")).to_have_text("@bob ortiz")


def test_an_at_in_a_reply_or_within_a_word_opens_nothing_and_a_slash_in_a_note_still_does(
    alice: Agent, vera: Customer, database: Database
) -> None:
    vera.start()
    alice.open()
    alice.box.press_sequentially("@bob")
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url))
    box = note_box(alice)
    box.press_sequentially("mail@bob /")
    expect(alice.page.get_by_role("listbox", name="Saved replies").get_by_role("option")).to_have_count(1)
    assert [url for url in asked if "/mentions" in url] == []


def test_a_note_that_comes_in_view_is_read_and_one_in_a_hidden_tab_is_not(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    vera.start()
    bob: Agent = windows(Agent, **DESK)
    bob.context.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.isAway });")
    bob.come("bob", "/agent?ticket=1001").is_live()
    alice.open().note("@Bob Ortiz one")
    expect(bob.page.locator(".mention--me")).to_have_count(1)
    expect(bob.page.locator("#queue-mentioned")).to_be_hidden()
    bob.page.evaluate("window.isAway = true")
    alice.note("@Bob Ortiz two")
    expect(bob.page.locator("#queue-mentioned")).to_be_visible()
    bob.page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(bob.page.locator("#queue-mentioned")).to_be_hidden()


@pytest.mark.parametrize("language", ["de", "ar"])
def test_a_phone_has_the_list_and_the_mark_too(vera: Customer, windows: Opener, language: str) -> None:
    vera.start("My heating is cold", name="Vera Lindt")
    alice: Agent = windows(Agent, **PHONE, reduced_motion="reduce")
    alice.come("alice")
    alice.send_unseen("/agent/language", {"language": language})
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    alice.is_live()
    alice.page.locator("label.mode--note").click()
    alice.page.locator("#note-text").press_sequentially("@bo")
    expect(alice.page.locator(".replies__choice--name")).to_have_count(1)
    picture(alice, f"phone-{language}")
    assert violations(alice.page) == []
    assert small_targets(alice.page) == []
    alice.page.locator(".replies__choice--name").click()
    expect(alice.page.locator("#note-text")).to_have_value("@Bob Ortiz ")
    alice.page.locator("#note [data-send]").click()
    bob: Agent = windows(Agent, **PHONE, reduced_motion="reduce")
    bob.come("bob")
    expect(bob.row()).to_be_visible()
    picture(bob, f"phone-queue-{language}")
