"""What is done for an open page, on a real socket without a server around it."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event
from gevent.socket import socketpair
from wsproto import ConnectionType
from wsproto.connection import Connection as WSProtocol
from wsproto.events import TextMessage

from supportchat.realtime.connection import OVERLOAD, RESTART, Connection
from supportchat.realtime.incoming import Incoming
from supportchat.realtime.page_socket import ALIVE, Farewells, PageSocket
from supportchat.realtime.pings import MANY, MANY_NEW, Pings
from supportchat.realtime.safe_socket import text_frame
from supportchat.server.client_socket import ClientSocket
from supportchat.server.connections import Connections
from supportchat.server.turns import LONG_ROUND_SECONDS, TURN_SECONDS, Turns
from tests.attacks.browser import frame

PONG = frame(10)


class Page:
    """An open page: what the desk has of it, and its end of the connection."""

    def __init__(self) -> None:
        ours, self.end = socketpair()
        self.connections = Connections(1, 0)
        slot = self.connections.enter("")
        assert slot is not None
        self._client = ClientSocket(ours, slot, Turns(), 5.0)
        self.desk = Connection()
        self.receipts: list[Any] = []
        self.ended = Event()

    def serve(self, on_message: Callable[[dict[str, Any]], None] = lambda message: None) -> PageSocket:
        """Serve it as the desk does."""
        served = PageSocket(self._client, self.desk, on_message, self.receipts.append, lambda page: self.ended.set())
        served.begin()
        return served

    def has(self) -> bytes:
        """What has arrived without anybody else having run since."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.end.fileno(), 65536)
        return b""


@pytest.fixture
def page() -> Iterator[Page]:
    """An open page."""
    made = Page()
    yield made
    made.end.close()
    gevent.sleep(0)


@pytest.mark.parametrize("length", [0, 5, 125, 126, 65_535, 65_536])
def test_a_frame_is_as_the_protocol_has_it(length: int) -> None:
    text = "ж" + "x" * (length - 2) if length > 1 else "x" * length
    assert text_frame(text) == WSProtocol(ConnectionType.SERVER).send(TextMessage(data=text))


def test_a_frame_is_sent_at_once(page: Page) -> None:
    page.serve()
    page.desk.push("one")
    page.desk.push("two")
    assert page.has() == text_frame("one") + text_frame("two")


def test_a_page_that_does_not_read_gets_the_rest_later_and_nothing_twice(page: Page) -> None:
    page.serve()
    frames = [str(n) * 100_000 for n in range(10)]
    for each in frames:
        page.desk.push(each)
    wanted, received = b"".join(map(text_frame, frames)), b""
    with gevent.Timeout(10):
        while len(received) < len(wanted):
            received += page.end.recv(65536)
    assert received == wanted


def test_who_answers_no_ping_is_disconnected(page: Page) -> None:
    served = page.serve()
    served.ping()
    assert page.has() == ALIVE
    page.end.sendall(PONG)
    gevent.sleep(0.01)
    served.ping()
    assert page.has() == ALIVE
    served.ping()
    assert page.ended.wait(10)
    assert page.has() == b"\x88\x02" + OVERLOAD.to_bytes(2, "big")


def test_a_page_is_closed_with_the_code_that_it_was_given(page: Page) -> None:
    page.serve()
    page.desk.close(RESTART)
    assert page.ended.wait(10)
    assert page.has() == b"\x88\x02" + RESTART.to_bytes(2, "big")


def test_who_leaves_is_gone_only_once_its_message_is_handled(page: Page) -> None:
    asked, answered, done = Event(), Event(), []

    def on_message(message: dict[str, Any]) -> None:
        asked.set()
        answered.wait(10)
        done.append(message)

    page.serve(on_message)
    page.end.sendall(frame(1, b'{"hello": true}'))
    asked.wait(10)
    page.end.close()
    gevent.sleep(0.01)
    assert not page.ended.is_set()
    answered.set()
    assert page.ended.wait(10)
    assert done == [{"hello": True}]


