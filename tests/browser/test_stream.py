"""What the page makes of its socket: every line once and in its place, also when frames are lost, doubled or late."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.conftest import SECOND, Agent, Customer, Opener
from tests.cast import agent_id
from tests.server import Server

LOST = "Reconnecting… Your messages are saved."
BACK = "Back online."


class Stream:
    """Stands between a page and the server: real frames, which a test can drop, double, hold and swap."""

    def __init__(self, page: Page, pattern: str = "**/chat/ws") -> None:
        self.sockets: list[WebSocketRoute] = []
        self.hellos: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.held: list[str] = []  # what has not reached the page
        self.is_deaf = False  # loses receipts
        self.on_line: Callable[[str], list[str]] = lambda frame: [frame]
        self.is_blocked = False
        page.route_web_socket(pattern, self._on_socket)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        if self.is_blocked:
            socket.close(code=1006)
            return
        server = socket.connect_to_server()
        self.sockets.append(socket)

        def from_page(message: str | bytes) -> None:
            said = json.loads(message)
            if "hello" in said:
                self.hellos.append(said)
            elif "receipt" in said:
                self.receipts.append(said["receipt"])
            if "receipt" not in said or not self.is_deaf:
                server.send(message)

        def from_server(message: str | bytes) -> None:
            frame = str(message)
            is_line = "data-seq=" in str(json.loads(frame).get("content"))
            for passed in self.on_line(frame) if is_line else [frame]:
                socket.send(passed)

        socket.on_message(from_page)
        server.on_message(from_server)

    def drop(self) -> None:
        """Lose every line from now on."""
        self.hold()

    def double(self) -> None:
        """Let every line come twice."""
        self.on_line = lambda frame: [frame, frame]

    def hold(self) -> None:
        """Keep the lines back."""

        def keep(frame: str) -> list[str]:
            self.held.append(frame)
            return []

        self.on_line = keep

    def release(self, frames: list[str]) -> None:
        """Let lines come now, in this order."""
        for frame in frames:
            self.sockets[-1].send(frame)

    def passes(self) -> None:
        """Let the lines pass again."""
        self.on_line = lambda frame: [frame]


def reply(database: Any, text: str) -> None:
    """Have Alice answer, as another process of the server would."""
    database.call(
        "post_reply",
        agent_id=agent_id(database, "alice"),
        number=1001,
        client_message_id=str(uuid.uuid4()),
        message=text,
    )


def has_held(stream: Stream, page: Page, count: int) -> None:
    """Wait until so many lines are kept back."""
    deadline = time.monotonic() + 10
    while len(stream.held) < count:
        assert time.monotonic() < deadline, stream.held
        page.evaluate("0")  # lets Playwright hand over what has come


def has_opened(stream: Stream, page: Page, count: int) -> None:
    """Wait until the page has opened so many sockets."""
    deadline = time.monotonic() + 10
    while len(stream.sockets) < count:
        assert time.monotonic() < deadline
        page.evaluate("0")  # lets Playwright hand over what has come


def has_said(stream: Stream, page: Page, seq: int) -> None:
    """Wait until the page has said by its socket that it has received this line."""
    deadline = time.monotonic() + 10
    while not any(receipt["delivered"] == seq for receipt in stream.receipts):
        assert time.monotonic() < deadline, stream.receipts
        page.evaluate("0")  # lets Playwright hand over what has come


def reply_unseen(stream: Stream, page: Page, database: Any, *texts: str) -> None:
    """Have Alice answer while the lines are kept back: one after the other, or they would come in one frame."""
    for text in texts:
        count = len(stream.held) + 1
        reply(database, text)
        has_held(stream, page, count)


def gets(page: Page) -> list[str]:
    """Return the list to which the page's requests for missing lines are added."""
    seen: list[str] = []
    page.on("request", lambda r: seen.append(r.url) if r.method == "GET" and "/messages?after=" in r.url else None)
    return seen


@pytest.fixture
def stream(vera: Customer) -> Stream:
    """What stands between the customer's page and the server."""
    return Stream(vera.page)


