"""axe-core finds nothing on any page, in either theme, on a phone or a wide screen."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Frame, Page, expect

from supportchat.config import ROOT
from tests.browser.conftest import DESK, Agent, Customer, Opener
from tests.cast import PASSWORD
from tests.variants import first

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 760}, "has_touch": True, "is_mobile": True}
TARGETS = (
    "a:not(.skip-link), button, summary, textarea, input:not([type=hidden], .visually-hidden, label input),"
    " label:is(.button, .mode, .check, .tick)"
)


def small_targets(page: Page) -> list[str]:
    """Return what can be touched on the page and is smaller than a fingertip. Links in a text are as the text is."""
    small: list[str] = page.evaluate(
        """(targets) => [...document.querySelectorAll(targets)]
            .filter((element) => element.checkVisibility() && !element.closest(".bubble"))
            .filter((element) => Object.entries(element.getBoundingClientRect().toJSON())
                .some(([name, size]) => ["width", "height"].includes(name) && size < 43.5))
            .map((element) => element.outerHTML.slice(0, 120))""",
        TARGETS,
    )
    return small


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on the page as it is now, in both themes; the dark one differs in colours only."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = run_axe(page, {})
    page.emulate_media(color_scheme="dark")
    found += run_axe(page, {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    return found


def run_axe(page: Page | Frame, options: dict[str, Any]) -> list[str]:
    """Return the violations as lines to read."""
    found: list[dict[str, Any]] = page.evaluate(
        "(options) => axe.run(document, { resultTypes: ['violations'], ...options }).then((r) => r.violations)", options
    )
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("width", first([1440, 360]))
def test_every_page(windows: Opener, photo: Path, width: int, rows: Any) -> None:
    options: dict[str, Any] = {
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
    vera.sees("Chat ended")
    found["ended chat"] = violations(vera.page)
    alice.sees("All caught up" if width > 760 else "Recently closed")
    found["all caught up"] = violations(alice.page)
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    alice.sees("Reopen")
    found["closed ticket"] = violations(alice.page)

    for path in ("account", "account/password", "account/two-factor"):
        alice.page.goto(f"{alice.url}/{path}")
        found[path] = violations(alice.page)
    secret = alice.page.locator("code").inner_text().replace(" ", "")
    alice.page.get_by_label("Enter the code").fill(pyotp.TOTP(secret).now())
    alice.page.get_by_label("Current password").fill(PASSWORD)
    alice.page.get_by_role("button", name="Turn on").click()
    alice.sees("Your recovery codes")
    found["recovery codes"] = violations(alice.page)
    alice.page.goto(f"{alice.url}/account/two-factor")
    found["two-factor"] = violations(alice.page)
    alice.page.goto(f"{alice.url}/account")
    found["account with two-factor"] = violations(alice.page)
    alice.send_unseen("/agent/logout", {})
    alice.log_in_unseen("alice")
    alice.page.goto(f"{alice.url}/agent/login/code")
    alice.page.locator("summary").click()
    alice.page.get_by_role("button", name="Log in").click()
    alice.sees("This code is wrong")
    found["second step"] = violations(alice.page)

    carol: Agent = windows(Agent, **options).come("carol", "/status")
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    carol.page.reload()
    carol.sees("needs attention")
    for details in carol.page.locator("details:not(.menu)").all():
        details.evaluate("element => { element.open = true }")
    found["status"] = violations(carol.page)
    for path in ("privacy?days=30", "audit", "tickets/1001/erasure"):
        carol.page.goto(f"{carol.url}/{path}")
        found[path] = violations(carol.page)
    for fields in ({"tag": "Heating"}, {"tag": "Parts"}):
        carol.send_unseen("/tickets/1001/tags", fields)
    carol.send_unseen("/search/views", {"name": "Heating", "query": "tag:heating", "shared": "on"})
    for path in ("search?q=heating+hello", "search", "tags", "alerts", "agent?view=snoozed"):
        carol.page.goto(f"{carol.url}/{path}")
        found[path] = violations(carol.page)
    carol.page.goto(f"{carol.url}/agent?view=all")
    carol.page.locator("[data-pick]").check(force=True)
    carol.page.locator("#bulk-tag-menu").click()
    found["chosen"] = violations(carol.page)
    carol.page.locator("#views-menu").click()
    expect(carol.page.locator(".find .views__count")).to_have_text("1")
    found["views"] = violations(carol.page)
    carol.page.goto(f"{carol.url}/sites")
    found["sites"] = violations(carol.page)
    carol.page.goto(f"{carol.url}/sites/main")
    carol.page.get_by_label("Colour", exact=True).fill("#ffd500")
    carol.page.get_by_role("button", name="Save").first.click()
    carol.sees("White text on it is hard to read")
    found["site"] = violations(carol.page)
    carol.page.goto(f"{carol.url}/people")
    carol.page.get_by_placeholder("E-mail").fill("eve@example.com")
    carol.page.get_by_role("button", name="Create invitation link").click()
    link = carol.page.get_by_label("Link", exact=True).input_value()
    carol.page.locator(".person summary").first.click()
    found["people"] = violations(carol.page)
    carol.page.goto(f"{carol.url}/agent?ticket=1001")
    carol.page.locator(".ban").evaluate("element => { element.open = true }")
    found["ban"] = violations(carol.page)
    carol.send_unseen("/tickets/1001/bans", {"what": "network", "days": "7", "reason": "Sells watches"})
    carol.page.goto(f"{carol.url}/bans")
    found["bans"] = violations(carol.page)
    vera.page.goto(link)
    vera.page.get_by_role("button", name="Create account").click()
    vera.sees("Enter a name.")
    found["link"] = violations(vera.page)
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
    expect(vera.page.get_by_label("Your message")).to_be_focused()
    vera.page.keyboard.type("Only keys")
    for place in ("#start-image", "#start [data-send]"):
        vera.page.keyboard.press("Tab")
        expect(vera.page.locator(place)).to_be_focused()
    for typed in ("Vera", "+4930901820"):
        vera.page.keyboard.press("Tab")
        vera.page.keyboard.type(typed)
    vera.page.keyboard.press("Enter")
    expect(vera.box).to_be_visible()
    expect(vera.messages.first).to_have_text("Only keys")


@pytest.mark.mode("postgres")
def test_the_focus_goes_from_the_start_into_the_box_of_the_chat(vera: Customer, windows: Opener) -> None:
    expect(vera.fill_in("Hello").box).to_be_focused()
    phone: Customer = windows(Customer, **PHONE)
    expect(phone.fill_in("Hello").box).not_to_be_focused()


@pytest.mark.mode("postgres")
def test_on_a_touch_screen_every_target_has_44_pixels_and_no_box_zooms(windows: Opener) -> None:
    vera: Customer = windows(Customer, **PHONE).visit()
    found = {"start": small_targets(vera.page)}
    vera.start("Hello", name="Vera", phone="+4930901820")
    found["chat"] = small_targets(vera.page)
    assert vera.box.evaluate("box => getComputedStyle(box).fontSize") == "16px"
    expect(vera.page.get_by_text("Enter to send ·")).to_be_hidden()
    alice: Agent = windows(Agent, **PHONE).come()
    found["queue"] = small_targets(alice.page)
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    found["ticket"] = small_targets(alice.page)
    alice.page.get_by_role("button", name="About the customer").click()
    found["customer"] = small_targets(alice.page)
    carol: Agent = windows(Agent, **PHONE).come("carol", "/status")
    carol.page.locator(".rail__me > summary").click()
    found["status"] = small_targets(carol.page)
    carol.page.goto(f"{carol.url}/people")
    carol.page.locator(".person summary").first.click()
    found["people"] = small_targets(carol.page)
    carol.send_unseen("/tickets/1001/bans", {"what": "browser", "days": "7", "reason": "Sells watches"})
    carol.page.goto(f"{carol.url}/bans")
    found["bans"] = small_targets(carol.page)
    carol.send_unseen("/tickets/1001/tags", {"tag": "Heating"})
    for path in ("tags", "search?q=heating", "alerts", "agent?view=all"):
        carol.page.goto(f"{carol.url}/{path}")
        found[path] = small_targets(carol.page)
    assert {name: targets for name, targets in found.items() if targets} == {}


@pytest.mark.mode("postgres")
def test_no_page_is_wider_than_its_window(windows: Opener, vera: Customer) -> None:
    vera.visit()
    alice: Agent = windows(Agent)
    alice.page.goto(f"{alice.url}/agent/login")
    for page, width in itertools.product((vera.page, alice.page), (360, 768, 1440)):
        page.set_viewport_size({"width": width, "height": 760})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        card = page.locator(".card").bounding_box()
        assert card
        assert card["x"] + card["width"] <= width


@pytest.mark.mode("postgres")
def test_a_text_near_the_limit_is_counted_and_none_is_cut(vera: Customer) -> None:
    vera.start("Hello")
    counter = vera.page.locator("#composer [data-counter]")
    vera.box.fill("x" * 7499)
    expect(counter).to_be_hidden()
    vera.box.fill("x" * 7812)
    expect(counter).to_contain_text("7,812 of 8,000")
    vera.box.fill("x" * 8001)
    expect(counter).to_contain_text("8,001 of 8,000")
    expect(vera.page.get_by_role("status").filter(has_text="too long to send")).to_have_count(1)
    vera.box.press("Enter")
    vera.sees("This message has more than 8,000 characters.")
    expect(vera.box).to_have_value("x" * 8001)
    vera.box.fill("Short")
    expect(counter).to_be_hidden()
    vera.box.press("Enter")
    expect(vera.messages.last).to_have_text("Short")


@pytest.mark.mode("postgres")
def test_with_the_readers_own_colours_what_is_chosen_can_be_told(
    windows: Opener, vera: Customer, database: Any
) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    alice: Agent = windows(Agent, **DESK, forced_colors="active").come()
    alice.open(1001)
    for chosen in (
        ".tab[aria-current]",
        ".rail__link[aria-current]",
        ".mode input:checked + span",
        ".composer:focus-within",
    ):
        assert alice.page.locator(chosen).evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    line = "element => getComputedStyle(element).outlineStyle"
    assert [alice.row(number).get_by_role("link").evaluate(line) for number in (1001, 1002)] == ["solid", "none"]
    colour = "element => getComputedStyle(element).backgroundColor"
    here = alice.page.locator("#availability .switch__track").evaluate(colour)
    assert here == alice.page.evaluate("getComputedStyle(document.body).color")


@pytest.mark.mode("postgres")
def test_twice_as_large_a_text_is_all_there(windows: Opener, vera: Customer, rows: Any) -> None:
    vera.start("Hello", name="Vera Lindt")
    rows("update tickets set awaiting_since = now() - interval '3 minutes'")
    alice: Agent = windows(Agent)
    alice.log_in_unseen("alice")
    cut = {}
    for width in (360, 768, 1440):
        for window, path in ((vera, "/chat"), (alice, "/agent")):
            window.page.set_viewport_size({"width": width, "height": 860})
            window.page.goto(f"{window.url}{path}")
        alice.row().wait_for()
        cut["chat", width] = cut_in_large_text(vera.page, ".chat__header > *")
        cut["queue", width] = cut_in_large_text(alice.page, ".desk__queue .tab, .row .pill, .row__number")
    for width in (360, 768, 1440):
        alice.page.set_viewport_size({"width": width, "height": 860})
        alice.page.goto(f"{alice.url}/agent?ticket=1001")
        alice.is_live()
        parts = ".ticket__header > *, .ticket__actions > *, .composer button"
        cut["ticket", width] = cut_in_large_text(alice.page, parts)
    assert {place: found for place, found in cut.items() if found} == {}


def cut_in_large_text(page: Page, what: str) -> list[str]:
    """Return what is wider than its place, or beyond its pane, when the reader's text is twice as large."""
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    found: list[str] = page.evaluate(
        """(what) => [...document.querySelectorAll(what)]
            .filter((element) => element.checkVisibility())
            .filter((element) => {
                const [{ left, right }, pane] = [element, element.closest(".pane, .chat")]
                    .map((each) => each.getBoundingClientRect());
                return left < pane.left || right > pane.right || element.scrollWidth > element.clientWidth + 1;
            })
            .map((element) => element.outerHTML.slice(0, 120))""",
        what,
    )
    return found
