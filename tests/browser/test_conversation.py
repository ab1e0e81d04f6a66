"""Two people, two windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESK, SECOND, Agent, Customer, Opener
from tests.cast import agent_id
from tests.server import Server


def test_a_started_chat_is_a_ticket_that_the_agent_has_at_once(alice: Agent, vera: Customer) -> None:
    vera.fill_in("My coffee machine shows error E4", name="Vera Lindt")
    vera.sees("You are now talking to Alice. Your ticket is #1001.")
    expect(alice.row()).to_contain_text("Vera Lindt")
    expect(alice.row()).to_contain_text("My coffee machine shows error E4")
    expect(alice.row()).to_contain_text("1 new")


@pytest.mark.both_modes
def test_replies_go_both_ways_by_the_socket(alice: Agent, vera: Customer) -> None:
    vera.start("Hello?", name="Vera Lindt")
    vera.is_live()
    alice.open()
    for window in (alice, vera):
        window.page.route("**/*after=*", lambda request: request.abort())  # what a page polls
    alice.write("Hello Vera")
    expect(vera.messages.last).to_have_text("Hello Vera")
    vera.write("I need help")
    expect(alice.messages.last).to_have_text("I need help")
    assert (
        alice.messages.all_text_contents()
        == vera.messages.all_text_contents()
        == ["Hello?", "Hello Vera", "I need help"]
    )


@pytest.mark.both_modes
def test_pictures_go_both_ways_and_open_large(alice: Agent, vera: Customer, photo: Path) -> None:
    vera.start("", picture=photo)
    alice.open()
    picture = alice.page.locator(".picture img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    alice.page.locator("#reply-image").set_input_files(photo)
    alice.write("Like this one?")
    theirs = vera.page.locator(".message--theirs .picture img")
    expect(theirs).to_be_visible()
    theirs.click()
    large = vera.page.get_by_role("dialog")
    expect(large).to_be_visible()
    vera.page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_typing_shows_on_the_other_side_and_goes_when_the_message_comes(alice: Agent, vera: Customer) -> None:
    vera.start("Hello", name="Vera Lindt")
    vera.is_live()
    alice.open()
    vera.box.press_sequentially("I wan")
    expect(alice.page.locator(".typing")).to_contain_text("Vera Lindt is typing")
    alice.box.press_sequentially("Just a")
    expect(vera.page.locator(".typing")).to_contain_text("Alice is typing")
    alice.box.press("Enter")
    expect(vera.page.locator(".typing")).to_have_count(0)


def test_a_note_is_seen_by_colleagues_and_never_by_the_customer(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("Hello")
    vera.is_live()
    alice.open()
    bob = windows(Agent).come("bob", "/agent?ticket=1001")
    bob.is_live()
    alice.note("She is a good customer")
    bob.sees("She is a good customer")
    alice.page.locator("label", has_text="Reply").first.click()
    alice.write("Good morning")
    vera.sees("Good morning")
    vera.does_not_see("She is a good customer")
    vera.page.reload()
    vera.sees("Good morning")
    vera.does_not_see("She is a good customer")
    assert "good customer" not in vera.page.content()


def test_either_side_ends_the_chat_and_a_message_opens_it_again(alice: Agent, vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    alice.open()
    alice.press("Close")
    vera.sees("Alice ended the chat.")
    vera.sees("Chat ended")
    vera.write("One more thing")
    alice.open()
    alice.sees("One more thing")
    alice.sees("assigned to you")
    vera.page.get_by_role("button", name="End chat").click()
    vera.page.get_by_role("dialog").get_by_role("button", name="End chat").click()
    alice.sees("The customer ended the chat")
    alice.press("Reopen")
    vera.sees("Online now")
    vera.does_not_see("Chat ended")


def test_a_reload_a_second_tab_and_a_restarted_browser_show_the_same_conversation(
    vera: Customer, windows: Opener, browser: Browser, server: Server
) -> None:
    vera.start("Remember me")
    vera.page.reload()
    vera.sees("Remember me")
    tab = vera.tab()
    tab.goto(f"{server.url}/chat")
    expect(tab.get_by_text("Remember me")).to_be_visible()
    restarted: Customer = windows(Customer, storage_state=vera.same_browser()).visit()
    restarted.sees("Remember me")
    victor: Customer = windows(Customer).visit()
    victor.sees("How can we help?")
    victor.does_not_see("Remember me")


def test_two_tabs_of_one_browser_show_each_message_once(alice: Agent, vera: Customer, server: Server) -> None:
    vera.start("From the first tab")
    tab = vera.tab()
    tab.goto(f"{server.url}/chat")
    vera.is_live()
    vera.write("Only once please")
    for page in (vera.page, tab):
        expect(page.get_by_text("Only once please")).to_have_count(1)
    tab.wait_for_timeout(300)
    for page in (vera.page, tab):
        expect(page.get_by_text("Only once please")).to_have_count(1)


def test_a_restarted_server_is_found_again_and_nothing_is_lost(
    alice: Agent, vera: Customer, server: Server, database: Any
) -> None:
    vera.start("Before")
    vera.is_live()
    alice.open()
    server.stop()
    vera.sees("Reconnecting… Your messages are saved.", seconds=6)
    database.call(
        "post_reply",
        agent_id=agent_id(database, "alice"),
        number=1001,
        client_message_id="00000000-0000-4000-8000-000000000001",
        message="Written while it was down",
    )
    server.start()
    vera.sees("Written while it was down", seconds=15)
    vera.is_live()
    alice.is_live()
    vera.write("After")
    expect(alice.messages.last).to_have_text("After")
    expect(vera.messages).to_have_text(["Before", "Written while it was down", "After"])


def test_without_websockets_the_page_looks_by_itself(alice: Agent, windows: Opener) -> None:
    vera: Customer = windows(Customer)
    vera.page.route_web_socket("**/chat/ws", lambda socket: socket.close(code=1006))
    vera.start("No sockets here")
    alice.open()
    alice.write("Still reaching you")
    vera.sees("Still reaching you", seconds=15)
    vera.sees("Checking for new messages every few seconds")
    alice.sees("in the chat")
    vera.write("Yes")
    expect(alice.messages.last).to_have_text("Yes")


def test_without_websockets_states_and_the_end_are_seen_on_both_sides(vera: Customer, windows: Opener) -> None:
    vera.page.route_web_socket("**/chat/ws", lambda socket: socket.close(code=1006))
    alice: Agent = windows(Agent, **DESK)
    alice.page.route_web_socket("**/agent/ws", lambda socket: socket.close(code=1006))
    alice.log_in()
    vera.start("No sockets on either side")
    alice.row().get_by_role("link").click(timeout=20 * SECOND)
    state = vera.page.locator("[data-state]").last
    expect(state).to_have_text("Read", timeout=20 * SECOND)
    vera.page.get_by_role("button", name="End chat").click()
    vera.page.get_by_role("dialog").get_by_role("button", name="End chat").click()
    expect(vera.page.get_by_role("link", name="New chat")).to_be_visible()
    expect(alice.page.get_by_role("button", name="Reopen")).to_be_visible(timeout=20 * SECOND)
    alice.press("Reopen")
    expect(vera.page.get_by_role("button", name="End chat")).to_be_visible(timeout=20 * SECOND)


def test_states_tell_how_far_a_message_has_come(alice: Agent, vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    state = vera.page.locator("[data-state]").last
    expect(state).to_have_text("Sent")
    alice.open()
    expect(state).to_have_text("Read")
    alice.write("Hello Vera")
    expect(alice.page.locator("[data-state]").last).to_have_text("Read")


def test_messages_of_one_person_stand_together_under_one_line_of_time(alice: Agent, vera: Customer) -> None:
    vera.start("One")
    alice.open()
    for text in ("Two", "Three", "Four"):
        alice.write(text)
        expect(vera.messages.last).to_have_text(text)
    expect(vera.page.locator(".message--theirs .message__meta:visible")).to_have_count(1)
    expect(vera.page.locator(".message--theirs .avatar").nth(0)).to_be_visible()
    expect(vera.page.locator(".message--theirs .avatar").nth(1)).to_be_hidden()


def test_times_and_days_are_those_of_the_reader(vera: Customer, windows: Opener, rows: Any) -> None:
    vera.start("Late at night")
    rows("update chat_messages set created_at = '2026-01-31 23:30:00+00'")
    here: Customer = windows(Customer, storage_state=vera.same_browser(), timezone_id="UTC").visit()
    there: Customer = windows(Customer, storage_state=vera.same_browser(), timezone_id="Asia/Tokyo").visit()
    expect(here.page.locator("[data-day]").first).to_contain_text("31 January")
    expect(here.page.locator(".message--mine time").first).to_have_text("23:30")
    expect(there.page.locator("[data-day]").first).to_contain_text("1 February")
    expect(there.page.locator(".message--mine time").first).to_have_text("08:30")


@pytest.mark.mode("postgres")
def test_times_are_in_the_language_of_the_page_on_the_clock_of_the_reader(
    vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("Late at night")
    rows("update chat_messages set created_at = '2025-01-31 23:30:00+00'")
    for locale, day, time_ in (
        ("de-DE", "31. Januar 2025", "23:30"),
        ("en-GB", "31 January 2025", "23:30"),
        ("en-US", "January 31, 2025", "11:30 PM"),
    ):
        here: Customer = windows(Customer, storage_state=vera.same_browser(), timezone_id="UTC", locale=locale).visit()
        expect(here.page.locator("[data-day]").first).to_have_text(day)
        expect(here.page.locator(".message--mine time").first).to_have_text(time_)


@pytest.mark.mode("postgres")
def test_a_picture_has_the_box_that_it_fills(vera: Customer, tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    Image.new("RGB", (600, 1600), "teal").save(path)
    vera.start("Look", picture=path)
    box = vera.page.locator(".picture img").bounding_box()
    assert box
    assert (box["width"], box["height"]) == (135, 360)


def start_a_long_one(vera: Customer, rows: Any, length: int) -> None:
    """Show a conversation of so many lines, the first of which is "The very first"."""
    vera.start("The very first")
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, n, 'user', 'line ' || n from user_sessions, generate_series(3, %s) n",
        length,
    )
    rows("update user_sessions set last_seq = %s", length)
    vera.page.reload()


def test_a_long_conversation_is_read_back_page_by_page(alice: Agent, vera: Customer, rows: Any) -> None:
    start_a_long_one(vera, rows, 120)
    expect(vera.messages.last).to_be_in_viewport()
    for count in (100, 120):
        vera.page.get_by_role("link", name="Show earlier messages").click()
        expect(vera.page.locator("[data-messages] > li")).to_have_count(count)
    vera.sees("The very first")
    expect(vera.page.get_by_role("link", name="Show earlier messages")).to_have_count(0)


def test_a_message_that_comes_while_one_reads_further_up_does_not_move_the_page(
    alice: Agent, vera: Customer, rows: Any
) -> None:
    start_a_long_one(vera, rows, 40)
    vera.is_live()
    timeline = vera.page.locator("[data-timeline]")
    timeline.evaluate("element => { element.scrollTop = 300 }")
    expect(timeline).not_to_have_attribute("data-at-end", "")
    alice.open()
    alice.write("Down here")
    vera.sees("1 new message")
    assert timeline.evaluate("element => element.scrollTop") == 300
    vera.page.get_by_role("button", name="1 new message").click()
    expect(vera.messages.last).to_be_in_viewport()


@pytest.mark.mode("postgres")
def test_who_goes_down_to_a_new_message_keeps_the_focus(alice: Agent, vera: Customer, rows: Any) -> None:
    start_a_long_one(vera, rows, 40)
    vera.is_live()
    alice.open()
    timeline, jump = vera.page.locator("[data-timeline]"), vera.page.locator("[data-jump]")
    for by_keys, keeps in ((False, vera.box), (True, timeline)):
        vera.box.focus()
        timeline.evaluate("element => { element.scrollTop = 300 }")
        expect(timeline).not_to_have_attribute("data-at-end", "")
        alice.write("Down here")
        expect(jump).to_be_visible()
        if by_keys:
            jump.press("Enter")
        else:
            jump.click()
        expect(keeps).to_be_focused()
        expect(jump).to_be_hidden()


@pytest.mark.mode("postgres")
def test_who_ends_a_chat_can_write_on_at_once(vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    vera.page.get_by_role("button", name="End chat").press("Enter")
    vera.page.get_by_role("dialog").get_by_role("button", name="End chat").click()
    vera.sees("You ended the chat.")
    expect(vera.box).to_be_focused()


def test_earlier_messages_leave_the_keyboard_where_it_is_and_are_not_read_out(vera: Customer, rows: Any) -> None:
    start_a_long_one(vera, rows, 130)
    link, log = vera.page.locator("#earlier-link"), vera.page.get_by_role("log")
    link.focus()
    vera.page.keyboard.press("Enter")
    expect(log).to_have_attribute("aria-live", "off")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(link).to_be_focused()
    while link.count():
        vera.page.keyboard.press("Enter")
        expect(log).to_have_attribute("aria-live", "off")
        expect(log).to_have_attribute("aria-live", "polite")
    expect(vera.page.get_by_role("region", name="Conversation")).to_be_focused()


def test_who_answers_is_said_once_and_not_with_every_look(vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    changes = vera.page.evaluate_handle(
        """() => {
            const changes = [];
            const watcher = new MutationObserver((found) => changes.push(...found.map(({ type }) => type)));
            const all = { childList: true, characterData: true, subtree: true };
            watcher.observe(document.getElementById("presence"), all);
            return changes;
        }"""
    )
    with vera.page.expect_response("**/chat/messages?*") as asked:
        vera.page.evaluate("htmx.ajax('GET', '/chat/messages?after=1', { target: '[data-messages]', swap: 'none' })")
    assert 'hx-target="#presence"' in asked.value.text()
    assert changes.json_value() == []