@pytest.fixture
def started(alice: Agent, vera: Customer, stream: Stream) -> Customer:
    """A customer whom Alice answers."""
    vera.start("Hello")
    vera.is_live()
    return vera


def test_a_doubled_frame_shows_once_and_counts_once(started: Customer, stream: Stream, database: Any) -> None:
    stream.double()
    for number in range(1, 31):
        reply(database, f"Line {number}")
    expect(started.messages.last).to_have_text("Line 30", timeout=15 * SECOND)
    started.page.locator("[data-timeline]").evaluate("element => { element.scrollTop = 0; }")
    expect(started.page.locator("[data-timeline]")).not_to_have_attribute("data-at-end", "")
    first = started.page.locator("[data-messages] > li").last.element_handle()
    reply(database, "Twice")
    started.sees("1 new message")
    expect(started.messages).to_have_text(["Hello", *[f"Line {number}" for number in range(1, 31)], "Twice"])
    assert first.evaluate("line => line.isConnected")  # nothing was put in its place, nothing is read out again


def test_a_lost_frame_is_fetched_as_soon_as_the_next_one_comes(
    started: Customer, stream: Stream, database: Any
) -> None:
    asked = gets(started.page)
    stream.drop()
    reply_unseen(stream, started.page, database, "Lost", "Lost as well")
    stream.passes()
    reply(database, "Here")
    expect(started.messages).to_have_text(["Hello", "Lost", "Lost as well", "Here"])
    has_said(stream, started.page, 5)
    assert len(asked) == 1


def test_while_a_gap_stays_it_is_asked_for_again_ever_more_slowly(
    started: Customer, stream: Stream, database: Any
) -> None:
    asked: list[float] = []

    def fail(route: Any) -> None:
        asked.append(time.monotonic())
        if len(asked) < 4:
            route.abort()
        else:
            route.continue_()

    started.page.route("**/chat/messages?*", fail)
    stream.hold()
    reply_unseen(stream, started.page, database, "Lost", *[f"Line {number}" for number in range(10)])
    stream.release(stream.held[1:])
    expect(started.messages).to_have_text(
        ["Hello", "Lost", *[f"Line {number}" for number in range(10)]], timeout=15 * SECOND
    )
    assert len(asked) == 4
    waits = [after - before for before, after in itertools.pairwise(asked)]
    assert waits[0] >= 0.37
    assert waits[1] >= 0.74
    assert waits[2] >= 1.49


def test_a_late_frame_goes_to_its_place(started: Customer, stream: Stream, database: Any) -> None:
    started.page.route("**/chat/messages?*", lambda route: route.abort())  # the frame alone must do
    stream.hold()
    reply_unseen(stream, started.page, database, "First", "Second", "Third")
    first, second, third = stream.held
    stream.release([third, first])
    expect(started.messages).to_have_text(["Hello", "First", "Third"])
    stream.release([second])
    expect(started.messages).to_have_text(["Hello", "First", "Second", "Third"])
    stream.release([first, third])
    expect(started.messages).to_have_text(["Hello", "First", "Second", "Third"])


@pytest.mark.parametrize("comes_first", ["answer", "frame"])
def test_the_answer_of_a_post_and_its_frame_show_once(started: Customer, stream: Stream, comes_first: str) -> None:
    stream.hold()
    answers: list[Any] = []
    if comes_first == "frame":

        def on_post(route: Route) -> None:
            if answers:
                route.continue_()
            else:
                answers.append((route, route.fetch()))

        started.page.route("**/chat/messages", on_post)
    started.write("Only once")
    has_held(stream, started.page, 1)
    if comes_first == "frame":
        stream.release(stream.held)
        expect(started.messages.last).to_have_text("Only once")
        while not answers:
            started.page.evaluate("0")  # lets Playwright go on
        route, response = answers[0]
        route.fulfill(response=response)
        expect(started.box).to_have_value("")
    else:
        expect(started.messages.last).to_have_text("Only once")
        stream.release(stream.held)
    stream.passes()
    started.write("And then")
    expect(started.messages).to_have_text(["Hello", "Only once", "And then"])


