"""A shop on other origins, and the desk that it asks for help, by https: as browsers meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from supportchat.config import Config
from tests.browser.conftest import LANGUAGE
from tests.server import desk_by_https

SHOP = "https://shop.example"
SECOND = 1000
SNIPPET = '<a href="{desk}/chat">Chat with us</a><script async src="{desk}/widget.js"></script>'
SHOP_BODY = "<main><h1>Coffee machines</h1><p>A shop.</p></main>"


@pytest.fixture
def desk(config: Config, rows: Any, tmp_path: Path) -> Iterator[str]:
    """The address of a desk, by https, whose main site is the shop's."""
    rows("update sites set allowed_origins = array[%s], colour = '#884225', follow_pages = true", SHOP)
    with desk_by_https(config, tmp_path) as address:
        yield address


class Shop:
    """A customer's window on pages of the shop, which are whatever a test says."""

    def __init__(self, browser: Browser, desk: str, **options: Any) -> None:
        self.desk = desk
        self.context = browser.new_context(
            ignore_https_errors=True, permissions=["local-network-access"], **LANGUAGE | options
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(15 * SECOND)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(
        self,
        body: str = SHOP_BODY + SNIPPET,
        *,
        at: str = f"{SHOP}/machines",
        head: str = "",
        headers: dict[str, str] | None = None,
        wait: bool = True,
    ) -> Page:
        """Show a page of the shop with the snippet in it; every address of the shop shows the same."""
        html = f"<!doctype html><html lang=en><head><title>Machines</title>{head}</head><body>{body}</body></html>"
        html = html.replace("{desk}", self.desk)

        def fulfil(route: Route) -> None:
            route.fulfill(content_type="text/html; charset=utf-8", body=html, headers=headers or {})

        origin = "/".join(at.split("/")[:3])
        self.page.unroute(f"{origin}/**")
        self.page.route(f"{origin}/**", fulfil)
        self.page.goto(at)
        if wait:
            self.button.wait_for()
        return self.page

    @property
    def button(self) -> Any:
        """What opens and closes the chat."""
        return self.page.locator("support-chat button")

    @property
    def frame(self) -> FrameLocator:
        """The chat."""
        return self.page.frame_locator("support-chat iframe")

    def start(self, text: str = "Hello from the shop") -> FrameLocator:
        """Open the chat, and write the first message."""
        self.button.click()
        self.frame.get_by_label("Your message").fill(text)
        self.frame.get_by_role("button", name="Start Chat").click()
        expect(self.frame.locator("[data-messages] .bubble")).to_have_text(text)
        expect(self.frame.locator("html")).to_have_attribute("data-live", "yes")
        return self.frame

    def stored(self, name: str) -> Any:
        """Return what the shop's own storage has under a name."""
        return self.page.evaluate("name => localStorage.getItem(name)", name)

    def pages(self) -> list[str]:
        """Return the addresses that this visit has seen, as the script remembers them."""
        kept = self.page.evaluate("sessionStorage.getItem('supportchat:visit')")
        return [page["url"] for page in json.loads(kept)["pages"]]

    def close(self) -> None:
        """Close the window."""
        self.context.close()


@pytest.fixture
def shop(browser: Browser, desk: str) -> Iterator[Shop]:
    """A customer's window on the shop."""
    made = Shop(browser, desk)
    yield made
    print(made.complaints, made.requests)  # shown where a test fails
    made.close()
