"""Saved replies in the composer: found by a slash, filled in, with what goes along."""

from __future__ import annotations

import os
from typing import Any

from playwright.sync_api import Locator, expect

from supportchat.database import Database
from tests.browser.conftest import Agent, Customer
from tests.cast import agent_id

HELLO = "Hi {{customer.first_name|there}}, thanks for writing. This is ticket {{ticket.number}}."


def save(database: Database, name: str, message: str, **values: Any) -> None:
    database.call(
        "save_reply", agent_id=agent_id(database, "alice"), values={"name": name, "message": message, **values}
    )


def option(alice: Agent, name: str) -> Locator:
    return alice.page.get_by_role("option", name=name)


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
    expect(alice.page.get_by_role("listbox")).to_have_count(0)
    alice.box.press("Control+z")
    expect(alice.box).to_have_value("/hel")
    alice.box.fill("")
    alice.box.press_sequentially("/")
    expect(alice.page.get_by_role("option")).to_have_count(2)
    alice.box.press("ArrowDown")
    alice.box.press("Tab")
    expect(alice.box).to_have_value("I’ve sent you a new heating sensor.")
    expect(alice.page.get_by_label("Close the ticket after sending")).to_be_checked()
    picture(alice, "inserted")
    alice.box.press("Enter")
    expect(vera.messages.last).to_have_text("I’ve sent you a new heating sensor.")
    alice.sees("You closed this ticket.")


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
    expect(vera.messages.last.locator("pre")).to_have_text(
        "14:11:11  boot     CM-410  fw 2.8.1\n14:11:12  heater   21 °C   target 93 °C and a line that is too long for it"
        "\n    indented",
        use_inner_text=True,
    )
    vera.write("👍")
    expect(alice.page.locator(".bubble[data-emoji]")).to_have_count(1)
    expect(alice.row()).to_contain_text("👍")
    picture(alice, "markup")
    if folder := os.environ.get("SHOTS"):
        for scheme in ("light", "dark"):
            vera.page.emulate_media(color_scheme=scheme)
            vera.page.set_viewport_size({"width": 390, "height": 844})
            vera.page.screenshot(path=f"{folder}/markup-customer-{scheme}.png")
