"""A message is sent until the server has it: kept, sent again by itself, stored once, in order."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Route, expect

from supportchat.config import ROOT
from tests.browser.conftest import SECOND, Agent, Customer, Opener
from tests.browser.test_stream import Stream
from tests.server import Server
from tests.variants import first, variant

POSTS = "**/chat/messages"
TRYING = "Not sent yet. Trying again…"
STOPPED = "Not sent. Your message is saved here."
PART = re.compile(r'name="(\w+)"\r\n\r\n(.*?)\r\n--', re.DOTALL)
# Pictures are redrawn in a process of their own, which takes a while to start on a busy machine.
REDRAWN = 20 * SECOND
# A page tries again after 8 s at the latest, and somewhat more by jitter.
TRIED = 15 * SECOND


@pytest.fixture
def started(vera: Customer) -> Customer:
    """A customer whose chat has begun."""
    vera.start("Hello")
    vera.is_live()
    return vera


@pytest.fixture
def deaf(vera: Customer) -> Customer:
    """One whose socket brings no lines: an answer that is lost is not made good by it."""
    Stream(vera.page).drop()
    vera.start("Hello")
    vera.is_live()
    return vera


def deafen(agent: Agent) -> None:
    """Let an agent's socket bring no lines either."""
    Stream(agent.page, "**/agent/ws").drop()
    agent.page.reload()
    agent.is_live()