def test_two_tabs_show_the_same_lines_in_the_same_order(started: Customer, database: Any) -> None:
    tab = started.tab()
    other = Stream(tab)
    tab.goto(f"{started.url}/chat")
    expect(tab.locator("html")).to_have_attribute("data-live", "yes")
    other.hold()
    started.write("From the first tab")
    expect(started.messages.last).to_have_text("From the first tab")
    box = tab.get_by_label("Message", exact=True)
    box.fill("From the second")
    box.press("Enter")  # its answer comes, and the frame of what went before does not
    lines = ["Hello", "From the first tab", "From the second"]
    expect(tab.locator("[data-messages] .bubble")).to_have_text(lines)
    expect(started.messages).to_have_text(lines)
    has_held(other, tab, 2)
    other.release(other.held)
    other.passes()
    reply(database, "Yes?")
    for page in (started.page, tab):
        expect(page.locator("[data-messages] .bubble")).to_have_text([*lines, "Yes?"])


def test_a_socket_that_comes_back_says_what_is_shown_and_gets_the_rest(
    started: Customer, stream: Stream, database: Any
) -> None:
    epoch = started.page.locator("[data-messages]").get_attribute("data-epoch")
    at = started.page.locator("[data-messages] [data-seq='2'] time").last.get_attribute("datetime")
    assert stream.hellos[-1] == {"hello": True, "after": 2, "epoch": epoch, "at": at, "lang": "en"}
    stream.is_blocked = True
    stream.sockets[-1].close(code=1006)
    reply(database, "While you were gone")
    stream.is_blocked = False
    started.is_live()
    assert stream.hellos[-1]["after"] in (2, 3)
    expect(started.messages).to_have_text(["Hello", "While you were gone"])


def test_a_quick_reconnect_says_nothing(started: Customer, stream: Stream) -> None:
    started.page.evaluate(
        """() => {
            window.shown = 0;
            const bar = document.querySelector("[data-connection]");
            new MutationObserver(() => (window.shown += !bar.hidden)).observe(bar, { attributes: true });
        }"""
    )
    hellos = len(stream.hellos)
    stream.sockets[-1].close(code=1012)
    expect(started.page.locator("html")).to_have_attribute("data-live", "no")
    started.is_live()
    assert len(stream.hellos) == hellos + 1
    assert started.page.evaluate("window.shown") == 0


def test_the_bar_says_that_messages_are_kept_then_that_it_is_back_and_goes(started: Customer, stream: Stream) -> None:
    bar = started.page.locator("[data-connection]")
    started.page.evaluate(
        """() => {
            const bar = document.querySelector("[data-connection]");
            document.addEventListener("htmx:ws:close", () => (window.lostAt ??= Date.now()));
            new MutationObserver(() => (bar.hidden ? (window.goneAt = Date.now()) : (window.shownAt ??= Date.now())))
                .observe(bar, { attributes: true });
        }"""
    )
    stream.is_blocked = True
    stream.sockets[-1].close(code=1006)
    expect(bar).to_be_visible()
    expect(bar).to_contain_text(LOST)
    assert 2000 <= started.page.evaluate("window.shownAt - window.lostAt") < 4000
    expect(started.box).to_be_enabled()
    stream.is_blocked = False
    expect(started.page.get_by_text(BACK)).to_be_visible(timeout=15 * SECOND)
    expect(started.page.get_by_text(LOST)).to_be_hidden()
    expect(bar).to_be_hidden()


def test_a_browser_without_a_network_says_so_and_that_it_is_back(started: Customer) -> None:
    bar = started.page.locator("[data-connection]")
    started.context.set_offline(True)
    expect(bar).to_contain_text(LOST)
    expect(bar).to_be_visible()
    started.context.set_offline(False)
    expect(started.page.get_by_text(BACK)).to_be_visible()
    expect(bar).to_be_hidden()


