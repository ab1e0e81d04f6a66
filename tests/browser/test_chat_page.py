"""The customer's page: at every size, on paper, in frames and in tabs that nobody looks at."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SECOND, Agent, Customer, Opener
from tests.browser.test_conversation import start_a_long_one

pytestmark = pytest.mark.mode("postgres")

SIZES = {"phone sideways with its keyboard": (844, 190), "at 400 %": (320, 200), "narrow": (320, 640)}


def box_of(place: Locator) -> dict[str, float]:
    """Return where something is on the page."""
    box = place.bounding_box()
    assert box
    return {"top": box["y"], "bottom": box["y"] + box["height"], "height": box["height"], "left": box["x"]}


def test_the_box_and_its_button_can_be_reached_at_every_size(windows: Opener, alice: Agent, vera: Customer) -> None:
    vera.fill_in("Hello\n" * 30)
    alice.open()
    chat: Customer = windows(Customer, storage_state=vera.same_browser()).visit()
    for name, (width, height) in SIZES.items():
        for window, form in ((chat, "#composer"), (alice, "#reply")):
            window.page.set_viewport_size({"width": width, "height": height})
            text, send = window.page.locator(f"{form} textarea"), window.page.locator(f"{form} [data-send]")
            expect(send).to_be_in_viewport(ratio=1)
            text.fill("Some words\n" * 10)
            expect(send).to_be_in_viewport(ratio=1)
            expect(text).to_be_in_viewport()
            text.fill("")
            assert box_of(send)["bottom"] <= height, name
            assert window.page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert box_of(chat.page.locator("[data-timeline]"))["height"] >= 40, name
    for window, form in ((chat, "#composer"), (alice, "#reply")):
        window.page.set_viewport_size({"width": 1280, "height": 800})
        window.page.locator(f"{form} textarea").blur()
        assert box_of(window.page.locator(form))["height"] == 52


def printed(page: Page) -> tuple[int, bytes]:
    """Return how many pages of paper a page takes, and the paper."""
    paper = page.pdf(format="A4")
    return len(re.findall(rb"/Type\s*/Page\b", paper)), paper


def test_the_whole_conversation_is_printed_dark_on_white(vera: Customer, rows: Any, alice: Agent) -> None:
    start_a_long_one(vera, rows, 49)
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    for window in (vera, alice):
        window.is_live()
        for scheme in ("light", "dark"):
            window.page.emulate_media(media="null", color_scheme=scheme)
            assert printed(window.page)[0] >= 2
            window.page.emulate_media(media="print", color_scheme=scheme)
            # Nothing is cut off by a pane that would scroll.
            assert window.page.evaluate(
                """() => {
                    const list = document.querySelector("[data-messages]").getBoundingClientRect();
                    const page = document.documentElement.getBoundingClientRect();
                    return list.top >= page.top && list.bottom <= page.bottom + 1 && list.height > 1000;
                }"""
            )
            for hidden in (".composer", ".rail", ".desk__queue", ".desk__customer", ".chat__header button"):
                for found in window.page.locator(hidden).all():
                    expect(found).to_be_hidden()
            bubble = window.messages.last
            assert bubble.evaluate("bubble => getComputedStyle(bubble).color") == "rgb(28, 34, 43)"
            for place in ("body", ".bubble", ".timeline"):
                colour = window.page.locator(place).first.evaluate("place => getComputedStyle(place).backgroundColor")
                assert colour in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"), place
            who = window.page.get_by_text("You:" if window is vera else "Visitor 1001:").first
            assert box_of(who)["height"] > 10


def test_ctrl_p_fetches_the_earlier_messages_first(vera: Customer, rows: Any) -> None:
    start_a_long_one(vera, rows, 120)
    vera.is_live()
    vera.page.evaluate("window.print = () => (document.title = 'printed')")
    vera.page.keyboard.press("Control+p")
    expect(vera.page).to_have_title("printed")
    expect(vera.page.locator("[data-messages] > li")).to_have_count(120)


def test_the_tab_counts_what_comes_while_nobody_looks_and_what_is_read_in_one_tab_counts_in_none(
    alice: Agent, vera: Customer
) -> None:
    vera.start("Hello")
    tab = vera.tab()
    tab.goto(f"{vera.url}/chat")
    for page in (vera.page, tab):
        expect(page.locator("html")).to_have_attribute("data-live", "yes", timeout=15 * SECOND)
        page.evaluate("document.hasFocus = () => false")  # the window of another program is in front
    alice.open()
    alice.write("One")
    alice.write("Two")
    for page in (vera.page, tab):
        expect(page).to_have_title(re.compile(r"^\(2\) Ticket #1001"))
    tab.evaluate("document.hasFocus = () => true; window.dispatchEvent(new Event('focus'))")
    for page in (vera.page, tab):
        expect(page).to_have_title("Ticket #1001")
    alice.write("Three")
    expect(vera.messages.last).to_have_text("Three")
    expect(vera.page).to_have_title("Ticket #1001")  # it is read in the other one


def test_an_error_goes_when_it_is_mended(vera: Customer, windows: Opener) -> None:
    vera.visit()
    text, error = vera.page.get_by_label("Your message"), vera.page.locator("#start-error")
    vera.page.get_by_role("button", name="Start Chat").click()
    expect(error).to_contain_text("Write a message")
    vera.page.get_by_label("Name").fill("Vera")
    expect(error).to_contain_text("Write a message")  # it is not about the name
    text.fill("Hello")
    expect(error).to_be_empty()
    expect(text).not_to_have_attribute("aria-invalid", "true")
    phone = vera.page.get_by_label("Phone")
    phone.fill("call me maybe")
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees("Enter a phone number")
    expect(phone).to_have_attribute("aria-invalid", "true")
    phone.fill("")
    vera.does_not_see("Enter a phone number")
    expect(phone).not_to_have_attribute("aria-invalid", "true")
    vera.page.get_by_role("button", name="Start Chat").click()
    expect(vera.box).to_be_visible()
    vera.page.locator("#composer-image").set_input_files(
        {"name": "drawing.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"}
    )
    vera.sees("We cannot show SVG files.")
    vera.box.press_sequentially("W")
    expect(vera.page.locator("#composer-error")).to_be_empty()
    agent: Agent = windows(Agent)
    agent.page.goto(f"{agent.url}/agent/login")
    agent.page.get_by_role("button", name="Log in").click()
    agent.sees("Enter your e-mail address.")
    agent.page.wait_for_load_state()
    agent.page.get_by_label("E-mail").fill("a")
    agent.does_not_see("Enter your e-mail address.")
    agent.sees("Enter your password.")


def test_typing_is_shown_for_at_most_four_seconds_after_the_last_key(alice: Agent, vera: Customer) -> None:
    vera.start("Hello")
    vera.is_live()
    alice.open()
    vera.page.evaluate(
        """() => {
            const send = WebSocket.prototype.send;
            window.typed = [];
            WebSocket.prototype.send = function (text) {
                if (text.includes("typing")) window.typed.push(text);
                send.call(this, text);
            };
        }"""
    )
    vera.box.press_sequentially("I am typing", delay=20)
    shown = alice.page.locator(".typing")
    expect(shown).to_be_visible()
    expect(shown).to_be_hidden(timeout=4.5 * SECOND)
    assert vera.page.evaluate("window.typed.length") == 1  # nothing is said after the last key


def test_a_chat_is_ended_and_forgotten_by_dialogs_of_the_page(vera: Customer) -> None:
    vera.page.on("dialog", lambda dialog: dialog.dismiss())  # as a frame does that forbids them
    vera.start("My secret")
    vera.is_live()
    vera.box.press_sequentially("Half a thought")
    tab = vera.tab()
    tab.goto(f"{vera.url}/chat")
    dialog = vera.page.get_by_role("dialog")
    expect(vera.page.locator("[data-embedded-close]")).to_be_hidden()  # there is no widget around it
    vera.page.get_by_role("button", name="End chat").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(vera.page.get_by_role("button", name="End chat")).to_be_visible()
    vera.page.get_by_role("button", name="End chat").click()
    dialog.get_by_role("button", name="End chat").click()
    vera.sees("You ended the chat.")
    vera.page.locator("summary[aria-label=More]").click()
    vera.page.get_by_role("button", name="Forget this chat on this device").click()
    expect(dialog).to_contain_text("Forget this chat on this device?")
    dialog.get_by_role("button", name="Forget").click()
    vera.sees("How can we help?")
    for page in (vera.page, tab):
        expect(page.get_by_label("Your message")).to_have_value("")
        expect(page.get_by_text("My secret")).to_have_count(0)
    assert vera.page.evaluate("Object.keys(sessionStorage)") == []


def test_a_start_page_that_is_left_open_follows_who_is_here(vera: Customer, alice: Agent, rows: Any) -> None:
    alice.is_live()
    vera.visit()
    for availability, said in (("away", "No one is online right now"), ("available", "Alice is online")):
        rows("update agents set availability = %s, lease_expires_at = now() + interval '1 hour'", availability)
        rows("update agents set availability = 'away' where name not like 'Alice%%'")
        vera.page.wait_for_load_state()
        vera.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        vera.sees(said)


def test_emoji_alone_are_large(vera: Customer, alice: Agent) -> None:
    vera.start("Hello")
    alice.open()
    texts = {"👍": True, "👩‍👩‍👧 ❤️": True, "🇩🇪🇫🇷": True, "👍👍👍👍": False, "12": False, "👍 ok": False, "©": True}
    for text, is_large in texts.items():
        alice.write(text)
        bubble = vera.messages.filter(has_text=re.compile(f"^{re.escape(text)}$")).last
        expect(bubble).to_have_attribute("data-emoji", "") if is_large else expect(bubble).not_to_have_attribute(
            "data-emoji", ""
        )


def test_a_keyboard_at_a_touch_screen_is_told_how_to_send(windows: Opener) -> None:
    vera: Customer = windows(Customer, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 760})
    vera.start("Hello")
    hint = vera.page.get_by_text("Ctrl+Enter to send")
    expect(hint).to_be_hidden()
    vera.box.press_sequentially("First")
    vera.box.press("Enter")
    expect(hint).to_be_visible()
    vera.box.press("Control+Enter")
    expect(vera.messages.last).to_have_text("First")


OLD_BROWSER = """
    delete Element.prototype.checkVisibility;
    delete Array.prototype.toReversed;
    delete Object.groupBy;
    delete window.BroadcastChannel;
    const supports = CSS.supports.bind(CSS);
    CSS.supports = (...what) => !String(what).includes("field-sizing") && supports(...what);
"""


def test_the_chat_works_in_a_browser_without_what_came_in_2023(windows: Opener, alice: Agent) -> None:
    vera: Customer = windows(Customer, java_script_enabled=True)
    vera.context.add_init_script(OLD_BROWSER)
    vera.start("Hello")
    vera.is_live()
    vera.box.fill("One\nTwo\nThree")
    assert box_of(vera.box)["height"] > 60
    vera.box.press("Enter")
    expect(vera.messages.last).to_have_text("One\nTwo\nThree")
    alice.open()
    alice.write("Welcome")
    expect(vera.messages.last).to_have_text("Welcome")


def test_a_frame_that_keeps_no_cookies_leads_to_a_window_of_its_own(vera: Customer) -> None:
    vera.context.add_init_script(
        "Object.defineProperty(window, 'parent', { get: () => null });"
        "Object.defineProperty(document, 'cookie', { get: () => '', set: () => {} });"
    )
    vera.visit()
    link = vera.page.get_by_role("link", name="Open the chat in its own window")
    expect(link).to_be_visible()
    expect(link).to_have_attribute("target", "_blank")
    vera.page.evaluate("window.open = () => null")
    link.click()
    vera.sees(f"Links can’t be opened from here. The address is {vera.url}/chat")
