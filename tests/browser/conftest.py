"""Real windows: Chromium on the running server, and what people do in them, in their own words."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from supportchat.chat.forms import normal_phone
from supportchat.database import Database
from supportchat.sites import MAIN
from supportchat.web.cookies import token_hash
from tests.cast import PASSWORD, agent_id, email_of, new_id
from tests.server import Server

SECOND = 1000
LANGUAGE = {"locale": "en-GB"}
LOOKS_ELSEWHERE = "document.hasFocus = () => false;"
DESK = {"viewport": {"width": 1440, "height": 860}}
# Whether a test has set up a clock, which pages of a context share and none can take away.
FAKE_CLOCK = "!String(Date).includes('native code')"
# How long to wait for what should come at once: the machine may be busy, and who waits in vain is the exception.
expect.set_options(timeout=15 * SECOND)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a failed test in the browser run once more, as Playwright's own runner does; bin/test shows both runs."""
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Contexts:
    """The contexts of that Chromium which are used again."""
    return Contexts(browser)


class Contexts:
    """Contexts of a browser that tests use one after the other, each with a new page and nothing stored."""

    # What most windows ask for; others are not kept.
    KEPT: tuple[dict[str, Any], ...] = ({}, DESK)

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: list[tuple[dict[str, Any], BrowserContext]] = []

    def take(self, options: dict[str, Any]) -> BrowserContext:
        """Return a context with these options that nobody uses."""
        found = next((index for index, (has, _) in enumerate(self._idle) if has == options), None)
        return self._idle.pop(found)[1] if found is not None else self._browser.new_context(**LANGUAGE | options)

    def give_back(self, context: BrowserContext, options: dict[str, Any], url: str) -> None:
        """Keep a context for another test, with nothing of the site at `url` in it."""
        used = context.pages
        page = context.new_page()  # before the others are closed, or their process ends
        if options not in self.KEPT or page.evaluate(FAKE_CLOCK):
            context.close()
            return
        for each in used:
            each.close()
        client = context.new_cdp_session(page)
        client.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
        client.detach()
        context.clear_cookies()
        self._idle.append((options, context))


class Window:
    """A window with cookies of its own. What its console complains about is kept."""

    def __init__(self, context: BrowserContext, url: str, database: Database) -> None:
        self._context = context
        self.database = database
        self.is_as_new = True
        self.url = url
        self.complaints: list[str] = []
        self.page = self._listen(context.pages[0] if context.pages else context.new_page())

    @property
    def context(self) -> BrowserContext:
        """The window's browser, with which a test may do anything: no other test gets it."""
        self.is_as_new = False
        return self._context

    def same_browser(self) -> Any:
        """Return the cookies, for a window of the same person."""
        return self._context.storage_state()

    def tab(self) -> Page:
        """Open another tab of this window's browser."""
        return self._listen(self._context.new_page())

    def _listen(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._on_console)
        return page

    def _on_console(self, message: Any) -> None:
        # That a request failed is what some tests are about; the page has to cope with it.
        if message.type in ("error", "warning") and not re.search(
            r"Failed to load resource|net::ERR|WebSocket connection to|Failed to fetch|htmx:ws:error"
            r"|upload was cut off|htmx:error: timeout",
            message.text,
        ):
            self.complaints.append(f"{message.type}: {message.text}")

    def kept(self, name: str) -> str:
        """Return the value of a cookie of ours, '' without one."""
        cookies = {cookie["name"]: cookie["value"] for cookie in self._context.cookies(self.url)}
        return str(cookies.get(self._cookie(name), ""))

    def keep(self, name: str, value: str) -> None:
        """Have the browser keep a cookie of ours."""
        self._context.add_cookies([{"name": self._cookie(name), "value": value, "url": self.url}])

    def _cookie(self, name: str) -> str:
        return f"{name}-{urlsplit(self.url).port}"

    def send_unseen(self, path: str, fields: dict[str, Any]) -> None:
        """Send a form with the cookies of this window, but from none of its pages."""
        answer = self._context.request.post(
            f"{self.url}{path}", form=fields, headers={"Origin": self.url}, max_redirects=0
        )
        assert answer.status == 303, answer.text()

    @property
    def messages(self) -> Locator:
        """The bubbles of the conversation, the oldest first."""
        return self.page.locator("[data-messages] .bubble")

    @property
    def pending(self) -> Locator:
        """The bubbles that are not with the desk yet, the oldest first."""
        return self.page.locator("[data-pending] .bubble")

    def sees(self, text: str, seconds: float = 15) -> None:
        """Assert that a text is on the page, or comes to be."""
        expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible(timeout=seconds * SECOND)

    def does_not_see(self, text: str) -> None:
        """Assert that a text is nowhere on the page."""
        expect(self.page.get_by_text(text)).to_have_count(0)

    def is_live(self) -> None:
        """Wait until the socket has caught up."""
        expect(self.page.locator("html")).to_have_attribute("data-live", "yes", timeout=15 * SECOND)