class Wire:
    """What becomes of a page's posts on their way, and the ids that they carried."""

    def __init__(self, page: Page, pattern: str = POSTS) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.fates: list[Callable[[Route], Any]] = []
        self.default: Callable[[Route], Any] = lambda route: route.continue_()
        page.route(pattern, self._on_post)

    def _on_post(self, route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        body = (route.request.post_data_buffer or b"").decode("utf-8", "replace")
        is_multipart = "multipart" in route.request.headers["content-type"]
        fields = dict(PART.findall(body) if is_multipart else urllib.parse.parse_qsl(body))
        self.ids.append(fields["client_message_id"])
        self.texts.append(fields.get("message", ""))
        (self.fates.pop(0) if self.fates else self.default)(route)


def lose_the_answer(route: Route) -> None:
    """Let a request arrive, and nobody hear that it did."""
    route.fetch()
    route.abort()


def cut(route: Route) -> None:
    """Let a request not even arrive."""
    route.abort()


def answer(status: int, **headers: str) -> Callable[[Route], None]:
    """Let something between page and server answer."""
    return lambda route: route.fulfill(status=status, headers={key.replace("_", "-"): headers[key] for key in headers})


def storage_of(page: Page) -> dict[str, Any]:
    """Return what the tab still keeps of messages and drafts."""
    kept: dict[str, Any] = page.evaluate(
        """async () => {
            const database = await new Promise((resolve) => {
                const request = indexedDB.open("supportchat", 1);
                request.onupgradeneeded = () => request.result.createObjectStore("pictures");
                request.onsuccess = () => resolve(request.result);
            });
            const pictures = await new Promise((resolve) => {
                const request = database.transaction("pictures").objectStore("pictures").getAllKeys();
                request.onsuccess = () => resolve(request.result);
            });
            database.close();
            return { tab: Object.keys(sessionStorage), pictures };
        }"""
    )
    return kept


def keeps_nothing(page: Page) -> None:
    """Wait until the tab keeps no message and no draft any more."""
    deadline = time.monotonic() + 10
    while storage_of(page)["tab"]:
        assert time.monotonic() < deadline, storage_of(page)


def texts_in(rows: Any, sender: str = "user") -> list[str]:
    """Return the messages that the database holds."""
    return [text for (text,) in rows("select message from chat_messages where sender = %s order by created_at", sender)]


def test_a_message_whose_answer_was_lost_goes_again_by_itself_and_is_stored_once(deaf: Customer, rows: Any) -> None:
    wire = Wire(deaf.page)
    wire.fates = [lose_the_answer, cut]
    deaf.write("Exactly once")
    expect(deaf.pending).to_have_text(["Exactly once"])
    expect(deaf.box).to_have_value("")
    deaf.sees(TRYING)
    expect(deaf.messages.last).to_have_text("Exactly once")
    expect(deaf.pending).to_have_count(0)
    deaf.does_not_see(TRYING)
    assert len(wire.ids) == 3
    assert len(set(wire.ids)) == 1
    expect(deaf.page.get_by_text("Exactly once")).to_have_count(1)
    assert texts_in(rows) == ["Hello", "Exactly once"]


@pytest.mark.parametrize(
    "statuses", [[429, 503, 520], pytest.param([500, 502, 504, 511, 521, 522, 524, 530], marks=variant)]
)
def test_what_only_failed_for_the_moment_is_tried_again(started: Customer, rows: Any, statuses: list[int]) -> None:
    wire = Wire(started.page)
    for status in statuses:
        wire.fates = [answer(status)]
        started.write(f"Still coming {status}")
        expect(started.messages.last).to_have_text(f"Still coming {status}")
    assert len(wire.ids) == 2 * len(statuses)
    assert len(set(wire.ids)) == len(statuses)
    assert texts_in(rows) == ["Hello", *(f"Still coming {status}" for status in statuses)]


def test_an_answer_that_is_not_ours_does_not_count_as_one(started: Customer, rows: Any) -> None:
    wire = Wire(started.page)
    wire.fates = [lambda route: route.fulfill(status=200, body="<h1>Welcome to our hotel</h1>")]
    started.write("Is this the desk?")
    started.sees(TRYING)
    expect(started.messages.last).to_have_text("Is this the desk?")
    started.does_not_see("hotel")
    assert texts_in(rows) == ["Hello", "Is this the desk?"]


def stranger(status: int) -> Callable[[Route], None]:
    """Let a proxy in between answer with a page of its own."""
    return lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>nginx</h1>")


def test_what_a_proxy_refuses_is_kept_with_what_to_do_and_its_page_is_not_shown(started: Customer, rows: Any) -> None:
    reasons = {403: "firewall", 404: "Reload the page", 405: "Reload the page", 406: "Reload the page"}
    reasons |= {413: "too large for the server", 451: "another network", 418: "418"}
    wire = Wire(started.page)
    for status, reason in reasons.items():
        wire.fates = [stranger(status)]
        started.write(f"Through the proxy {status}")
        expect(started.page.locator("[data-pending]")).to_contain_text(reason)
        expect(started.pending).to_have_text([f"Through the proxy {status}"])
        expect(started.box).to_have_value("")
        started.page.get_by_role("button", name="Retry").click()
        expect(started.messages.last).to_have_text(f"Through the proxy {status}")
    started.does_not_see("nginx")
    expect(started.pending).to_have_count(0)
    assert texts_in(rows) == ["Hello", *(f"Through the proxy {status}" for status in reasons)]
    assert len(wire.ids) == 2 * len(reasons)
    assert len(set(wire.ids)) == len(reasons)


def test_what_was_refused_holds_up_nothing_and_can_be_copied_changed_or_deleted(started: Customer, rows: Any) -> None:
    started.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wire = Wire(started.page)
    wire.fates = [stranger(403), stranger(403)]
    started.write("No way")
    expect(started.page.locator("[data-pending]")).to_contain_text("firewall")
    started.write("Nor here")
    expect(started.pending).to_have_text(["No way", "Nor here"])
    started.write("But this")
    expect(started.messages.last).to_have_text("But this")
    started.page.reload()
    expect(started.pending).to_have_text(["No way", "Nor here"])
    first, second = started.page.locator("[data-pending] > li").all()
    second.get_by_role("button", name="Copy").click()
    expect(second).to_contain_text("Copied")
    assert started.page.evaluate("navigator.clipboard.readText()") == "Nor here"
    second.get_by_role("button", name="Delete").click()
    first.get_by_role("button", name="Edit").click()
    expect(started.pending).to_have_count(0)
    expect(started.box).to_have_value("No way")
    expect(started.box).to_be_focused()
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("No way")
    assert len(wire.ids) == len(set(wire.ids)) == 4
    assert texts_in(rows) == ["Hello", "But this", "No way"]
    assert storage_of(started.page) == {"tab": [], "pictures": []}


@pytest.mark.parametrize("status", first([401, 422]))
def test_what_means_something_from_us_only_is_tried_again_from_a_proxy(
    started: Customer, rows: Any, status: int
) -> None:
    wire = Wire(started.page)
    wire.fates = [stranger(status)]
    started.write("Through the proxy")
    expect(started.messages).to_have_text(["Hello", "Through the proxy"], timeout=TRIED)
    assert texts_in(rows) == ["Hello", "Through the proxy"]
    assert len(set(wire.ids)) == 1


def test_the_waits_grow_from_half_a_second_to_eight_each_with_jitter() -> None:
    script = """
        import { backoff } from "./static/js/lib/timing.js";
        const waits = (failures) => [0, 0.5, 1].map((random) => backoff(failures, () => random));
        console.log(JSON.stringify([1, 2, 3, 4, 5, 6, 60].map(waits)));
    """
    said = subprocess.run(
        ["node", "--input-type=module", "--eval", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    planned = [500, 1000, 2000, 4000, 8000, 8000, 8000]
    assert json.loads(said.stdout) == [[0.75 * wait, wait, 1.25 * wait] for wait in planned]


def test_after_ten_minutes_it_says_that_it_is_not_sent_and_offers_to_retry(windows: Opener, rows: Any) -> None:
    vera: Customer = windows(Customer)
    stream = Stream(vera.page)
    vera.page.clock.install()
    vera.start("Hello")
    vera.is_live()
    stream.is_blocked = True  # a socket that comes back would start it again
    wire = Wire(vera.page)
    wire.default = cut
    vera.write("Patience")
    vera.sees(TRYING)
    start = vera.page.evaluate("Date.now()")
    while not vera.page.get_by_text(STOPPED).count():
        vera.page.clock.run_for(10 * SECOND)
        assert vera.page.evaluate("Date.now()") - start < 700 * SECOND
    assert vera.page.evaluate("Date.now()") - start > 600 * SECOND
    assert len(wire.ids) > 30
    vera.does_not_see(TRYING)
    expect(vera.pending).to_have_text(["Patience"])
    vera.page.reload()
    vera.sees(STOPPED)
    expect(vera.pending).to_have_text(["Patience"])
    tries = len(wire.ids)
    vera.page.clock.run_for(60 * SECOND)
    assert len(wire.ids) == tries
    vera.box.press_sequentially("and more")
    vera.sees(STOPPED)
    wire.default = lambda route: route.continue_()
    vera.page.get_by_role("button", name="Retry").click()
    expect(vera.messages.last).to_have_text("Patience")
    vera.box.press("Enter")
    expect(vera.messages.last).to_have_text("and more")
    wire.ids.pop()
    assert len(set(wire.ids)) == 1
    assert texts_in(rows) == ["Hello", "Patience", "and more"]


@pytest.mark.parametrize("comes_back", first(["socket", "network"]))
def test_what_ran_out_of_patience_while_the_computer_slept_goes_again_when_it_can(
    vera: Customer, rows: Any, comes_back: str
) -> None:
    stream = Stream(vera.page)
    vera.start("Hello")
    vera.is_live()
    stream.is_blocked = True
    wire = Wire(vera.page)
    wire.default = cut
    vera.write("Sent on the train")
    vera.sees(TRYING)
    vera.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 15 * 60_000; }")
    vera.sees(STOPPED, 15)
    wire.default = lambda route: route.continue_()
    if comes_back == "network":
        vera.context.set_offline(True)
        vera.context.set_offline(False)
    else:
        stream.is_blocked = False
        stream.sockets[-1].close(code=1012)
    expect(vera.messages.last).to_have_text("Sent on the train", timeout=TRIED)
    expect(vera.box).to_have_value("")
    vera.does_not_see(STOPPED)
    assert len(set(wire.ids)) == 1
    assert texts_in(rows) == ["Hello", "Sent on the train"]


def test_what_was_refused_does_not_go_again_with_the_socket(vera: Customer) -> None:
    stream = Stream(vera.page)
    vera.start("Hello")
    vera.is_live()
    wire = Wire(vera.page)
    wire.fates = [stranger(403)]
    vera.write("Through the proxy")
    vera.sees(STOPPED)
    stream.sockets[-1].close(code=1012)
    expect(vera.page.locator("html")).to_have_attribute("data-live", "no")
    vera.is_live()
    vera.sees(STOPPED)
    assert len(wire.ids) == 1


def test_the_server_says_how_long_it_wants_to_be_left_alone(windows: Opener) -> None:
    vera: Customer = windows(Customer)
    vera.page.clock.install()
    vera.start("Hello")
    vera.is_live()
    wire = Wire(vera.page)
    wire.fates = [answer(503, Retry_After="30")]
    vera.write("When you can")
    vera.sees(TRYING)
    vera.page.clock.run_for(29 * SECOND)
    assert len(wire.ids) == 1
    vera.page.clock.run_for(2 * SECOND)
    expect(vera.messages.last).to_have_text("When you can")
    assert len(wire.ids) == 2


def test_try_now_does_not_wait(windows: Opener) -> None:
    vera: Customer = windows(Customer)
    vera.page.clock.install()
    vera.start("Hello")
    vera.is_live()
    wire = Wire(vera.page)
    wire.fates = [answer(503, Retry_After="60")]
    vera.write("Now please")
    vera.page.get_by_role("button", name="Try now").click()
    expect(vera.messages.last).to_have_text("Now please")
    assert len(set(wire.ids)) == 1


def test_enter_again_does_not_wait_either_and_doubles_nothing(started: Customer, rows: Any) -> None:
    wire = Wire(started.page)
    wire.fates = [answer(503, Retry_After="60")]
    started.write("Impatient")
    started.sees(TRYING)
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("Impatient")
    assert len(set(wire.ids)) == 1
    assert texts_in(rows) == ["Hello", "Impatient"]


def test_a_browser_that_is_online_again_tries_at_once(started: Customer) -> None:
    wire = Wire(started.page)
    wire.fates = [answer(503, Retry_After="60")]
    started.write("Out of the tunnel")
    started.sees(TRYING)
    started.context.set_offline(True)
    started.context.set_offline(False)
    expect(started.messages.last).to_have_text("Out of the tunnel", timeout=10 * SECOND)


def test_a_socket_that_is_back_brings_the_message_with_it(started: Customer, server: Server, rows: Any) -> None:
    server.stop()
    started.write("Written while it was down")
    started.sees(TRYING)
    server.start()
    expect(started.messages.last).to_have_text("Written while it was down", timeout=15 * SECOND)
    expect(started.box).to_have_value("")
    assert texts_in(rows) == ["Hello", "Written while it was down"]


def test_trying_again_is_read_out_once(started: Customer) -> None:
    started.page.evaluate(
        """() => {
            window.said = 0;
            new MutationObserver((changes) => (window.said += changes.filter((c) => c.addedNodes.length).length))
                .observe(document.querySelector("[data-unsent]"), { childList: true, subtree: true });
        }"""
    )
    wire = Wire(started.page)
    wire.fates = [cut] * 3
    started.write("Quietly")
    started.sees(TRYING)
    expect(started.page.locator("[data-unsent]")).to_have_attribute("role", "status")
    expect(started.messages.last).to_have_text("Quietly", timeout=10 * SECOND)
    assert len(wire.ids) == 4
    assert started.page.evaluate("window.said") == 1


def test_a_refusal_is_said_and_not_tried_again(started: Customer, rows: Any) -> None:
    wire = Wire(started.page)
    started.page.evaluate("document.querySelector('#composer-text').maxLength = 9000")
    started.write("x" * 8001)
    expect(started.page.locator("#composer-error")).to_contain_text("more than 8,000 characters")
    expect(started.box).to_have_value("x" * 8001)
    expect(started.pending).to_have_count(0)
    held: list[Route] = []
    wire.fates = [held.append]
    started.box.press("Enter")
    started.box.press_sequentially("Shorter")
    held[0].continue_()
    # The box has the next one: what was refused stays where it stands.
    expect(started.page.locator("[data-pending]")).to_contain_text("more than 8,000 characters")
    expect(started.page.locator("[data-pending]").get_by_role("button")).to_have_text(["Edit", "Copy", "Delete"])
    expect(started.box).to_have_value("Shorter")
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("Shorter")
    expect(started.pending).to_have_text(["x" * 8001])
    assert len(wire.ids) == len(set(wire.ids)) == 3
    assert texts_in(rows) == ["Hello", "Shorter"]


def test_what_somebody_deletes_is_not_tried_again_and_may_have_arrived(started: Customer, rows: Any) -> None:
    wire = Wire(started.page)
    held: list[Route] = []
    wire.fates = [answer(503, Retry_After="60"), cut, held.append]
    for text in ("Never", "Never either"):
        started.write(text)
        started.sees(TRYING)
        started.page.locator("[data-pending]").get_by_role("button", name="Delete").click()
        started.sees("Deleted. If it had already reached us")
        expect(started.pending).to_have_count(0)
        expect(started.box).to_be_focused()
    started.box.press_sequentially("F")
    started.does_not_see("Deleted. If it had already reached us")
    started.write("First")
    started.write("Second thoughts")
    expect(started.pending).to_have_text(["First", "Second thoughts"])
    held[0].abort()
    expect(started.messages.last).to_have_text("Second thoughts", timeout=TRIED)
    assert texts_in(rows) == ["Hello", "First", "Second thoughts"]


def wait_for_one(held: list[Route], page: Page) -> None:
    """Wait until a request is held up."""
    deadline = time.monotonic() + 10
    while not held:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_what_somebody_deletes_while_it_is_on_its_way_is_shown_when_it_has_arrived(windows: Opener, rows: Any) -> None:
    vera: Customer = windows(Customer)
    stream = Stream(vera.page)
    vera.start("Hello")
    vera.is_live()
    wire = Wire(vera.page)
    wire.fates = [answer(503, Retry_After="1")]
    held: list[Route] = []
    wire.default = held.append
    vera.write("Too late to say")
    vera.sees(TRYING)
    wait_for_one(held, vera.page)
    vera.page.locator("[data-pending]").get_by_role("button", name="Delete").click()
    vera.sees("Deleting, unless it has already arrived.")
    held[0].continue_()
    expect(vera.messages.last).to_have_text("Too late to say")
    expect(vera.pending).to_have_count(0)
    assert stream.sockets
    assert texts_in(rows) == ["Hello", "Too late to say"]


def test_what_has_arrived_by_the_socket_is_pending_no_more_whatever_becomes_of_the_answer(started: Customer) -> None:
    started.page.evaluate(
        """() => {
            window.most = 0;
            const count = () => {
                const all = [...document.querySelectorAll("[data-messages] .bubble, [data-pending] .bubble")];
                window.most = Math.max(window.most, all.filter((b) => b.textContent === "Once").length);
                requestAnimationFrame(count);
            };
            count();
        }"""
    )
    wire = Wire(started.page)
    held: list[Route] = []

    def arrive(route: Route) -> None:
        route.fetch()
        held.append(route)

    wire.fates = [arrive]
    wire.default = cut
    started.write("Once")
    expect(started.messages.last).to_have_text("Once")
    expect(started.pending).to_have_count(0)
    wait_for_one(held, started.page)  # the socket may be faster than the answer
    held[0].abort()
    started.is_live()
    started.does_not_see(TRYING)
    assert started.page.evaluate("window.most") == 1
    assert len(wire.ids) == 1
    assert storage_of(started.page) == {"tab": [], "pictures": []}


def test_what_waits_for_a_connection_stands_in_the_order_of_writing(started: Customer, rows: Any) -> None:
    wire = Wire(started.page)
    wire.default = cut
    for text in ("one", "two"):
        started.write(text)
    started.sees(TRYING)
    started.box.press_sequentially("and a half")
    expect(started.pending).to_have_text(["one", "two"])
    started.page.reload()
    expect(started.pending).to_have_text(["one", "two"])
    expect(started.box).to_have_value("and a half")
    for button in started.page.locator("[data-pending]").get_by_role("button", name="Delete").all():
        expect(button).to_be_visible()
    wire.default = lambda route: route.continue_()
    expect(started.messages).to_have_text(["Hello", "one", "two"], timeout=TRIED)
    expect(started.box).to_have_value("and a half")
    assert texts_in(rows) == ["Hello", "one", "two"]


def test_a_fast_typist_loses_nothing_and_sends_nothing_twice(started: Customer, alice: Agent, rows: Any) -> None:
    wire = Wire(started.page)
    held: list[Route] = []
    wire.fates = [held.append]
    for text in ("one", "two", "three"):
        started.box.press_sequentially(text)
        started.box.press("Enter")
        started.box.press("Enter")
    started.box.press_sequentially("and a half")
    assert len(held) == 1
    held[0].continue_()
    expect(started.messages.last).to_have_text("three")
    expect(started.box).to_have_value("and a half")
    assert texts_in(rows) == ["Hello", "one", "two", "three"]
    assert wire.texts == ["one", "two", "three"]
    alice.open()
    expect(alice.messages).to_have_text(["Hello", "one", "two", "three"])


def test_a_message_stands_in_the_conversation_at_once_and_nothing_moves_when_it_has_arrived(started: Customer) -> None:
    wire = Wire(started.page)
    held: list[Route] = []
    wire.fates = [held.append]
    button, composer = started.page.locator("#composer [data-send]"), started.page.locator("#composer")
    expect(composer).to_be_visible()
    before = button.bounding_box()
    started.write("Slowly")
    expect(started.pending).to_have_text(["Slowly"])
    started.sees("Sending…")
    started.page.locator("[data-pending] > li").evaluate(
        "item => Promise.all(item.getAnimations().map((animation) => animation.finished))"
    )
    bubble = started.pending.bounding_box()
    assert button.bounding_box() == before
    held[0].continue_()
    expect(started.messages.last).to_have_text("Slowly")
    expect(started.pending).to_have_count(0)
    assert started.messages.last.bounding_box() == bubble


def test_after_a_reload_sending_goes_on_with_the_same_message(deaf: Customer, rows: Any) -> None:
    wire = Wire(deaf.page)
    wire.default = cut
    deaf.write("Through the reload")
    deaf.sees(TRYING)
    deaf.page.reload()
    deaf.sees(TRYING)
    expect(deaf.pending).to_have_text(["Through the reload"])
    wire.default = lambda route: route.continue_()
    expect(deaf.messages).to_have_text(["Hello", "Through the reload"], timeout=TRIED)
    expect(deaf.pending).to_have_count(0)
    assert len(set(wire.ids)) == 1
    # One that had arrived before the page was left is not sent again.
    wire.default = lose_the_answer
    deaf.write("It had arrived")
    deaf.sees(TRYING)
    wire.default = cut
    tries = len(wire.ids)
    deaf.page.reload()
    expect(deaf.messages.last).to_have_text("It had arrived")
    expect(deaf.pending).to_have_count(0)
    assert len(wire.ids) - tries <= 1
    assert texts_in(rows) == ["Hello", "Through the reload", "It had arrived"]
    assert storage_of(deaf.page) == {"tab": [], "pictures": []}


def test_after_a_crash_of_the_tab_sending_goes_on_with_the_same_message(
    started: Customer, server: Server, rows: Any
) -> None:
    server.stop()
    started.write("Through the crash")
    started.sees(TRYING)
    kept = started.page.evaluate("sessionStorage['unsent::chat-1001']")
    client = started.context.new_cdp_session(started.page)
    with started.page.expect_event("crash"), contextlib.suppress(PlaywrightError):
        started.page.goto("chrome://crash")
    server.start()
    client.send("Page.navigate", {"url": f"{started.url}/chat"})  # as somebody does who presses "Reload"
    deadline = time.monotonic() + 30
    while texts_in(rows) != ["Hello", "Through the crash"]:
        assert time.monotonic() < deadline
    (found,) = rows("select client_message_id::text from chat_messages where message = 'Through the crash'")
    assert found[0] in kept


def test_a_picture_goes_again_by_itself_and_after_a_reload(deaf: Customer, photo: Path, rows: Any) -> None:
    wire = Wire(deaf.page)
    wire.default = cut
    deaf.page.locator("#composer-image").set_input_files(photo)
    deaf.write("Look at this")
    deaf.sees(TRYING)
    assert storage_of(deaf.page)["pictures"] == [wire.ids[0]]
    deaf.page.reload()
    thumbnail = deaf.page.locator("[data-pending] .picture img")
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    wire.default = lambda route: route.continue_()
    expect(deaf.page.locator("[data-messages] .picture img")).to_be_visible(timeout=TRIED + REDRAWN)
    expect(deaf.pending).to_have_count(0)
    expect(deaf.page.locator("[data-preview]")).to_be_hidden()
    expect(deaf.box).to_have_value("")
    assert len(set(wire.ids)) == 1
    assert rows("select count(*) from chat_messages where message = 'Look at this'") == [(1,)]
    assert rows("select count(*) from chat_images") == [(1,)]
    assert storage_of(deaf.page) == {"tab": [], "pictures": []}


def test_a_picture_that_is_chosen_meanwhile_goes_with_the_next_message(
    started: Customer, photo: Path, rows: Any
) -> None:
    wire = Wire(started.page)
    held: list[Route] = []
    wire.fates = [held.append]
    started.page.locator("#composer-image").set_input_files(photo)
    started.write("First picture")
    expect(started.page.locator("[data-pending] .picture img")).to_be_visible()
    started.page.locator("#composer-image").set_input_files(
        {"name": "second.png", "mimeType": "image/png", "buffer": photo.read_bytes()}
    )
    held[0].continue_()
    expect(started.page.locator("[data-messages] .message--mine .picture img")).to_have_count(1, timeout=REDRAWN)
    started.sees("second.png")
    started.box.press("Enter")
    expect(started.page.locator("[data-messages] .message--mine .picture img")).to_have_count(2, timeout=REDRAWN)
    expect(started.page.locator("[data-preview]")).to_be_hidden()
    assert rows("select count(*) from chat_images") == [(2,)]


def test_a_picture_is_sent_also_when_the_storage_of_the_browser_does_not_answer(
    vera: Customer, photo: Path, rows: Any
) -> None:
    vera.page.add_init_script("IDBFactory.prototype.open = () => new EventTarget()")
    vera.start("Hello")
    vera.page.locator("#composer-image").set_input_files(photo)
    vera.write("Look at this")
    expect(vera.page.locator("[data-messages] .message--mine .picture img")).to_be_visible(timeout=REDRAWN)
    expect(vera.box).to_have_value("")
    assert texts_in(rows) == ["Hello", "Look at this"]


def test_a_picture_that_the_storage_does_not_give_back_is_said_to_be_lost(vera: Customer, photo: Path) -> None:
    vera.start("Hello")
    wire = Wire(vera.page)
    wire.default = cut
    vera.page.locator("#composer-image").set_input_files(photo)
    vera.write("Look at this")
    vera.sees(TRYING)
    vera.page.add_init_script("IDBFactory.prototype.open = () => new EventTarget()")
    vera.page.reload()
    vera.sees("this browser did not keep the picture", 15)
    expect(vera.box).to_have_value("Look at this")


def test_pictures_that_nobody_came_back_for_go_after_a_day(started: Customer) -> None:
    started.page.evaluate(
        """() => new Promise((resolve) => {
            const request = indexedDB.open("supportchat", 1);
            request.onsuccess = () => {
                const change = request.result.transaction("pictures", "readwrite");
                const day = 24 * 60 * 60 * 1000;
                const store = change.objectStore("pictures");
                store.put({ file: new File([], "old.png"), at: Date.now() - day - 1000 }, "old");
                store.put({ file: new File([], "new.png"), at: Date.now() - 1000 }, "new");
                change.oncomplete = resolve;
            };
        })"""
    )
    started.page.reload()
    started.is_live()
    assert storage_of(started.page)["pictures"] == ["new"]


def test_a_chat_is_started_once_however_often_its_answer_is_lost(vera: Customer, photo: Path, rows: Any) -> None:
    vera.visit()
    wire = Wire(vera.page, "**/chat")
    wire.fates = [cut]
    wire.default = cut
    vera.page.get_by_label("Your message").fill("It does not start")
    vera.page.get_by_label("Name").fill("Vera Lindt")
    vera.page.get_by_label("Phone").fill("+4930901820")
    vera.page.locator("#start-image").set_input_files(photo)
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees(TRYING)
    vera.page.reload()
    vera.sees(TRYING)
    expect(vera.page.get_by_label("Your message")).to_have_value("It does not start")
    expect(vera.page.get_by_label("Name")).to_have_value("Vera Lindt")
    expect(vera.page.get_by_label("Phone")).to_have_value("+4930901820")
    vera.sees("photo.png")
    wire.fates = []
    wire.default = lambda route: route.continue_()
    vera.sees("Ticket #1001", 35)
    expect(vera.messages).to_have_text(["It does not start"])
    expect(vera.page.locator("[data-messages] .message--mine .picture img")).to_be_visible(timeout=REDRAWN)
    expect(vera.box).to_have_value("")
    assert len(set(wire.ids)) == 1
    assert rows("select customer_name from user_sessions") == [("Vera Lindt",)]
    assert texts_in(rows) == ["It does not start"]
    assert storage_of(vera.page) == {"tab": [], "pictures": []}


def test_a_start_whose_answer_was_lost_before_a_reload_is_not_started_again(vera: Customer, rows: Any) -> None:
    vera.visit()
    wire = Wire(vera.page, "**/chat")
    wire.fates = [lose_the_answer]
    wire.default = cut
    vera.page.get_by_label("Your message").fill("Did it arrive?")
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees(TRYING)
    wire.default = lambda route: route.continue_()
    vera.page.reload()
    expect(vera.messages).to_have_text(["Did it arrive?"])
    expect(vera.box).to_have_value("")
    keeps_nothing(vera.page)
    assert texts_in(rows) == ["Did it arrive?"]


def test_what_was_typed_behind_the_start_goes_on_in_the_chat(vera: Customer) -> None:
    vera.visit()
    wire = Wire(vera.page, "**/chat")
    held: list[Route] = []
    wire.fates = [held.append]
    vera.page.get_by_label("Your message").fill("Hello")
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.page.get_by_label("Your message").press("End")
    vera.page.get_by_label("Your message").press_sequentially(" there is more")
    held[0].continue_()
    expect(vera.box).to_have_value("there is more")
    expect(vera.messages).to_have_text(["Hello"])


def test_a_reply_and_a_note_go_again_by_themselves(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    deafen(alice)
    alice.open()
    replies = Wire(alice.page, "**/tickets/1001/messages")
    replies.fates = [lose_the_answer, cut]
    alice.write("An answer")
    alice.sees(TRYING)
    expect(vera.messages.last).to_have_text("An answer")
    expect(alice.box).to_have_value("")
    notes = Wire(alice.page, "**/tickets/1001/notes")
    notes.fates = [lose_the_answer, answer(503)]
    alice.note("A note")
    expect(alice.page.locator("[data-messages] .message--note")).to_have_count(1)
    expect(alice.page.locator("#note-text")).to_have_value("")
    assert len(set(replies.ids)) == len(set(notes.ids)) == 1
    assert texts_in(rows, "agent") == ["An answer"]
    assert rows("select count(*) from ticket_notes") == [(1,)]


def test_a_reply_goes_on_while_the_agent_looks_at_another_ticket(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("One")
    victor: Customer = windows(Customer)
    victor.start("Two")
    deafen(alice)
    alice.open(1001)
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.fates = [lose_the_answer]
    wire.default = cut
    alice.write("For the first ticket")
    alice.sees(TRYING)
    alice.open(1002)
    alice.does_not_see(TRYING)
    expect(alice.row(1001).get_by_text("Draft")).to_be_visible()
    expect(alice.box).to_have_value("")
    wire.default = lambda route: route.continue_()
    expect(alice.row(1001).get_by_text("Draft")).to_be_hidden(timeout=15 * SECOND)
    alice.open(1001)
    expect(alice.messages).to_have_text(["One", "For the first ticket"])
    expect(alice.box).to_have_value("")
    assert len(set(wire.ids)) == 1
    assert texts_in(rows, "agent") == ["For the first ticket"]
    victor.does_not_see("For the first ticket")


def test_a_refusal_that_comes_late_is_not_said_in_another_ticket(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("One")
    victor: Customer = windows(Customer)
    victor.start("Two")
    alice.open(1001)
    held: list[Route] = []
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.fates = [held.append]
    with alice.page.expect_request("**/tickets/1001/messages"):
        alice.write("For the first ticket")
    alice.open(1002)
    headers = {"HX-Retarget": "#reply-error", "HX-Reswap": "innerHTML", "Content-Type": "text/html"}
    alice.page.evaluate(
        """() => {
            window.answered = new Promise((resolve) => {
                document.addEventListener("htmx:finally:request", ({ detail }) => detail.ctx.outgoing && resolve());
            });
        }"""
    )
    held[0].fulfill(status=409, headers=headers, body="Bob answers this ticket")
    alice.page.evaluate("window.answered")
    expect(alice.page.locator("#reply-error")).to_be_empty()


def test_a_change_of_the_ticket_does_not_touch_what_is_being_sent(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    deafen(alice)
    alice.open()
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.default = cut
    alice.write("Is it still yours?")
    alice.sees(TRYING)
    with alice.page.expect_response("**/tickets/1001/changes"):
        rows("update tickets set version = version + 1")
    alice.sees(TRYING)
    expect(alice.pending).to_have_text(["Is it still yours?"])
    wire.default = lambda route: route.continue_()
    expect(alice.messages.last).to_have_text("Is it still yours?", timeout=15 * SECOND)
    expect(alice.box).to_have_value("")
    assert len(set(wire.ids)) == 1
    assert texts_in(rows, "agent") == ["Is it still yours?"]


def begin_another(vera: Customer, message: str = "Another matter") -> None:
    """End the chat in another tab, and start the next one there."""
    tab = vera.tab()
    tab.goto(f"{vera.url}/chat")
    tab.get_by_role("button", name="End chat").click()
    tab.get_by_role("dialog").get_by_role("button", name="End chat").click()
    tab.get_by_role("link", name="New chat").click()
    tab.get_by_label("Your message").fill(message)
    tab.get_by_role("button", name="Start Chat").click()
    expect(tab).to_have_title(re.compile("#1002"))
    tab.close()


def test_what_was_not_sent_before_another_tab_began_a_new_chat_waits_in_its_box(
    started: Customer, photo: Path, rows: Any
) -> None:
    wire = Wire(started.page)
    wire.default = cut
    started.page.locator("#composer-image").set_input_files(photo)
    started.write("Important words")
    started.sees(TRYING)
    started.box.press_sequentially("and half a thought")
    begin_another(started)
    started.page.reload()
    wire.default = lambda route: route.continue_()
    expect(started.page).to_have_title(re.compile("#1002"))
    expect(started.box).to_have_value("Important words\nand half a thought", timeout=TRIED)
    started.sees("photo.png")
    started.does_not_see(TRYING)
    assert texts_in(rows) == ["Hello", "Another matter"]
    started.page.reload()
    expect(started.box).to_have_value("Important words\nand half a thought")
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("Important words\nand half a thought")
    expect(started.box).to_have_value("")
    assert texts_in(rows) == ["Hello", "Another matter", "Important words\nand half a thought"]
    assert storage_of(started.page) == {"tab": [], "pictures": []}


def test_what_was_refused_as_another_tab_had_begun_a_new_chat_waits_in_its_box(started: Customer, rows: Any) -> None:
    begin_another(started)
    started.write("Too late")
    expect(started.page.locator("[data-pending]")).to_contain_text("newer chat in another tab")
    started.page.reload()
    expect(started.page).to_have_title(re.compile("#1002"))
    expect(started.box).to_have_value("Too late")
    assert texts_in(rows) == ["Hello", "Another matter"]


def test_what_had_arrived_before_another_tab_began_a_new_chat_is_not_written_anew(deaf: Customer, rows: Any) -> None:
    wire = Wire(deaf.page)
    wire.fates = [lose_the_answer]
    wire.default = cut
    deaf.write("It has arrived")
    deaf.sees(TRYING)
    begin_another(deaf)
    wire.default = lambda route: route.continue_()
    deaf.page.reload()
    expect(deaf.page).to_have_title(re.compile("#1002"))
    keeps_nothing(deaf.page)
    expect(deaf.box).to_have_value("")
    assert sorted(texts_in(rows)) == ["Another matter", "Hello", "It has arrived"]


def test_a_draft_goes_on_in_the_chat_that_another_tab_has_begun(started: Customer) -> None:
    started.box.press_sequentially("Half a thought")
    begin_another(started)
    started.page.reload()
    expect(started.page).to_have_title(re.compile("#1002"))
    expect(started.box).to_have_value("Half a thought")


def test_a_session_that_ends_leads_to_the_login_and_loses_nothing(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    alice.open()
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.default = cut
    alice.write("Half sent")
    alice.sees(TRYING)
    rows("delete from agent_sessions")
    wire.default = lambda route: route.continue_()
    alice.page.wait_for_url("**/agent/login**", timeout=15 * SECOND)
    alice.log_in("alice", "/agent?ticket=1001")
    expect(alice.messages.last).to_have_text("Half sent")
    expect(alice.box).to_have_value("")
    assert len(set(wire.ids)) == 1
    assert texts_in(rows, "agent") == ["Half sent"]


def test_a_colleague_at_the_same_tab_finds_nothing_of_it(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    alice.open()
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.default = cut
    alice.write("From Alice")
    alice.sees(TRYING)
    rows("delete from agent_sessions")
    alice.page.wait_for_url("**/agent/login**", timeout=15 * SECOND)
    wire.default = lambda route: route.continue_()
    alice.log_in("bob", "/agent?ticket=1001")
    alice.is_live()
    alice.take_over()
    expect(alice.box).to_have_value("")
    alice.write("From Bob")
    expect(alice.messages).to_have_text(["Hello", "From Bob"])
    assert texts_in(rows, "agent") == ["From Bob"]


def test_a_page_of_one_agent_does_not_act_as_another_who_logs_in_at_the_same_browser(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("Hello")
    alice.open()
    alice.box.press_sequentially("Half a thought")
    alice.page.route("**/tickets**", cut)  # any other request would tell the page as well
    wire = Wire(alice.page, "**/tickets/1001/notes")
    alice.log_in_unseen("bob")
    alice.note("Alice says: refund approved")
    expect(alice.page.locator(".rail__me > summary")).to_contain_text("Bob")
    alice.page.unroute("**/tickets**")
    assert wire.texts[0] == "Alice says: refund approved"
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    alice.is_live()
    expect(alice.page.locator("#note-text")).to_have_value("")
    alice.take_over()
    expect(alice.box).to_have_value("")
    alice.does_not_see("refund approved")
    assert rows("select count(*) from ticket_notes") == [(0,)]
    alice.page.goto("about:blank")  # Bob's page would lead to the login by itself
    alice.log_in_unseen("alice")
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    expect(alice.page.locator("[data-messages] .message--note")).to_contain_text("refund approved", timeout=TRIED)
    assert rows("select a.name from ticket_notes n join agents a on a.id = n.agent_id") == [("Alice Kern",)]


def test_a_socket_of_one_agent_does_not_open_for_another_at_the_same_browser(alice: Agent, vera: Customer) -> None:
    stream = Stream(alice.page, "**/agent/ws")
    vera.start("Hello")
    alice.page.reload()
    alice.is_live()
    alice.page.route("**/tickets*", lambda route: route.abort())  # the socket alone must do
    alice.log_in_unseen("bob")
    stream.sockets[-1].close(code=1012)
    expect(alice.page.locator(".rail__me > summary")).to_contain_text("Bob", timeout=TRIED)


def test_a_logout_leaves_nothing_in_the_browser(alice: Agent, vera: Customer, photo: Path) -> None:
    vera.start("Hello")
    alice.open()
    wire = Wire(alice.page, "**/tickets/1001/messages")
    wire.default = cut
    alice.page.locator("#reply-image").set_input_files(photo)
    alice.write("Secret")
    alice.sees(TRYING)
    alice.page.locator(".rail__me > summary").click()
    alice.page.get_by_role("button", name="Log out").click()
    alice.page.wait_for_url("**/agent/login**")
    assert storage_of(alice.page) == {"tab": [], "pictures": []}