def test_the_bar_comes_also_after_the_clock_was_set_back(started: Customer, stream: Stream) -> None:
    stream.is_blocked = True
    stream.sockets[-1].close(code=1006)
    expect(started.page.locator("html")).to_have_attribute("data-live", "no")
    started.page.evaluate("() => { const now = Date.now; Date.now = () => now() - 3_600_000; }")
    started.sees(LOST)


def test_a_silent_socket_is_replaced_also_after_the_clock_was_set_back(windows: Opener) -> None:
    vera: Customer = windows(Customer)
    stream = Stream(vera.page)
    vera.page.clock.install()
    vera.start("Hello")
    vera.is_live()
    stream.sockets[-1].on_message(lambda message: None)
    sockets = len(stream.sockets)
    vera.page.evaluate("() => { const now = Date.now; Date.now = () => now() - 3_600_000; }")
    vera.page.clock.run_for(60 * SECOND)
    has_opened(stream, vera.page, sockets + 1)
    vera.is_live()


def test_pages_of_a_restarted_server_are_back_within_seconds_and_not_all_at_once(
    started: Customer, server: Server, windows: Opener
) -> None:
    pages = [started.page, *[started.tab() for _ in range(3)]]
    for page in pages:
        if page is not started.page:
            page.goto(f"{started.url}/chat")
        expect(page.locator("html")).to_have_attribute("data-live", "yes")
        page.evaluate(
            """() => {
                window.opened = [];
                const Native = window.WebSocket;
                window.WebSocket = class extends Native {
                    constructor(...values) { super(...values); window.opened.push(Date.now()); }
                };
            }"""
        )
    server.stop()
    for page in pages:
        expect(page.locator("html")).to_have_attribute("data-live", "no")
    server.start()
    for page in pages:
        expect(page.locator("html")).to_have_attribute("data-live", "yes", timeout=30 * SECOND)
    first = [page.evaluate("window.opened[0]") for page in pages]
    assert len(set(first)) > 1


def test_a_page_that_was_hidden_comes_back_with_what_it_has_missed(
    started: Customer, stream: Stream, database: Any
) -> None:
    started.box.press_sequentially("Half a thought")
    set_visible(started.page, "hidden")
    stream.drop()
    reply_unseen(stream, started.page, database, "While you were away", "And this")
    stream.passes()
    hellos = len(stream.hellos)
    set_visible(started.page, "visible")
    expect(started.messages.last).to_have_text("And this", timeout=3 * SECOND)
    assert len(stream.hellos) > hellos
    assert stream.hellos[hellos]["after"] == 2
    expect(started.messages).to_have_text(["Hello", "While you were away", "And this"])
    expect(started.box).to_have_value("Half a thought")


def test_the_tab_counts_what_has_come_while_somebody_looks_elsewhere(started: Customer, database: Any) -> None:
    title = started.page.title()
    set_visible(started.page, "hidden")
    for count in (1, 2):
        reply(database, "Are you there?")
        expect(started.page).to_have_title(f"({count}) {title}")
    set_visible(started.page, "visible")
    expect(started.page).to_have_title(title)


def test_a_page_that_was_frozen_comes_back_with_what_it_has_missed(
    started: Customer, stream: Stream, database: Any
) -> None:
    started.box.press_sequentially("Half a thought")
    stream.drop()
    reply(database, "While you slept")
    has_held(stream, started.page, 1)
    stream.passes()
    # Chromium without a screen freezes no page: this is what it would say to one.
    started.page.evaluate("document.dispatchEvent(new Event('resume'))")
    expect(started.messages.last).to_have_text("While you slept", timeout=3 * SECOND)
    expect(started.box).to_have_value("Half a thought")


def test_a_socket_that_died_while_the_page_slept_is_replaced_within_3_seconds(
    started: Customer, stream: Stream, database: Any
) -> None:
    stream.sockets[-1].on_message(lambda message: None)  # nobody answers any more, and nobody says so
    stream.drop()
    set_visible(started.page, "hidden")
    reply(database, "While you slept")
    has_held(stream, started.page, 1)
    stream.passes()
    sockets = len(stream.sockets)
    set_visible(started.page, "visible")
    expect(started.messages.last).to_have_text("While you slept", timeout=3 * SECOND)
    started.is_live()
    assert len(stream.sockets) == sockets + 1
    reply(database, "And now")
    expect(started.messages.last).to_have_text("And now")


