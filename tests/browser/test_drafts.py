"""What an agent types is on their other devices, and that they type is seen by their colleagues."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Agent, Customer, Opener


def test_a_draft_goes_on_on_another_device(alice: Agent, vera: Customer, windows: Opener, rows: Any) -> None:
    vera.start("Help me")
    alice.open(1001)
    alice.box.press_sequentially("Half an answer")
    other: Agent = windows(Agent).come()
    expect(other.row(1001).get_by_text("Draft: Half an answer")).to_be_visible()
    other.open(1001)
    expect(other.box).to_have_value("Half an answer")
    # Each sees what the other types, once it has stopped itself; and that it was sent.
    other.box.press_sequentially(" and the rest")
    expect(alice.box).to_have_value("Half an answer and the rest")
    other.box.press("Enter")
    vera.sees("Half an answer and the rest")
    expect(alice.box).to_have_value("")
    expect(alice.row(1001).get_by_text("Draft")).to_be_hidden()
    assert rows("select draft from ticket_drafts") == [("",)]


def test_what_somebody_is_typing_is_not_overwritten_and_is_the_last_word(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("Help me")
    alice.open(1001)
    other: Agent = windows(Agent).come()
    other.open(1001)
    other.box.press_sequentially("There")
    expect(alice.box).to_have_value("There")
    with alice.page.expect_response("**/tickets/drafts"):
        alice.box.press_sequentially(" and here")
        other.box.press_sequentially(" or not")
    expect(alice.box).to_have_value("There and here")
    alice.box.press_sequentially("!")
    expect(other.box).to_have_value("There and here!")
    assert rows("select draft from ticket_drafts") == [("There and here!",)]


def test_faces_say_who_else_looks_and_writes(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("Help me")
    alice.open(1001)
    bob: Agent = windows(Agent).come("bob")
    bob.page.goto(f"{bob.url}/agent?view=all&ticket=1001")
    head = alice.page.locator(".ticket__lookers:not(.ticket__lookers--narrow)")
    expect(head).to_have_text("BO Bob is viewing")
    expect(bob.page.locator(".ticket__lookers .looker").last).to_have_attribute("title", "Alice is viewing")
    bob.page.locator("label", has_text="Note").first.click()
    bob.page.get_by_label("Note", exact=True).and_(bob.page.locator("textarea")).press_sequentially("Hm")
    expect(head).to_have_text("BO Bob is typing a note")
    expect(head).to_have_text("BO Bob is viewing")
    vera.does_not_see("is typing")
    bob.page.goto(f"{bob.url}/agent")
    expect(head).to_be_hidden()
    expect(alice.row(1001).locator(".looker")).to_have_count(0)


def test_what_came_while_somebody_wrote_is_shown_before_their_reply_goes_out(
    alice: Agent, vera: Customer, rows: Any
) -> None:
    vera.start("Help me")
    alice.open(1001)
    vera.is_live()
    alice.context.set_offline(True)
    alice.write("Did you try?")
    expect(alice.page.locator("[data-pending] li")).to_be_visible()
    vera.write("It works now")
    expect(vera.messages.filter(has_text="It works now")).to_be_visible()
    alice.context.set_offline(False)
    notice = alice.page.locator("#reply-error")
    expect(notice).to_contain_text("1 new message came while you wrote. Nothing was sent yet.")
    expect(alice.box).to_have_value("Did you try?")
    assert rows("select count(*) from chat_messages where sender = 'agent'") == [(0,)]
    notice.get_by_role("button", name="Send anyway").click()
    vera.sees("Did you try?")
    expect(notice).to_be_empty()


def test_what_is_too_long_to_be_kept_on_the_server_stays_in_its_box_when_the_page_is_loaded_anew(
    alice: Agent, vera: Customer, rows: Any
) -> None:
    vera.start("Help me")
    alice.open(1001)
    # As long as a message may be in any writing; and longer, so that one sees it and shortens it.
    for text, status in (("Short", 200), ("😀" * 7000, 200), ("x" * 9000, 422)):
        with alice.page.expect_response("**/1001/drafts") as said:
            alice.box.fill(text)
        assert said.value.status == status
        alice.page.reload()
        expect(alice.box).to_have_value(text)
    assert rows("select char_length(draft) from ticket_drafts") == [(7000,)]