class Customer(Window):
    """Somebody who needs help."""

    def visit(self) -> Customer:
        """Open the chat."""
        self.page.goto(f"{self.url}/chat")
        return self

    def start(self, message: str = "Hello", name: str = "", phone: str = "", picture: Path | None = None) -> Customer:
        """Open a chat that has just been started: stored as its form does it, whose two requests take far longer."""
        if picture:
            return self.fill_in(message, name, phone, picture)
        known, fresh = self.kept("c"), secrets.token_urlsafe(32)
        answer = self.database.call(
            "start_chat",
            visitor=token_hash(known or fresh),
            fresh=token_hash(fresh),
            client_message_id=new_id(),
            message=message,
            customer_name=name or None,
            customer_phone=normal_phone(phone) or None,
            address="127.0.0.1",
            site=MAIN,
        )
        if answer["visitor"] == token_hash(fresh):
            self.keep("c", fresh)
        self.visit()
        expect(self.box).to_be_visible()
        return self

    def fill_in(self, message: str = "Hello", name: str = "", phone: str = "", picture: Path | None = None) -> Customer:
        """Start a chat in the form, and wait for the conversation."""
        self.visit()
        self.page.get_by_label("Your message").fill(message)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Phone").fill(phone)
        if picture:
            self.page.locator("#start-image").set_input_files(picture)
        self.page.get_by_role("button", name="Start Chat").click()
        expect(self.box).to_be_visible()
        return self

    @property
    def box(self) -> Locator:
        """Where a message is written."""
        return self.page.get_by_label("Message", exact=True)

    def write(self, text: str) -> None:
        """Send a message by Enter."""
        self.box.fill(text)
        self.box.press("Enter")


class Agent(Window):
    """Somebody who helps."""

    def log_in(self, name: str = "alice", path: str = "/agent") -> Agent:
        """Log in, and open a page."""
        self.page.goto(f"{self.url}/agent/login?next={path}")
        self.page.get_by_label("E-mail").fill(email_of(name))
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"**{path}")
        return self

    def come(self, name: str = "alice", path: str = "/agent") -> Agent:
        """Open a page as somebody who has logged in before."""
        token = secrets.token_urlsafe(32)
        self.database.call("open_agent_session", agent_id=agent_id(self.database, name), token_hash=token_hash(token))
        self.keep("a", token)
        self.page.goto(f"{self.url}{path}")
        return self

    def log_in_unseen(self, name: str) -> None:
        """Log in where the page does not notice, as in another tab. Whoever was logged in is so no more."""
        self.send_unseen("/agent/login", {"email": email_of(name), "password": PASSWORD})

    @property
    def switch(self) -> Locator:
        """Whether new tickets may come."""
        return self.page.get_by_role("switch", name="Available")

    def row(self, number: int = 1001) -> Locator:
        """A ticket in the queue."""
        return self.page.locator(f"[data-row='{number}']")

    def open(self, number: int = 1001) -> Agent:
        """Open a ticket from the queue."""
        self.row(number).get_by_role("link").click()
        expect(self.page.locator(f"#messages-{number}")).to_be_visible()
        self.is_live()
        return self

    @property
    def box(self) -> Locator:
        """Where a reply is written."""
        return self.page.get_by_label("Reply", exact=True).and_(self.page.locator("textarea"))

    def write(self, text: str) -> None:
        """Send a reply by Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def note(self, text: str) -> None:
        """Write a private note."""
        self.page.locator("label", has_text="Note").first.click()
        box = self.page.locator("#note-text")
        box.fill(text)
        box.press("Enter")

    def take_over(self) -> None:
        """Take a ticket from a colleague, and say yes when the page asks."""
        self.page.locator("#claim").get_by_role("button", name="Take").click()
        self.page.get_by_role("dialog").get_by_role("button", name="Take over").click()

    def press(self, name: str) -> None:
        """Press a button of the ticket."""
        self.page.get_by_role("button", name=name, exact=True).click()


Opener = Callable[..., Any]


@pytest.fixture
def windows(contexts: Contexts, server: Server, database: Database) -> Iterator[Opener]:
    """A function that opens a window. When the test ends, no console may have complained."""
    opened: list[tuple[Window, dict[str, Any]]] = []

    def open_window(kind: type[Window], **options: Any) -> Window:
        window = kind(contexts.take(options), server.url, database)
        opened.append((window, options))
        return window

    yield open_window
    complaints = [complaint for window, _ in opened for complaint in window.complaints]
    for window, options in opened:
        if window.is_as_new:
            contexts.give_back(window._context, options, server.url)
        else:
            window.context.close()
    assert complaints == []


@pytest.fixture
def vera(windows: Opener) -> Customer:
    """The customer's window."""
    window: Customer = windows(Customer)
    return window


@pytest.fixture
def alice(windows: Opener, database: Database) -> Agent:
    """The agent's window, at the desk; the database knows that she is there."""
    window: Agent = windows(Agent, **DESK)
    window.come()
    deadline = time.monotonic() + 30
    while not database.call("who_is_here")["agents"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return window


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture on the disk."""
    path = tmp_path / "photo.png"
    picture = Image.new("RGB", (640, 480))
    picture.putdata([(x // 3, y // 2, (x * y) % 255) for y in range(480) for x in range(640)])
    picture.save(path)
    return path
