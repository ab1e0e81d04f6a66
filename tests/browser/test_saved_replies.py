"""Saved replies in the composer: found by a slash, filled in, with what goes along."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, expect

from supportchat.database import Database
from tests.browser.conftest import Agent, Customer, Opener
from tests.browser.test_accessibility import PHONE, small_targets, violations
from tests.cast import agent_id

HELLO = "Hi {{customer.first_name|there}}, thanks for writing. This is ticket {{ticket.number}}."


def save(database: Database, name: str, message: str, **values: Any) -> None:
    database.call(
        "save_reply", agent_id=agent_id(database, "alice"), values={"name": name, "message": message, **values}
    )


def options(alice: Agent) -> Locator:
    return alice.page.get_by_role("listbox", name="Saved replies").get_by_role("option")


def option(alice: Agent, name: str) -> Locator:
    return options(alice).filter(has_text=name)


def picture(alice: Agent, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        alice.page.screenshot(path=f"{folder}/{name}.png")


def test_a_slash_finds_a_reply_and_enter_inserts_it_filled_in(alice: Agent, vera: Customer, database: Database) -> None:
    save(database, "Hello", HELLO)
    save(database, "Sensor replacement", "I’ve sent you a new heating sensor.", close_after=True)
    vera.start("Is anybody there?", name="Vera Lindt")
    alice.open()
    alice.box.press_sequentially("/hel")
    expect(option(alice, "Hello")).to_have_attribute("aria-selected", "true")
    expect(option(alice, "Sensor replacement")).to_have_count(0)
    picture(alice, "list")
    alice.box.press("Enter")
    expect(alice.box).to_have_value("Hi Vera, thanks for writing. This is ticket 1001.")
    expect(options(alice)).to_have_count(0)
    alice.box.press("Control+z")
    expect(alice.box).to_have_value("/hel")
    alice.box.fill("")
    alice.box.press_sequentially("/")
    expect(options(alice)).to_have_count(2)
    alice.box.press("ArrowDown")
    alice.box.press("Tab")
    expect(alice.box).to_have_value("I’ve sent you a new heating sensor.")
    expect(alice.page.get_by_label("Close the ticket after sending", exact=True)).to_be_checked()
    picture(alice, "inserted")
    alice.box.press("Enter")
    expect(vera.messages.last).to_have_text("I’ve sent you a new heating sensor.")
    alice.sees("Closed #1001.")
    alice.sees("All caught up")
    vera.sees("Chat ended")


def test_a_variable_that_stays_open_stops_send_and_nothing_is_lost(
    alice: Agent, vera: Customer, database: Database
) -> None:
    save(database, "Order", "Hi {{customer.name}}, it is on its way.")
    vera.start("Is anybody there?")
    alice.open()
    alice.box.press_sequentially("/ord")
    option(alice, "Order").click()
    expect(alice.box).to_have_value("Hi {{customer.name}}, it is on its way.")
    alice.box.press("Enter")
    alice.sees("Write something in place of {{customer.name}}")
    expect(alice.box).to_have_value("Hi {{customer.name}}, it is on its way.")
    alice.box.fill("Hi Vera, it is on its way.")
    alice.box.press("Enter")
    expect(vera.messages.last).to_have_text("Hi Vera, it is on its way.")


def test_a_picture_goes_along_and_a_note_takes_a_reply_too(
    alice: Agent, vera: Customer, database: Database, photo: Path
) -> None:
    # Chromium now and then hangs in closing these pages alone: their contexts are closed instead of being used again.
    assert all(window.context for window in (alice, vera))
    fields: dict[str, Any] = {"name": "Label", "message": "It is here:", "image": photo}
    saved = alice.page.request.post(f"{alice.url}/replies", multipart=fields, headers={"Origin": alice.url})
    assert saved.status == 200
    vera.start("Where is the label?")
    alice.open()
    alice.press("Saved replies")
    option(alice, "Label").click()
    expect(alice.page.locator("#reply [data-preview-name]")).to_have_text("picture.webp")
    alice.box.press("Enter")
    expect(vera.messages.last).to_have_text("It is here:")
    expect(vera.page.locator("[data-messages] .picture img")).to_be_visible()
    alice.page.locator("label", has_text="Note").first.click()
    note = alice.page.locator("#note-text")
    note.press_sequentially("See /lab")
    expect(option(alice, "Label")).to_be_visible()
    note.press("Escape")
    expect(options(alice)).to_have_count(0)
    note.press_sequentially("x and 1/2, https://a.example/label")
    expect(options(alice)).to_have_count(0)
    note.press("Enter")
    expect(alice.page.locator(".message--note .bubble")).to_have_text("See /labx and 1/2, https://a.example/label")


def test_a_reply_that_comes_back_still_does_with_the_ticket_what_it_was_to_do(
    alice: Agent, vera: Customer, database: Database
) -> None:
    save(database, "Solved", "Glad that it works.", close_after=True)
    vera.start("Help me", name="Vera")
    alice.open()
    vera.is_live()
    alice.box.press_sequentially("/sol")
    expect(option(alice, "Solved")).to_have_attribute("aria-selected", "true")
    alice.box.press("Enter")
    alice.context.set_offline(True)
    alice.box.press("Enter")
    expect(alice.page.locator("[data-pending] li")).to_be_visible()
    vera.write("One more thing")
    expect(vera.messages.last).to_have_text("One more thing")
    alice.context.set_offline(False)
    alice.sees("1 new message came while you wrote.")
    expect(alice.page.get_by_label("Close the ticket after sending", exact=True)).to_be_checked()
    alice.press("Send anyway")
    expect(vera.messages.last).to_have_text("Glad that it works.")
    expect(alice.row()).not_to_have_attribute("data-status", "open")


LONG = """Sorry about that, **Vera**. E4 means that the heating sensor doesn’t answer.
1. Unplug the machine for **30 seconds**.
2. Hold `Rinse` while you plug it in, then see [the log](https://example.com/log).

- descaler, *two* bottles
- filter

> Still cold, I’m afraid.

```service.log
14:11:11  boot     CM-410  fw 2.8.1
14:11:12  heater   21 °C   target 93 °C and a line that is too long for it
    indented
```"""


def test_what_is_marked_looks_so_on_both_sides(alice: Agent, vera: Customer) -> None:
    vera.start("It shows **E4**:\n    indented", name="Vera Lindt")
    alice.open()
    alice.box.fill(LONG)
    alice.box.press("Enter")
    expect(vera.messages.last.get_by_role("listitem")).to_have_count(4)
    code = LONG.partition("```service.log\n")[2].removesuffix("\n```")
    expect(vera.messages.last.locator("pre")).to_have_text(code, use_inner_text=True)
    vera.write("👍")
    expect(alice.page.locator(".bubble[data-emoji]")).to_have_count(1)
    expect(alice.row()).to_contain_text("👍")
    picture(alice, "markup")
    if folder := os.environ.get("SHOTS"):
        for scheme in ("light", "dark"):
            vera.page.emulate_media(color_scheme=scheme)
            vera.page.set_viewport_size({"width": 390, "height": 844})
            vera.page.screenshot(path=f"{folder}/markup-customer-{scheme}.png")


def test_a_list_that_its_button_opened_leaves_nothing_in_the_box_when_esc_closes_it(
    alice: Agent, vera: Customer, database: Database
) -> None:
    save(database, "Hello", HELLO)
    vera.start()
    alice.open(1001)
    alice.box.fill("Well")
    alice.press("Saved replies")
    expect(option(alice, "Hello")).to_be_visible()
    alice.box.press("Escape")
    expect(alice.box).to_have_value("Well")
    expect(alice.box).to_be_focused()
    alice.box.press_sequentially(" /")
    expect(option(alice, "Hello")).to_be_visible()
    alice.box.press("Escape")
    expect(alice.box).to_have_value("Well /")


def test_what_a_reply_is_to_do_stays_when_the_ticket_changes_before_it_is_sent(
    alice: Agent, vera: Customer, database: Database
) -> None:
    save(database, "Solved", "Glad that it works.", close_after=True)
    vera.start("Help me", name="Vera")
    alice.open()
    alice.box.press_sequentially("/sol")
    expect(option(alice, "Solved")).to_have_attribute("aria-selected", "true")
    alice.box.press("Enter")
    expect(alice.page.get_by_label("Close the ticket after sending")).to_be_checked()
    alice.page.locator("#tag-name").fill("parts")
    alice.page.locator("#tag-name").press("Enter")
    expect(alice.page.locator("#customer .tag")).to_have_count(1)
    expect(alice.page.get_by_label("Close the ticket after sending")).to_be_checked()
    alice.box.press("Enter")
    alice.sees("All caught up")


def test_a_reply_made_of_a_message_is_said_to_be_saved_and_can_be_shown(alice: Agent, vera: Customer) -> None:
    vera.start("Help me", name="Vera")
    alice.open()
    alice.write("Glad that it works.")
    alice.page.get_by_role("link", name="Save as reply").click()
    alice.page.locator("#reply-name").fill("Solved")
    alice.page.get_by_role("button", name="Save", exact=True).click()
    toast = alice.page.locator("#toast[role=status]")
    expect(toast).to_contain_text("Saved the reply Solved.")
    expect(alice.page).to_have_url(f"{alice.url}/agent?ticket=1001")
    show = toast.get_by_role("link", name="Show")
    expect(show).to_have_css("color", toast.evaluate("place => getComputedStyle(place.firstElementChild).color"))
    picture(alice, "saved")
    show.click()
    message = alice.page.locator("#reply-message")
    expect(message).to_have_value("Glad that it works.")
    message.fill("It is {{order.id}}.")
    alice.page.get_by_role("button", name="Save", exact=True).click()
    expect(message).to_have_attribute("aria-invalid", "true")
    expect(message).to_have_accessible_description(re.compile("Nothing fills in {{order.id}}"))
    picture(alice, "unknown-name")
    alice.page.set_viewport_size({"width": 390, "height": 844})
    picture(alice, "unknown-name-phone")


def test_what_a_reply_is_to_do_goes_with_its_text(alice: Agent, vera: Customer, database: Database) -> None:
    save(database, "Solved", "Glad that it works.", close_after=True, tags=["heating"])
    vera.start("Help me", name="Vera")
    alice.open()
    alice.box.press_sequentially("/sol")
    expect(option(alice, "Solved")).to_have_attribute("aria-selected", "true")
    alice.box.press("Enter")
    boxes = alice.page.locator("#reply [data-acts] input:checked")
    expect(boxes).to_have_count(2)
    alice.box.press("Backspace")
    expect(boxes).to_have_count(2)
    alice.box.press("Control+a")
    alice.box.press("Delete")
    expect(boxes).to_have_count(0)
    with alice.page.expect_response("**/drafts"):
        alice.box.press_sequentially("Still at it")
    alice.page.reload()
    expect(alice.box).to_have_value("Still at it")
    expect(boxes).to_have_count(0)


def test_axe_finds_nothing_and_a_finger_hits_everything(windows: Opener, vera: Customer, database: Database) -> None:
    save(database, "Hello", HELLO, tags=["heating"], snooze="tomorrow")
    vera.start("It shows **E4**", name="Vera Lindt")
    database.call(
        "assign_ticket", agent_id=agent_id(database, "alice"), number=1001, assignee_id=agent_id(database, "alice")
    )
    alice: Agent = windows(Agent, **PHONE, bypass_csp=True, reduced_motion="reduce").come("alice", "/agent?ticket=1001")
    alice.box.fill(LONG)
    alice.press("Send")
    expect(alice.page.get_by_role("link", name="Save as reply")).to_be_visible()
    picture(alice, "phone-message")
    alice.press("Saved replies")
    expect(option(alice, "Hello")).to_be_visible()
    found = {"list": [*violations(alice.page), *small_targets(alice.page)]}
    picture(alice, "phone-list")
    option(alice, "Hello").click()
    expect(alice.page.get_by_label("Add tags: heating")).to_be_checked()
    picture(alice, "phone-acts")
    found["inserted"] = violations(alice.page)
    for path in ("replies", "replies/new?ticket=1001&seq=3"):
        alice.page.goto(f"{alice.url}/{path}")
        found[path] = violations(alice.page)
        picture(alice, f"phone-{path[:11].replace('/', '-')}")
    assert {name: problems for name, problems in found.items() if problems} == {}
