"""A websocket from handshake to close: one writer, a bounded inbox, a ping, and a close code that says what to do."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
import h11
from flask import Request, Response, abort
from gevent.event import Event
from gevent.lock import RLock
from simple_websocket import ConnectionClosed, Server
from wsproto import ConnectionType, WSConnection
from wsproto.events import Ping, RejectConnection
from wsproto.utilities import RemoteProtocolError

from ..fragments import event_frame
from .connection import OVERLOAD, Connection

PING_SECONDS = 20.0
SEND_SECONDS = 5.0
INBOX_LIMIT = 20
POLICY_VIOLATION = 1008
KEY_BYTES = 16
ALIVE = event_frame("alive")


class SafeSocket:
    """A socket whose `send` sends everything.

    simple_websocket 1.1.0 ignores how much `send` has sent; under gevent a reader that stalls gets broken frames then.
    A reader that takes nothing for `SEND_SECONDS` is cut off, since half a frame cannot be taken back.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = RLock()

    def send(self, data: bytes) -> int:
        """Send all of `data`, after whoever is sending.

        :raise OSError: when the other side does not read.
        """
        with self._lock:
            rest = memoryview(data)
            while rest:
                rest = rest[self._send_some(rest) :]
        return len(data)

    def _send_some(self, rest: memoryview) -> int:
        try:
            with gevent.Timeout(SEND_SECONDS, TimeoutError("the page does not read")):
                return self._socket.send(rest)
        except TimeoutError:
            self._socket.shutdown(socket.SHUT_RDWR)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Inbox(list[str]):
    """What a page has sent and nobody has read yet. A page that floods it is closed."""

    def __init__(self, websocket: Server) -> None:
        super().__init__()
        self.wake = Event()
        self._websocket = websocket

    def append(self, message: str) -> None:
        """Take a message; simple_websocket calls this from its reader."""
        if len(self) >= INBOX_LIMIT:
            self._websocket.close(POLICY_VIOLATION, "Too many messages")
            raise OSError("the page floods its socket")
        super().append(message)
        self.wake.set()


class Reader(threading.Thread):
    """simple_websocket's reading thread, with our inbox in place before it reads first."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target=target, daemon=True)
        websocket: Server = target.__self__  # type: ignore[attr-defined]
        self._inbox = websocket.input_buffer = Inbox(websocket)

    def run(self) -> None:
        """Read until the connection ends, and tell the writer that it has."""
        try:
            super().run()
        finally:
            self._inbox.wake.set()


# Handed to simple_websocket by flask-sock. Its own defaults take messages of any size, as many as come.
SERVER_OPTIONS: dict[str, Any] = {"max_message_size": 16384, "thread_class": Reader}


def prepare_handshake(request: Request) -> None:
    """Make the connection fit for simple_websocket, before flask-sock accepts it.

    A handshake that is none ends here, with 400, or with 426 for a version that is not spoken (RFC 6455, 4.2).
    """
    _refuse_bad_handshake(request)
    if "gunicorn.socket" in request.environ:
        request.environ["gunicorn.socket"] = SafeSocket(request.environ["gunicorn.socket"])
    # No deflate: 292 KB of it can be 300 MB of message, and it costs 90 KB of memory for each socket.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def _refuse_bad_handshake(request: Request) -> None:
    # simple_websocket has wsproto judge the same headers, and lets its exception through: a 500 for what anybody sends.
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    try:
        WSConnection(ConnectionType.SERVER).initiate_upgrade_connection(headers, "/")
        if len(base64.b64decode(request.headers["Sec-WebSocket-Key"], validate=True)) != KEY_BYTES:
            abort(400)
    except RemoteProtocolError as error:
        hint = error.event_hint
        if isinstance(hint, RejectConnection) and hint.status_code == 426:
            abort(Response(status=426, headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}))
        abort(400)
    except (h11.LocalProtocolError, ValueError):
        abort(400)


def run_socket(websocket: Server, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Write the frames of a page until it goes or is closed, and hand over what it says.

    `page.wake` is the inbox' event. Messages are JSON objects; anything else is ignored.
    """
    next_ping = time.monotonic() + PING_SECONDS
    try:
        while websocket.connected and page.close_code is None:
            page.wake.wait(timeout=max(0.0, next_ping - time.monotonic()))
            page.wake.clear()
            while websocket.input_buffer and page.close_code is None:
                on_message(_parsed(websocket.input_buffer.pop(0)))
            while page.close_code is None and (frame := page.take()) is not None:
                websocket.send(frame)
            if time.monotonic() >= next_ping:
                if not websocket.pong_received:
                    page.close(OVERLOAD)  # half-open, most likely: nobody will read this
                    break
                websocket.pong_received = False
                websocket.sock.send(websocket.ws.send(Ping()))
                # Scripts do not see pings: by this a page knows that what it has is no dead line.
                websocket.send(ALIVE)
                next_ping = time.monotonic() + PING_SECONDS
        if websocket.connected:
            websocket.close(page.close_code)
    except (ConnectionClosed, OSError):
        pass


def _parsed(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):  # 8000 brackets fit into a message
        return {}
    return value if isinstance(value, dict) else {}
