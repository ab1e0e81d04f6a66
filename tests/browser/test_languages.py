"""A page in another language: its scripts write that language, and ask for it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Request, expect

from .conftest import Agent, Customer, Opener


@pytest.fixture(autouse=True)
def agent_here(alice: Agent) -> None:
    """Somebody answers."""


def write(customer: Customer, text: str) -> None:
    """Write into the box, whatever it is called."""
    customer.page.locator("form[data-form] [data-text]").fill(text)
    customer.page.locator("form[data-form] [data-text]").press("Control+Enter")
    expect(customer.messages.last).to_have_text(text)


def test_the_socket_and_the_requests_of_a_page_say_its_language(windows: Opener) -> None:
    hellos: list[str] = []
    requests: list[Request] = []
    vera: Customer = windows(Customer, locale="de-AT")
    vera.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: hellos.append(str(frame))))
    vera.page.on("request", lambda request: requests.append(request))
    write(vera.visit(), "Hello")
    vera.is_live()
    write(vera, "Still there?")
    assert vera.page.locator("html").get_attribute("lang") == "de"
    assert {json.loads(hello)["lang"] for hello in hellos if "hello" in hello} == {"de"}
    assert {request.headers.get("x-language") for request in requests if "hx-request" in request.headers} == {"de"}


def test_days_are_named_in_the_language_of_the_page(windows: Opener) -> None:
    vera: Customer = windows(Customer, locale="ja-JP")
    write(vera.visit(), "Hello")
    expect(vera.page.locator("[data-day]").first).to_have_text("今日")


def test_long_words_leave_room_to_write(windows: Opener) -> None:
    write(windows(Customer).visit(), "Hello")
    desk: Agent = windows(Agent, locale="fr")
    desk.come(path="/agent?ticket=1001")
    for width in (1300, 1440, 1600):
        desk.page.set_viewport_size({"width": width, "height": 860})
        for mode in ("reply", "note"):
            desk.page.locator(f".mode:has([value='{mode}'])").click()
            box = desk.page.locator(f"#{mode}-text").bounding_box()
            assert box
            assert box["width"] > 160


def test_a_page_in_arabic_runs_from_the_right(windows: Opener) -> None:
    vera: Customer = windows(Customer, locale="ar")
    write(vera.visit(), "Hello")
    mine = vera.messages.last.bounding_box()
    assert mine
    assert mine["x"] < 640  # in the left half: what oneself has written stands at the end of the line
