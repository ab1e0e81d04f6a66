"""What is done for an open page, on a real socket without a server around it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.socket import socketpair
from simple_websocket import Server
from wsproto import ConnectionType
from wsproto.connection import Connection as WSProtocol
from wsproto.events import TextMessage

from supportchat.realtime.connection import OVERLOAD, RESTART, Connection
from supportchat.realtime.pings import Pings
from supportchat.realtime.safe_socket import PING, SafeSocket, text_frame
from supportchat.realtime.sockets import ALIVE, SERVER_OPTIONS, run_socket
from tests.attacks.browser import frame

PONG = frame(10)


class Page:
    """An open page: what the desk has of it, and its end of the connection."""

    def __init__(self) -> None:
        ours, self.end = socketpair()
        self._websocket = Server(
            {
                "gunicorn.socket": SafeSocket(ours),
                "REQUEST_METHOD": "GET",
                "PATH_INFO": "/",
                "QUERY_STRING": "",
                "HTTP_HOST": "localhost",
                "HTTP_CONNECTION": "Upgrade",
                "HTTP_UPGRADE": "websocket",
                "HTTP_SEC_WEBSOCKET_VERSION": "13",
                "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
            },
            **SERVER_OPTIONS,
        )
        self.work = self._websocket.input_buffer.wake
        self.desk = Connection(self.work)
        self.end.recv(4096)

    def serve(self, on_message: Callable[[dict[str, Any]], None] = lambda message: None) -> gevent.Greenlet[Any, None]:
        """Serve it as the desk does."""
        serving = gevent.spawn(run_socket, self._websocket, self.desk, on_message)
        gevent.sleep(0)
        return serving

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
    serving = page.serve()
    page.work.ping()
    assert page.has() == PING + text_frame(ALIVE)
    page.end.sendall(PONG)
    gevent.sleep(0.01)
    page.work.ping()
    assert page.has() == PING + text_frame(ALIVE)
    page.work.ping()
    serving.join(10)
    assert page.has() == b"\x88\x02" + OVERLOAD.to_bytes(2, "big")


def test_a_page_is_closed_with_the_code_that_it_was_given(page: Page) -> None:
    serving = page.serve()
    page.desk.close(RESTART)
    serving.join(10)
    assert page.has() == b"\x88\x02" + RESTART.to_bytes(2, "big")


def test_who_leaves_is_gone_only_once_its_message_is_handled(page: Page) -> None:
    asked, answered, done = Event(), Event(), []

    def on_message(message: dict[str, Any]) -> None:
        asked.set()
        answered.wait(10)
        done.append(message)

    serving = page.serve(on_message)
    page.end.sendall(frame(1, b'{"hello": true}'))
    asked.wait(10)
    page.end.close()
    gevent.sleep(0.01)
    assert not serving.ready()
    answered.set()
    serving.join(10)
    assert done == [{"hello": True}]


def test_an_error_of_ours_ends_the_socket_and_is_not_swallowed(page: Page) -> None:
    def on_message(message: dict[str, Any]) -> None:
        raise KeyError("ours")

    serving = page.serve(on_message)
    page.end.sendall(frame(1, b"{}"))
    with pytest.raises(KeyError, match="ours"):
        serving.get(timeout=10)


def test_pings_come_in_turn_for_as_long_as_somebody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.realtime.pings.PING_SECONDS", 0.001)
    pings, pinged = Pings(), Event()

    class Someone:
        def ping(self) -> None:
            pinged.set()

    someone = Someone()
    pings.add(someone)
    assert pinged.wait(10)
    pings.remove(someone)
    gevent.sleep(0.01)
    assert not pings.is_turning