def test_an_error_of_ours_ends_the_socket_and_is_logged(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def on_message(message: dict[str, Any]) -> None:
        raise KeyError("ours")

    page.serve(on_message)
    page.end.sendall(frame(1, b"{}"))
    assert page.ended.wait(10)
    assert "KeyError: 'ours'" in caplog.text


def test_who_has_left_frees_its_slot(page: Page) -> None:
    page.serve()
    page.end.close()
    assert page.ended.wait(10)
    assert page.connections.are_closed


def test_others_go_on_while_many_leave() -> None:
    farewells, seen = Farewells(), []

    def leave() -> None:
        until = time.monotonic() + 2 * LONG_ROUND_SECONDS
        while time.monotonic() < until:
            pass
        seen.append("left")

    for _ in range(3):
        farewells.add(leave)
    gevent.spawn_later(TURN_SECONDS, seen.append, "another")
    with gevent.Timeout(5):
        while seen.count("left") < 3:
            gevent.sleep(0.001)
    assert seen.index("another") < 3


def test_an_error_at_the_end_of_one_page_does_not_hold_up_the_next(caplog: pytest.LogCaptureFixture) -> None:
    farewells, left = Farewells(), Event()
    farewells.add(lambda: 1 / 0)  # type: ignore[arg-type]
    farewells.add(left.set)
    assert left.wait(5)
    assert "the end of a page failed" in caplog.text


def handle(page: Connection, message: dict[str, Any]) -> None:
    """Stand for the view's own, which knows its page."""


def test_a_page_that_has_left_needs_no_garbage_collector(page: Page) -> None:
    desk = weakref.ref(page.desk)
    page.serve(functools.partial(handle, page.desk))
    page.end.close()
    assert page.ended.wait(5)
    gc.disable()
    try:
        del page.desk
        with gevent.Timeout(5):
            while desk() is not None:
                gevent.sleep(0.001)
    finally:
        gc.enable()


def test_what_has_parsed_the_messages_of_a_page_needs_none_either() -> None:
    gc.collect()
    gc.disable()
    try:
        incoming = Incoming()
        assert list(incoming.events(frame(1, b"{}"))) == ["{}"]
        incoming.end()
        del incoming
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_close_is_answered(page: Page) -> None:
    page.serve()
    page.end.sendall(frame(8, b"\x03\xe9"))
    assert page.ended.wait(10)
    assert page.has() == b"\x88\x02\x03\xe9"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"x") * 21, 1008),  # more messages than the inbox holds
        (frame(9) * 51, 1008),
        (frame(1, b"", is_last=False) + frame(0, b"", is_last=False) * 64, 1008),
        (frame(1, b"x" * 16_385), 1009),
        (frame(1, b"\xff"), 1007),
        (b"\x81\x00", 1002),  # without a mask
    ],
)
def test_what_no_page_of_ours_sends_closes_its_socket_and_the_code_arrives(page: Page, sent: bytes, code: int) -> None:
    page.serve()
    page.end.sendall(sent)
    received = b""
    with gevent.Timeout(10):
        while b"\x88" not in received:
            received += page.end.recv(4096)
    assert received.partition(b"\x88")[2][1:3] == code.to_bytes(2, "big")


def test_nothing_follows_the_frame_that_ends_the_connection(page: Page) -> None:
    refused = Event()

    def answer(message: dict[str, Any]) -> None:
        refused.wait(10)
        page.desk.push("too late")

    page.serve(answer)
    page.end.sendall(frame(1, b"{}"))
    gevent.sleep(0.01)
    page.end.sendall(frame(9) * 51)
    gevent.sleep(0.01)
    refused.set()
    assert page.ended.wait(10)
    assert page.has().endswith(b"\x03\xf0Too many frames")


def test_a_receipt_is_heard_at_once_whatever_else_is_being_done(page: Page) -> None:
    answered = Event()

    def wait(message: dict[str, Any]) -> None:
        answered.wait(10)

    page.serve(wait)
    page.end.sendall(frame(1, b"{}") + frame(1, b'{"receipt": {"read": 2}}'))
    gevent.sleep(0.01)
    assert page.receipts == [{"read": 2}]
    answered.set()


def test_parts_of_a_message_are_put_together(page: Page) -> None:
    said: AsyncResult[dict[str, Any]] = AsyncResult()
    page.serve(said.set)
    page.end.sendall(frame(1, b'{"he', is_last=False) + frame(9) + frame(0, b'llo": 1}'))
    assert said.get(timeout=10) == {"hello": 1}


class Someone:
    """Who wants to be pinged."""

    def __init__(self) -> None:
        self.pinged = Event()

    def ping(self) -> None:
        """Note it."""
        self.pinged.set()


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> Pings:
    """A wheel that turns fast."""
    monkeypatch.setattr("supportchat.realtime.pings.PING_SECONDS", 0.001)
    return Pings()


def test_pings_come_in_turn_for_as_long_as_somebody_wants_them(pings: Pings) -> None:
    someone = Someone()
    pings.add(someone)
    assert someone.pinged.wait(10)
    pings.remove(someone)
    gevent.sleep(0.01)
    assert not pings.is_turning


def test_the_garbage_collector_passes_over_pages_once_many_have_opened(
    pings: Pings, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed_over: list[None] = []
    monkeypatch.setattr("supportchat.realtime.pings.keep_for_long", lambda: passed_over.append(None))
    people = [Someone() for _ in range(2 * MANY_NEW)]
    for opened in (people[: MANY_NEW - 1], people[MANY_NEW - 1 :]):
        assert not passed_over
        for someone in opened:
            pings.add(someone)
        assert opened[0].pinged.wait(10)
    assert passed_over == [None]
    for someone in people:
        pings.remove(someone)


def test_memory_is_given_back_when_many_have_left_for_good(pings: Pings, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back, people = Event(), [Someone() for _ in range(2 * MANY)]
    monkeypatch.setattr("supportchat.realtime.pings.SETTLE_SECONDS", (0.0,))
    monkeypatch.setattr("supportchat.realtime.pings.give_memory_back", given_back.set)
    for someone in people:
        pings.add(someone)
    assert people[0].pinged.wait(10)
    for someone in people:
        pings.remove(someone)
    assert given_back.wait(10)
