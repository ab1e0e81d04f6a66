"""A websocket from handshake to close: one writer, a bounded inbox, pings, and close codes that guide the page."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import h11
from flask import Request, Response, abort
from gevent.event import Event
from gevent.lock import RLock
from simple_websocket import ConnectionClosed, Server
from wsproto import ConnectionType, WSConnection
from wsproto.events import Event as Received
from wsproto.events import Message, Ping, RejectConnection
from wsproto.utilities import RemoteProtocolError

from ..rendering.fragments import event_frame
from ..server.client_socket import ClientSocket
from ..web.limits import Bucket, Limit
from .connection import OVERLOAD, Connection
from .hub import Hub

PING_SECONDS = 20.0
SEND_SECONDS = 5.0
INBOX_LIMIT = 20
# What a page may send: a hello when its socket opens or it switches to another ticket, and pongs.
MESSAGES = Limit(10, 5)  # more of them wait in the inbox
FRAMES = Limit(50, 5)
BYTES = Limit(65536, 4)
MOST_PARTS = 64  # per message: its size is limited too, but empty fragments add nothing to that
POLICY_VIOLATION = 1008
KEY_BYTES = 16
ALIVE = event_frame("alive")


class SafeSocket:
    """A socket whose `send` sends everything.

    simple_websocket 1.1.0 ignores how much `send` has sent, so under gevent a slow reader would get corrupt frames. A
    reader that takes nothing for `SEND_SECONDS` is disconnected, since half a frame cannot be taken back.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = RLock()

    def send(self, data: bytes) -> int:
        """Send all of `data`, after other senders.

        :raise OSError: if the client does not read.
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
    """What a page has sent and we have not read yet. A page that floods it is disconnected."""

    def __init__(self, websocket: Server) -> None:
        super().__init__()
        self.wake = Event()
        self._websocket = websocket

    def append(self, message: str) -> None:
        """Add a message; simple_websocket's reader calls this."""
        if len(self) >= INBOX_LIMIT:
            refuse(self._websocket, "Too many messages")
        super().append(message)
        self.wake.set()


class Meter:
    """wsproto's view of a connection, with every frame counted: empty ones, fragments, pings and pongs too.

    Our pages send hellos and pongs. A client that sends far more is disconnected before we parse it.
    """

    def __init__(self, websocket: Server) -> None:
        self._websocket = websocket
        self._connection: WSConnection = websocket.ws
        self._bytes = Bucket(BYTES)
        self._frames = Bucket(FRAMES)
        self._parts = 0

    def receive_data(self, data: bytes) -> None:
        """Feed received data."""
        if not self._bytes.take(len(data)):
            self._refuse("Too much at once")
        self._connection.receive_data(data)

    def events(self) -> Iterator[Received]:
        """Yield the events, frame by frame."""
        for event in self._connection.events():
            is_part = isinstance(event, Message) and not event.message_finished
            self._parts = self._parts + 1 if is_part else 0
            if self._parts > MOST_PARTS or not self._frames.take():
                self._refuse("Too many frames")
            yield event

    def _refuse(self, reason: str) -> None:
        refuse(self._websocket, reason)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def refuse(websocket: Server, reason: str) -> None:
    """Close a socket that sends more than a page would, from within its reader.

    :raise OSError: always, which ends the reader.
    """
    leave_unread = getattr(websocket.sock, "leave_unread", None)
    if leave_unread is not None:
        leave_unread()  # or the close code would be lost
    websocket.close(POLICY_VIOLATION, reason)
    raise OSError(reason)


class Reader(threading.Thread):
    """simple_websocket's reader thread, with our inbox and meter in place before its first read."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target=target, daemon=True)
        websocket: Server = target.__self__  # type: ignore[attr-defined]
        self._inbox = websocket.input_buffer = Inbox(websocket)
        websocket.ws = Meter(websocket)

    def run(self) -> None:
        """Read until the connection ends, then wake the writer."""
        try:
            super().run()
        finally:
            self._inbox.wake.set()


# For simple_websocket, by way of flask-sock. The defaults accept any number of messages of any size.
SERVER_OPTIONS: dict[str, Any] = {"max_message_size": 16384, "thread_class": Reader}


def prepare_handshake(request: Request) -> None:
    """Prepare the connection for simple_websocket, before flask-sock accepts it.

    An invalid handshake gets a 400, or a 426 for an unsupported version (RFC 6455, 4.2).
    """
    _refuse_bad_handshake(request)
    if "gunicorn.socket" in request.environ:
        client = request.environ["gunicorn.socket"]
        if isinstance(client, ClientSocket):
            client.become_websocket()
        request.environ["gunicorn.socket"] = SafeSocket(client)
    # No deflate: 292 KB can inflate to 300 MB, and it costs 90 KB of memory per socket.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def _refuse_bad_handshake(request: Request) -> None:
    # simple_websocket passes the same headers to wsproto and does not catch its exception: anybody could cause a 500.
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


def serve_page(hub: Hub, websocket: Server, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Have the hub know a page for as long as its socket is open; see `run_socket`."""
    if not hub.add(page):
        page.close(OVERLOAD)
    try:
        run_socket(websocket, page, on_message)
    finally:
        hub.remove(page)


def run_socket(websocket: Server, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Write the frames of a page until it leaves or is closed, and handle its messages.

    `page.wake` is the inbox's event. Messages are JSON objects; anything else is ignored.
    """
    next_ping = time.monotonic() + PING_SECONDS
    messages = Bucket(MESSAGES)
    try:
        while websocket.connected and page.close_code is None:
            next_message = messages.wait if websocket.input_buffer else PING_SECONDS
            page.wake.wait(timeout=max(0.0, min(next_message, next_ping - time.monotonic())))
            page.wake.clear()
            while websocket.input_buffer and page.close_code is None and messages.take():
                on_message(_parsed(websocket.input_buffer.pop(0)))
            while page.close_code is None and (frame := page.take()) is not None:
                websocket.send(frame)
            if time.monotonic() >= next_ping:
                if not websocket.pong_received:
                    page.close(OVERLOAD)  # most likely half-open: nobody will read this
                    break
                websocket.pong_received = False
                websocket.sock.send(websocket.ws.send(Ping()))
                # Scripts do not see pings: this tells a page that its connection is alive.
                websocket.send(ALIVE)
                next_ping = time.monotonic() + PING_SECONDS
        if websocket.connected:
            websocket.close(page.close_code)
    except (ConnectionClosed, OSError):
        pass


def _parsed(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):  # thousands of brackets fit into a message
        return {}
    return value if isinstance(value, dict) else {}
