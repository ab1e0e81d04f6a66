"""axe-core finds nothing on any page, in either theme, on a phone or a wide screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from supportchat.config import ROOT
from tests.browser.conftest import Agent, Customer, Opener

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """Give what axe-core finds on the page as it is now."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        "() => axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)"
    )
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_every_page(windows: Opener, photo: Path, scheme: str, width: int, rows: Any) -> None:
    options: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 860},
        "reduced_motion": "reduce",
    }
    options["bypass_csp"] = True  # axe-core writes styles while it looks
    vera: Customer = windows(Customer, **options).visit()
    found = {"start": violations(vera.page)}
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees("Write a message or add a picture first.")
    found["start with an error"] = violations(vera.page)

    vera.start("Hello", name="Vera Lindt", phone="+4930901820", picture=photo)
    found["chat in the queue"] = violations(vera.page)

    login: Agent = windows(Agent, **options)
    login.page.goto(f"{login.url}/agent/login")
    found["login"] = violations(login.page)
    alice = login.log_in()
    alice.row().wait_for()
    rows("update tickets set awaiting_since = now() - interval '3 minutes'")
    alice.page.reload()
    found["queue"] = violations(alice.page)
    alice.open()
    alice.write("Hello Vera https://example.com")
    alice.note("Careful")
    alice.sees("Careful")
    found["ticket"] = violations(alice.page)
    alice.page.locator("summary", has_text="Hand over").click()
    found["hand over"] = violations(alice.page)
    found["chat"] = violations(vera.page)
    alice.page.keyboard.press("Escape")
    alice.press("Close")
    vera.sees("This chat has ended")
    found["ended chat"] = violations(vera.page)
    alice.sees("Reopen")
    found["closed ticket"] = violations(alice.page)

    carol: Agent = windows(Agent, **options).log_in("carol", "/status")
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    carol.page.reload()
    carol.sees("needs you")
    for details in carol.page.locator("details:not(.menu)").all():
        details.evaluate("element => { element.open = true }")
    found["status"] = violations(carol.page)
    carol.page.goto(f"{carol.url}/nowhere")
    found["error"] = violations(carol.page)
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_new_messages_are_announced(vera: Customer) -> None:
    vera.start("Hello")
    log = vera.page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(log.locator("[data-messages]")).to_be_visible()


def test_a_chat_works_by_keyboard_alone(vera: Customer) -> None:
    vera.visit()
    for typed in ("Only keys", "Vera", "+4930901820"):
        vera.page.keyboard.press("Tab")
        vera.page.keyboard.type(typed)
    vera.page.keyboard.press("Tab")
    expect(vera.page.locator("#start-image")).to_be_focused()
    vera.page.keyboard.press("Tab")
    vera.page.keyboard.press("Enter")
    expect(vera.box).to_be_visible()
    expect(vera.messages.first).to_have_text("Only keys")