def test_a_page_that_is_looked_at_again_does_not_wait_for_its_next_attempt(started: Customer, stream: Stream) -> None:
    stream.is_blocked = True
    stream.sockets[-1].close(code=1006)
    started.sees(LOST)
    started.sees("Checking for new messages every few seconds", seconds=15)  # by now it waits for 8 s between two
    stream.is_blocked = False
    set_visible(started.page, "hidden")
    set_visible(started.page, "visible")
    expect(started.page.locator("html")).to_have_attribute("data-live", "yes", timeout=3 * SECOND)


def test_an_old_page_that_is_too_far_behind_goes_to_the_newest_one(vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, last_seq + n, 'user', 'Line ' || n from user_sessions, generate_series(1, 260) n"
    )
    rows("update user_sessions set last_seq = last_seq + 260")
    vera.page.goto(f"{vera.url}/chat?before=40")
    expect(vera.messages.last).to_have_text("Line 260", timeout=15 * SECOND)
    vera.page.wait_for_url("**/chat")
    vera.is_live()


def test_states_are_true_with_a_socket_and_after_a_reload(started: Customer, alice: Agent, stream: Stream) -> None:
    state = started.page.locator("[data-state]").last
    expect(state).to_have_text("Sent")
    started.page.reload()
    expect(state).to_have_text("Sent")
    set_visible(alice.page, "hidden")
    alice.open()
    expect(state).to_have_text("Delivered")
    started.page.reload()
    expect(state).to_have_text("Delivered")
    set_visible(alice.page, "visible")
    expect(state).to_have_text("Read")
    started.page.reload()
    expect(state).to_have_text("Read")


def test_without_a_socket_receipts_are_posted_and_one_that_got_lost_is_said_again(
    started: Customer, alice: Agent
) -> None:
    Stream(alice.page, "**/agent/ws").is_blocked = True
    alice.page.route("**/receipts", lambda route: route.abort(), times=1)
    with alice.page.expect_request("**/receipts"):
        alice.page.goto(f"{alice.url}/agent?ticket=1001")
    state = started.page.locator("[data-state]").last
    expect(state).to_have_text("Sent")
    set_visible(alice.page, "hidden")
    set_visible(alice.page, "visible")
    expect(state).to_have_text("Read")


def test_a_receipt_that_its_process_has_lost_is_said_again_by_the_next_socket(started: Customer, alice: Agent) -> None:
    stream = Stream(alice.page, "**/agent/ws")
    stream.is_deaf = True
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    has_said(stream, alice.page, 1)
    state = started.page.locator("[data-state]").last
    expect(state).to_have_text("Sent")
    stream.is_deaf = False
    stream.sockets[-1].close(code=1012)
    expect(state).to_have_text("Read")


def test_only_what_the_other_side_has_written_has_a_receipt_and_it_needs_no_request(
    started: Customer, alice: Agent, stream: Stream, database: Any
) -> None:
    alice.open()
    posted: list[str] = []
    started.page.on("request", lambda request: posted.append(request.url) if "/receipts" in request.url else None)
    for number, line in enumerate(("First", "Second"), 1):
        reply(database, line)
        theirs = started.page.locator(".message--theirs", has_text=line)
        has_said(stream, started.page, int(theirs.get_attribute("data-seq") or 0))
        started.write(f"Mine {number}")
        alice.sees(f"Mine {number}")
    shown = started.page.locator(".message--theirs")
    own = {str(receipt["delivered"]) for receipt in stream.receipts} - {"0"}
    assert own == {shown.nth(number).get_attribute("data-seq") for number in (0, 1)}
    assert posted == []


def set_visible(page: Page, state: str) -> None:
    """Hide a page, or show it again, as far as its scripts can tell."""
    page.evaluate(
        """(state) => {
            Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
            Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
            document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        }""",
        state,
    )
