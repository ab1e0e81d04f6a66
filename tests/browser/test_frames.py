"""The chat in a frame of another site, over https: what a browser sends from there, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from supportchat.config import Config
from tests.server import desk_by_https

SHOP = "https://shop.example"
Embed = Callable[..., FrameLocator]


@pytest.fixture
def address(config: Config, tmp_path: Path) -> Iterator[str]:
    """Where browsers reach a desk that the shop may embed, by https."""
    with desk_by_https(config, tmp_path, EMBED_ORIGINS=SHOP) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that trusts our certificate and may reach this machine from a site that is elsewhere."""
    context = browser.new_context(ignore_https_errors=True, permissions=["local-network-access"])
    yield context.new_page()
    context.close()


@pytest.fixture
def embed(page: Page, address: str) -> Embed:
    """A function that opens the shop's page with the chat in a frame."""

    def opened(attributes: str = "") -> FrameLocator:
        body = f"<!doctype html><iframe {attributes} src='{address}/chat' width=400 height=640></iframe>"
        page.route(f"{SHOP}/**", lambda route: route.fulfill(content_type="text/html", body=body))
        page.goto(f"{SHOP}/")
        return page.frame_locator("iframe")

    return opened


def write(frame: FrameLocator, text: str) -> None:
    """Start a chat in the frame."""
    frame.get_by_label("Your message").fill(text)
    frame.get_by_role("button", name="Start Chat").click()


def test_the_chat_works_in_a_frame_of_another_site(page: Page, embed: Embed, rows: Any) -> None:
    frame = embed()
    with page.expect_request(lambda request: request.method == "POST") as sent:
        write(frame, "From the shop")
    expect(frame.locator("[data-messages] .bubble")).to_have_text("From the shop")
    expect(frame.locator("html")).to_have_attribute("data-live", "yes", timeout=15_000)
    assert sent.value.all_headers()["origin"].startswith("https://localhost:")
    assert rows("select count(*) from user_sessions") == [(1,)]


def test_in_a_sandbox_without_an_origin_the_chat_leads_to_its_own_window(
    page: Page, embed: Embed, address: str
) -> None:
    frame = embed("sandbox='allow-scripts allow-forms'")
    expect(frame.get_by_text(f"The chat can’t run inside this page. {address}/chat")).to_be_visible()
    expect(frame.get_by_role("link", name="Open the chat in its own window")).to_be_visible()
    expect(frame.get_by_label("Your message")).to_be_hidden()


def test_in_a_sandbox_without_scripts_nothing_is_taken_and_that_is_said(page: Page, embed: Embed, rows: Any) -> None:
    frame = embed("sandbox='allow-forms'")
    with page.expect_request(lambda request: request.method == "POST") as sent:
        write(frame, "From a sandbox")
    expect(frame.get_by_role("heading")).to_have_text("The page around this chat does not let it send anything.")
    expect(frame.get_by_role("link", name="Open the chat in its own window")).to_be_visible()
    assert sent.value.all_headers()["origin"] == "null"
    assert rows("select count(*) from user_sessions") == [(0,)]
