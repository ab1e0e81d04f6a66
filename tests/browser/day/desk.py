"""An agent who uses keys alone."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import BrowserContext, Locator, expect

from supportchat.database import Database
from tests.browser.conftest import Agent
from tests.cast import PASSWORD, email_of

MOST_TABS = 60
# What a page was told of, and heard: kept while the agent goes from page to page. `elsewhere` is where they look.
WATCH = """
const keep = (name, value) =>
  sessionStorage.setItem(name, JSON.stringify([...JSON.parse(sessionStorage.getItem(name) ?? "[]"), value]));
const hasFocus = document.hasFocus.bind(document);
document.hasFocus = () => !("elsewhere" in sessionStorage) && hasFocus();
document.addEventListener("live:alert", ({ detail }) => keep("told", `${detail.tag}: ${detail.body}`));
document.addEventListener("alerts:sounded", () => keep("sounds", Date.now()));
document.addEventListener("pointerdown", ({ isTrusted }) => isTrusted && keep("clicks", Date.now()), true);
"""


class Typist(Agent):
    """An agent whose mouse is broken."""

    def __init__(self, context: BrowserContext, url: str, database: Database) -> None:
        super().__init__(context, url, database)
        self.name = ""
        self.presses = 0
        self.context.add_init_script(WATCH)

    # Keys

    def keys(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            self.page.keyboard.press(name)
            self.presses += 1

    def type(self, text: str) -> None:
        """Type a text."""
        self.page.keyboard.type(text)
        self.presses += len(text)

    def tab_to(self, place: Locator, key: str = "Tab") -> None:
        """Press Tab until a place has the focus."""
        for _ in range(MOST_TABS):
            if place.evaluate("element => element === document.activeElement"):
                return
            self.keys(key)
        raise AssertionError(f"Tab does not lead to {place}")

    def run(self, command: str) -> None:
        """Choose something in the palette."""
        self.keys("Control+k")
        expect(self.page.get_by_role("combobox", name="Type a command")).to_be_focused()
        self.type(command)
        option = self.page.locator("[data-palette] [role=option]").first
        expect(option).to_contain_text(command)
        if option.get_attribute("aria-selected") != "true":  # what ends something
            self.keys("ArrowDown")
        self.keys("Enter")

    def leave_the_box(self) -> None:
        """Go to where single keys work."""
        if self.page.locator(":is(textarea, input, select):focus").count():
            self.keys("Escape")
            expect(self.page.locator(":is([data-ticket-title], #queue):focus")).to_have_count(1)

    def walk_to(self, number: int) -> None:
        """Go through the queue until a ticket has the focus."""
        self.keys("j", "Home")
        for _ in range(MOST_TABS):
            if self.row(number).locator("a:focus").count():
                return
            self.keys("ArrowDown")
        raise AssertionError(f"#{number} is not in the queue")

    # What they do

    def arrive(self, name: str) -> Typist:
        """Log in, and wait for the desk."""
        self.name = name
        self.page.goto(f"{self.url}/agent/login")
        expect(self.page.get_by_label("E-mail")).to_be_focused()
        self.type(email_of(name))
        self.keys("Tab")
        self.type(PASSWORD)
        self.keys("Enter")
        self.page.wait_for_url("**/agent")
        self.is_live()
        return self

    def go_to(self, page: str, path: str) -> None:
        """Go to another page by the palette."""
        self.run(page)
        self.page.wait_for_url(f"**{path}", wait_until="commit", timeout=15_000)

    def go_back(self) -> None:
        """Go back to the desk."""
        self.go_to("Inbox", "/agent")
        self.is_live()

    def show(self, number: int) -> None:
        """Open a ticket of one's own, wherever it stands in the queue, if the page does not open it by itself."""
        expect(self.page.locator(".htmx-request")).to_have_count(0)
        if not self.page.locator(f"#messages-{number}").count():
            expect(self.row(number)).to_be_attached()
            self.run(f"{number}")
            expect(self.page.locator(f"#messages-{number}")).to_be_visible()
        self.is_live()

    def write_in(self, number: int) -> None:
        """Be in the reply box of a ticket."""
        self.show(number)
        if not self.page.locator("#reply-text:focus").count():
            self.leave_the_box()
            self.keys("r")
        expect(self.box).to_be_focused()

    def reply(self, number: int, text: str) -> None:
        """Reply to a customer."""
        self.write_in(number)
        self.type(text)
        self.keys("Enter")

    def send_saved(self, number: int, name: str) -> None:
        """Send a saved reply, found by its first letters."""
        letters = f"/{name[:3].lower()}"
        self.write_in(number)
        self.type(letters)
        expect(self.page.locator(".replies [role=option][aria-selected=true]")).to_contain_text(name)
        self.keys("Enter")
        expect(self.box).not_to_have_value(letters)
        self.keys("Enter")

    def close(self, number: int) -> None:
        """Close a ticket."""
        self.show(number)
        self.leave_the_box()
        self.keys("e")
        expect(self.page.locator("#toast")).to_contain_text(f"Closed #{number}")

    def undo(self) -> None:
        """Take back what was done last."""
        self.keys("Control+z")

    # What the page knows

    def look_elsewhere(self) -> None:
        """Look at another window."""
        self.page.evaluate("sessionStorage.setItem('elsewhere', 'yes')")

    def look_here(self) -> None:
        """Look at the desk again."""
        self.page.evaluate("sessionStorage.removeItem('elsewhere'); window.dispatchEvent(new Event('focus'))")

    def noted(self, what: str) -> list[Any]:
        """Return what the pages of this tab have noted: 'told', 'sounds', 'clicks'."""
        found: list[Any] = self.page.evaluate("what => JSON.parse(sessionStorage.getItem(what) ?? '[]')", what)
        return found

    @property
    def queue(self) -> list[int]:
        """The tickets that need a reply, as they stand in the queue."""
        rows = self.page.locator("[data-group='reply'] [data-row]")
        numbers: list[int] = rows.evaluate_all("rows => rows.map((row) => Number(row.dataset.row))")
        return numbers
