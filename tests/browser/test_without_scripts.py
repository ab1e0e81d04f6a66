"""The chat in a browser that runs no scripts: everything but the live parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Agent, Customer, Opener


@pytest.fixture
def plain(windows: Opener) -> Customer:
    """A window without scripts."""
    window: Customer = windows(Customer, java_script_enabled=False)
    return window


def send(window: Customer, text: str) -> None:
    window.box.fill(text)
    window.page.get_by_role("button", name="Send").click()


def test_a_whole_conversation(plain: Customer, alice: Agent, photo: Path) -> None:
    plain.fill_in("No scripts here", name="Vera Lindt")
    alice.open()
    alice.write("That is fine")
    expect(alice.messages.last).to_have_text("That is fine")  # a page without scripts looks once
    plain.page.get_by_role("link", name="Check for new messages").click()
    plain.sees("That is fine")
    plain.page.locator("#composer-image").set_input_files(photo)
    send(plain, "And a picture")
    expect(plain.page.locator(".message--mine .picture img")).to_be_visible()
    alice.sees("And a picture")
    plain.page.get_by_role("button", name="End chat").click()
    plain.sees("Chat ended")
    send(plain, "Wait, one more thing")
    plain.sees("Wait, one more thing")
    plain.does_not_see("Chat ended")


def test_errors_are_said_in_place_and_the_text_is_kept(plain: Customer, tmp_path: Path) -> None:
    plain.start("Hello")
    (tmp_path / "a.png").write_bytes(b"this is no picture")
    plain.page.locator("#composer-image").set_input_files(tmp_path / "a.png")
    send(plain, "Look at this")
    plain.sees("We cannot show this file.")
    expect(plain.box).to_have_value("Look at this")


def test_the_start_form_says_what_is_wrong(plain: Customer) -> None:
    plain.visit()
    plain.page.get_by_label("Name").fill("Vera")
    plain.page.get_by_role("button", name="Start Chat").click()
    plain.sees("Write a message or add a picture first.")
    expect(plain.page.get_by_label("Name")).to_have_value("Vera")


def test_a_reload_of_the_answer_sends_nothing_twice(plain: Customer, rows: Any) -> None:
    plain.start("Hello")
    send(plain, "Only once")
    plain.sees("Only once")
    plain.page.reload()
    assert rows("select count(*) from chat_messages where message = 'Only once'") == [(1,)]


def test_an_agent_can_do_everything(windows: Opener, vera: Customer, rows: Any) -> None:
    agent: Agent = windows(Agent, java_script_enabled=False)
    vera.start("Is anybody there?")
    agent.log_in("alice", "/agent?ticket=1001")
    agent.press("Claim")
    agent.sees("Assigned to you")
    rows("update server_processes set started_at = now() - interval '1 minute'")  # or the sweep returns nothing yet
    rows("select sweep_assignment()")
    agent.box.fill("Yes, I am")
    agent.press("Send")
    expect(agent.messages.last).to_have_text("Yes, I am")
    agent.press("Close")
    agent.sees("You closed this ticket.")
    agent.press("Reopen")
    agent.sees("Assigned to you")
    agent.page.locator("summary", has_text="Hand over").click()
    agent.press("Return to the queue")
    expect(agent.page.locator("#claim")).to_contain_text("Unassigned")
    assert rows("select status, given_back_by is not null from tickets") == [("waiting", True)]


def test_a_browser_that_sends_too_much_sees_why_it_is_refused(plain: Customer, windows: Opener, tmp_path: Path) -> None:
    # A connection that is closed while a browser still sends shows the browser's own page, if it is closed too soon.
    plain.start("Hello")
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 25_000_000)
    plain.page.locator("#composer-image").set_input_files(tmp_path / "large.png")
    send(plain, "Look at this")
    plain.sees("Pictures can have up to 10 MB")
    scripted: Customer = windows(Customer)
    scripted.start("Hello")
    sent = """async () => {
      const body = new FormData();
      body.set("image", new Blob([new Uint8Array(12_000_000)]), "a.png");
      const answer = await fetch("/chat/messages", { method: "POST", body });
      return [answer.status, await answer.text()];
    }"""
    for _ in range(3):
        status, text = scripted.page.evaluate(sent)
        assert status == 413
        assert "Pictures can have up to 10 MB" in text
