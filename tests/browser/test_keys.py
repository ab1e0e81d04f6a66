"""The keys of the desk: a day without a mouse, and what is no key but a part of a text."""

from __future__ import annotations

import os
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESK, Agent, Customer, Opener
from tests.browser.test_accessibility import violations


def palette(page: Page) -> Locator:
    return page.locator("[data-palette]")


def options(page: Page) -> Locator:
    return palette(page).get_by_role("option")


def send_key(page: Page, **event: Any) -> bool:
    """Dispatch a key press that no keyboard here can make. Return whether the page took it."""
    taken: bool = page.evaluate(
        """({ altGraph, ...init }) => {
            const own = { bubbles: true, cancelable: true, modifierAltGraph: altGraph };
            const event = new KeyboardEvent("keydown", { ...init, ...own });
            return !(document.activeElement ?? document.body).dispatchEvent(event);
        }""",
        event,
    )
    return taken


def leave_the_box(agent: Agent) -> None:
    agent.page.keyboard.press("Escape")
    expect(agent.page.locator("[data-ticket-title]")).to_be_focused()


def test_a_day_by_keyboard_alone(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("First", name="Vera")
    windows(Customer).start("Second", name="Victor")
    expect(alice.row(1002)).to_be_visible()
    keys = alice.page.keyboard

    keys.press("j")
    expect(alice.row(1001).get_by_role("link")).to_be_focused()
    keys.press("j")
    keys.press("k")
    keys.press("End")
    expect(alice.row(1002).get_by_role("link")).to_be_focused()
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(alice.box).to_be_focused()
    keys.type("jen?/")
    expect(alice.box).to_have_value("jen?/")
    keys.press("Control+Enter")
    vera.sees("jen?/")

    leave_the_box(alice)
    keys.press("n")
    expect(alice.page.locator("#note-text")).to_be_focused()
    keys.type("A note")
    keys.press("Enter")
    alice.sees("A note")
    leave_the_box(alice)
    keys.press("r")
    expect(alice.box).to_be_focused()

    leave_the_box(alice)
    keys.press("a")
    expect(alice.page.locator("#hand-over-menu + .menu__panel")).to_be_visible()
    expect(alice.page.locator("#hand-over-menu + .menu__panel :focus")).to_have_count(1)
    keys.press("e")  # in a menu it does nothing
    keys.press("Escape")
    expect(alice.page.locator("#hand-over-menu")).to_be_focused()
    keys.press("s")
    expect(alice.page.locator("#snooze-hour")).to_be_focused()
    keys.press("End")
    keys.press("Escape")
    keys.press("t")
    expect(alice.page.locator("#tag-name")).to_be_focused()
    keys.press("Escape")
    keys.press("/")
    expect(alice.page.locator("#find")).to_be_focused()
    keys.press("Escape")

    keys.press("e")
    alice.sees("Closed #1001")
    expect(alice.page.locator("#messages-1002")).to_be_visible()
    expect(alice.box).to_be_focused()
    keys.type("Bye")
    keys.press("Control+Shift+Enter")
    alice.sees("Closed #1002")
    alice.sees("All caught up")


# The first moment after a swap in which a key press can come.
PRESS_AFTER_SWAP = """key => {
    const press = ({ target }) => {
        if (!target.querySelector("#ticket-close")) return;
        document.removeEventListener("htmx:before:settle", press);
        const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
        queueMicrotask(() => document.body.dispatchEvent(event));
    };
    document.addEventListener("htmx:before:settle", press);
}"""


def test_a_key_that_comes_at_once_after_a_swap_needs_no_new_page(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("First", name="Vera")
    windows(Customer).start("Second", name="Victor")
    alice.open(1001)
    alice.page.evaluate("window.isSamePage = true")
    alice.page.evaluate(PRESS_AFTER_SWAP, "e")
    alice.row(1002).get_by_role("link").click()
    alice.sees("Closed #1002.")
    expect(alice.page.locator("#toast").get_by_role("button", name="Undo")).to_be_visible()
    assert alice.page.evaluate("window.isSamePage") is True


def test_a_key_that_comes_at_once_after_a_page_needs_no_other(alice: Agent, vera: Customer) -> None:
    vera.start("First", name="Vera")
    alice.open(1001)
    alice.context.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
            if (!document.getElementById("ticket-close")) return;
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "e", bubbles: true, cancelable: true }));
            window.isSamePage = true;
        })"""
    )
    alice.page.reload()
    alice.sees("Closed #1001.")
    assert alice.page.evaluate("window.isSamePage") is True
    assert [text for text in alice.complaints if "AudioContext" not in text] == []
    alice.complaints.clear()  # a press that a script makes may start no sound


def test_the_search_box_shows_its_keys_until_somebody_types(windows: Opener, alice: Agent) -> None:
    alice.is_live()
    box, hint = alice.page.locator("#find"), alice.page.locator(".find__keys")
    expect(box).to_have_attribute("aria-keyshortcuts", "/")
    expect(hint.locator("kbd")).to_have_text(["/", "Ctrl", "K"])
    expect(hint).to_be_visible()
    if folder := os.environ.get("SHOTS"):
        alice.page.screenshot(path=f"{folder}/hint-wide.png")
    box.fill("x")
    expect(hint).to_be_hidden()
    box.fill("")
    box.blur()
    expect(hint).to_be_visible()
    phone: Agent = windows(Agent, viewport={"width": 390, "height": 844}).come()
    expect(phone.page.locator("#find")).to_be_visible()
    expect(phone.page.locator(".find__keys")).to_be_hidden()
    if folder:
        phone.page.screenshot(path=f"{folder}/hint-phone.png")


def test_snooze_keeps_its_key_where_its_button_is_in_the_menu(windows: Opener, vera: Customer) -> None:
    alice: Agent = windows(Agent, viewport={"width": 1280, "height": 860}).come()
    alice.is_live()
    vera.start("First", name="Vera")
    alice.open()
    leave_the_box(alice)
    alice.page.keyboard.press("s")
    expect(alice.page.locator("#menu-snooze-hour")).to_be_focused()
    alice.page.keyboard.press("Enter")
    alice.sees("Snoozed #1001.")


def test_the_palette_runs_what_the_page_offers_and_never_ends_anything_by_itself(alice: Agent, vera: Customer) -> None:
    vera.start("First", name="Vera")
    alice.open()
    keys = alice.page.keyboard
    keys.press("Control+k")
    expect(palette(alice.page)).to_be_visible()
    box = alice.page.get_by_role("combobox", name="Type a command")
    expect(box).to_be_focused()
    expect(options(alice.page).filter(has_text="Close ticket").locator("kbd")).to_have_text("E")
    expect(alice.page.locator("[role=option][aria-selected=true]")).to_have_count(1)
    assert violations(alice.page) == []

    keys.type("clos")
    expect(options(alice.page).first).to_contain_text("Close")
    expect(alice.page.locator("[role=option][aria-selected=true]")).to_have_count(0)
    keys.press("Enter")
    expect(palette(alice.page)).to_be_visible()  # nothing was chosen

    keys.press("Escape")
    expect(palette(alice.page)).not_to_be_visible()
    expect(alice.box).to_be_focused()

    keys.press("Control+k")
    keys.type("note")
    keys.press("Enter")
    expect(alice.page.locator("#note-text")).to_be_focused()

    keys.press("Control+k")
    keys.type("close ticket")
    keys.press("ArrowDown")
    keys.press("Enter")
    alice.sees("Closed #1001")


def test_a_palette_that_is_opened_again_at_once_listens(alice: Agent, vera: Customer) -> None:
    vera.start("First", name="Vera")
    alice.open()
    alice.page.keyboard.press("Control+k")
    expect(palette(alice.page)).to_be_visible()
    # The dialog tells of its end in a task of its own, after the click.
    palette(alice.page).evaluate(
        "(dialog) => { dialog.close(); document.querySelector('[data-open-palette]').click(); }"
    )
    alice.page.keyboard.type("note")
    alice.page.keyboard.press("Enter")
    expect(alice.page.locator("#note-text")).to_be_focused()


def test_the_list_of_keys_has_what_the_page_offers(alice: Agent, vera: Customer) -> None:
    keys = alice.page.keyboard
    dialog = alice.page.get_by_role("dialog", name="Keyboard shortcuts")
    keys.press("?")
    expect(dialog).to_be_visible()
    expect(dialog).not_to_contain_text("Close ticket")
    expect(dialog).to_contain_text("New line")
    assert violations(alice.page) == []
    keys.press("Escape")
    vera.start("First", name="Vera")
    alice.open()
    expect(alice.page.locator("#ticket-close")).to_have_attribute("aria-keyshortcuts", "E")
    expect(alice.page.locator("#ticket-close")).to_have_attribute("title", "Close ticket (E)")
    leave_the_box(alice)
    keys.press("?")
    expect(dialog).to_contain_text("Close ticket")
    keys.press("e")  # not while a dialog is open
    expect(dialog).to_be_visible()
    expect(alice.page.locator("#ticket-close")).to_have_count(1)


def test_what_writes_a_text_is_no_key(alice: Agent, vera: Customer) -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"key": "e", "altGraph": True}, False),
        ({"key": "Dead", "code": "KeyE"}, False),
        ({"key": "e", "isComposing": True}, False),
        ({"key": "e", "keyCode": 229}, False),
        ({"key": "e", "altKey": True}, False),
        ({"key": "e", "ctrlKey": True}, False),
        ({"key": "E", "shiftKey": True}, False),
        ({"key": "é", "code": "Slash"}, False),
        ({"key": "?", "shiftKey": True, "code": "Minus"}, True),
        ({"key": "؟", "shiftKey": True, "code": "Slash"}, True),
        ({"key": "о", "code": "KeyJ"}, True),
        ({"key": "J"}, True),
        ({"key": "/", "shiftKey": True, "code": "Digit7"}, True),
    ]
    vera.start("First")
    for event, is_taken in cases:
        expect(alice.row()).to_be_visible()
        assert send_key(alice.page, **event) is is_taken, event
        if is_taken:
            alice.page.reload()


def test_single_keys_can_be_switched_off(alice: Agent, vera: Customer) -> None:
    vera.start("First", name="Vera")
    alice.page.goto(f"{alice.url}/account")
    alice.page.get_by_label("Single keys").select_option("off")
    expect(alice.page.get_by_label("Single keys")).to_have_value("off")
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    expect(alice.page.locator("#ticket-close")).not_to_have_attribute("aria-keyshortcuts", "E")
    expect(alice.page.locator(".find__keys")).to_have_count(0)
    for key in ("e", "j", "r", "?"):
        assert not send_key(alice.page, key=key)
    alice.page.keyboard.press("Control+k")
    expect(palette(alice.page)).to_be_visible()
    expect(options(alice.page).filter(has_text="Close ticket").locator("kbd")).to_have_count(0)


def test_on_a_mac_keys_are_called_and_pressed_as_there(windows: Opener, vera: Customer) -> None:
    alice: Agent = windows(Agent, **DESK)
    alice.context.add_init_script("Object.defineProperty(navigator, 'platform', { get: () => 'MacIntel' })")
    alice.come()
    vera.start("First", name="Vera")
    alice.open()
    leave_the_box(alice)
    alice.page.keyboard.press("?")
    dialog = alice.page.get_by_role("dialog", name="Keyboard shortcuts")
    row = dialog.locator(".key-list__row").filter(has_text="Send and close")
    expect(row.locator("kbd")).to_have_text(["⌘", "⇧", "↵"])
    alice.page.keyboard.press("Escape")
    alice.page.keyboard.press("Control+k")
    expect(palette(alice.page)).not_to_be_visible()
    alice.page.keyboard.press("Meta+k")
    expect(palette(alice.page)).to_be_visible()


def test_undo_has_a_key_for_as_long_as_it_is_offered(alice: Agent, vera: Customer) -> None:
    vera.start("First", name="Vera")
    alice.open()
    leave_the_box(alice)
    alice.page.keyboard.press("e")
    alice.sees("Closed #1001")
    alice.page.keyboard.press("Control+z")
    expect(alice.row()).to_have_attribute("data-status", "open")
    expect(alice.box).to_be_focused()
