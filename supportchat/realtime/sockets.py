"""A websocket from handshake to close: one writer at a time, a bounded inbox, and close codes that guide the page."""

from __future__ import annotations

import base64
import contextlib
import contextvars
import functools
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import flask_sock
import gevent
from flask import Request, Response, abort
from simple_websocket import ConnectionClosed, Server
from wsproto import ConnectionType
from wsproto.connection import Connection as WSProtocol
from wsproto.events import Event as Received
from wsproto.events import Message
from wsproto.utilities import generate_accept_token

from ..rendering.fragments import event_frame
from ..server.client_socket import ClientSocket
from ..web.limits import Bucket, Limit
from .connection import OVERLOAD, Connection
from .hub import Hub
from .pings import Pings
from .safe_socket import PING, SafeSocket, text_frame

INBOX_LIMIT = 20
# What a page may send: a hello when its socket opens or it switches to another ticket, typing, receipts, and pongs.
MESSAGES = Limit(10, 5)  # more of them wait in the inbox
FRAMES = Limit(50, 5)
BYTES = Limit(65536, 4)
MOST_PARTS = 64  # per message: its size is limited too, but empty fragments add nothing to that
POLICY_VIOLATION = 1008
KEY_BYTES = 16
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
ACCEPTANCE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)
ALIVE = event_frame("alive")


class Inbox(list[dict[str, Any]]):
    """What a page has said and we have not heard yet. A page that floods it is disconnected."""

    def __init__(self, websocket: Server) -> None:
        super().__init__()
        self.wake = Work(websocket)
        self._websocket = websocket

    def append(self, message: str) -> None:  # type: ignore[override]
        """Add a message; simple_websocket's reader calls this. A receipt is noted at once: that takes no time."""
        said = _parsed(message)
        if "receipt" in said and self.wake.on_receipt is not None:
            self.wake.on_receipt(said["receipt"])
            return
        if len(self) >= INBOX_LIMIT:
            refuse(self._websocket, "Too many messages")
        super().append(said)
        self.wake.set()


class Work:
    """What is to be done for a page: its messages, and the frames for it.

    A frame is sent at once by whoever has it. What may take time has a greenlet for as long as it takes: one that waits
    for work all the time would cost each open page 20 KB.
    """

    def __init__(self, websocket: Server) -> None:
        self._websocket = websocket
        self._page: Connection | None = None
        self.on_receipt: Callable[[Any], None] | None = None
        self._handle: Callable[[dict[str, Any]], None] | None = None
        self._messages = Bucket(MESSAGES)
        self._running: gevent.Greenlet[[Connection], None] | None = None
        self._failure: Exception | None = None

    def begin(self, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
        """Begin to work, also on what has come before. Messages are handled in this context, of the page's request."""
        context = contextvars.copy_context()
        self._page = page
        self._handle = lambda message: context.run(on_message, message)
        self.set()

    def end(self) -> None:
        """Finish what is being done: whoever takes leave of a page has it to themselves from then on.

        :raise Exception: the error of ours that ended the work.
        """
        self._page = None
        if self._running is not None:
            self._running.join()
        self._handle = self.on_receipt = None
        if self._failure is not None:
            raise self._failure

    def set(self) -> None:
        """Do what there is to be done: to be called whenever there may be something."""
        page = self._page
        if page is not None and self._running is None and (self._takes_time(page) or not self._has_sent(page)):
            self._running = gevent.spawn(self._run, page)

    def ping(self) -> None:
        """Ask whether the page is still there, and tell it that its connection is alive: scripts do not see pings."""
        websocket = self._websocket
        if self._page is None:
            return
        if not websocket.pong_received:
            self._page.close(OVERLOAD)  # most likely half-open: nobody will read this
            return
        websocket.pong_received = False
        if not self._has_taken(PING + text_frame(ALIVE)):
            self.set()

    def _takes_time(self, page: Connection) -> bool:
        websocket = self._websocket
        is_asked = websocket.input_buffer or page.refill is not None or page.close_code is not None
        return bool(is_asked or websocket.sock.has_unsent)

    def _has_sent(self, page: Connection) -> bool:
        while (frame := page.take()) is not None:
            if not self._has_taken(text_frame(frame)):
                return False
        return True

    def _has_taken(self, data: bytes) -> bool:
        try:
            return bool(self._websocket.sock.send_now(data))
        except OSError:
            return False  # gone: that is for the greenlet to find, not for who only had a frame for the page

    def _run(self, page: Connection) -> None:
        websocket = self._websocket
        try:
            self._do(page)
            while websocket.connected and self._takes_time(page):
                self._do(page)
        except (ConnectionClosed, OSError):
            self._stop()
        except Exception as error:
            self._failure = error
            self._stop()
        finally:
            self._running = None

    def _do(self, page: Connection) -> None:
        websocket, handle = self._websocket, self._handle
        websocket.sock.flush()
        while handle and websocket.input_buffer and page.close_code is None and self._messages.take():
            handle(websocket.input_buffer.pop(0))
        while page.close_code is None and (frames := page.take_waiting()):
            websocket.sock.send(b"".join(map(text_frame, frames)))
        if page.close_code is not None:
            websocket.close(page.close_code)
            self._stop()
        elif websocket.input_buffer:
            gevent.sleep(self._messages.wait)

    def _stop(self) -> None:
        # Who reads learns that this is the end.
        self._page = None
        self._websocket.connected = False
        with contextlib.suppress(OSError):
            self._websocket.sock.shutdown(socket.SHUT_RD)


class Meter:
    """wsproto's view of a connection, with every frame counted: empty ones, fragments, pings and pongs too.

    Our pages send hellos and pongs. A client that sends far more is disconnected before we parse it.
    """

    def __init__(self, websocket: Server) -> None:
        self._websocket = websocket
        # Its own keeps the whole handshake for as long as it lasts.
        self._connection = WSProtocol(ConnectionType.SERVER)
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


class Reader:
    """What simple_websocket takes for a thread. It reads in the greenlet of the request, with our inbox and meter."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        self.run = target
        websocket: Server = target.__self__  # type: ignore[attr-defined]
        websocket.input_buffer = Inbox(websocket)
        websocket.ws = Meter(websocket)

    def start(self) -> None:
        """Do nothing yet: see `run_socket`."""


class DeskServer(Server):  # type: ignore[misc]
    """Accepts a handshake that has been checked already. Its own has each header parsed once more, and costs more than
    all else that a page which opens asks for.

    No extension is agreed on: with deflate 292 KB can inflate to 300 MB, and it costs 90 KB of memory per socket.
    """

    def handshake(self) -> None:
        """Accept the websocket (RFC 6455, 4.2.2)."""
        self.sock.send(ACCEPTANCE % generate_accept_token(self.environ["HTTP_SEC_WEBSOCKET_KEY"].encode()))
        self.connected = True


flask_sock.Server = DeskServer  # there is no setting for it
pings = Pings()

# For simple_websocket, by way of flask-sock. The defaults accept any number of messages of any size.
SERVER_OPTIONS: dict[str, Any] = {"max_message_size": 16384, "thread_class": Reader}


def prepare_handshake(request: Request) -> None:
    """Prepare the connection for a websocket, before flask-sock accepts it.

    An invalid handshake gets a 400, or a 426 for an unsupported version (RFC 6455, 4.2).
    """
    _refuse_bad_handshake(request)
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in request.environ:
            client = request.environ[name]
            if isinstance(client, ClientSocket):
                client.become_websocket()
            request.environ[name] = SafeSocket(client)


def _refuse_bad_handshake(request: Request) -> None:
    headers = request.environ
    version = headers.get("HTTP_SEC_WEBSOCKET_VERSION")
    tokens = {token.strip().lower() for token in headers.get("HTTP_CONNECTION", "").split(",")}
    if request.method != "GET" or "upgrade" not in tokens or not version or _has_control_characters(headers):
        abort(400)
    if version != "13":
        abort(Response(status=426, headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}))
    try:
        key = base64.b64decode(headers.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except ValueError:
        abort(400)
    if len(key) != KEY_BYTES:
        abort(400)


def _has_control_characters(headers: dict[str, Any]) -> bool:
    return any(CONTROL.search(value) for name, value in headers.items() if name.startswith("HTTP_"))


def serve_page(hub: Hub, websocket: Server, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Have the hub know a page for as long as its socket is open; see `run_socket`."""
    if not hub.add(page):
        page.close(OVERLOAD)
    try:
        run_socket(websocket, page, on_message, functools.partial(hub.acknowledge, page))
    finally:
        hub.remove(page)


def run_socket(
    websocket: Server,
    page: Connection,
    on_message: Callable[[dict[str, Any]], None],
    on_receipt: Callable[[Any], None] | None = None,
) -> None:
    """Serve a page until it leaves or is closed.

    `page.wake` is the inbox's work. Messages are JSON objects; anything else is ignored.

    :param on_receipt: called with what a page says it has received and read; it must not wait for anything.
    """
    work: Work = websocket.input_buffer.wake
    work.on_receipt = on_receipt
    work.begin(page, on_message)
    pings.add(work)
    try:
        websocket.thread.run()
    finally:
        pings.remove(work)
        work.end()
        # They know each other: without this, all that a request consists of would wait for the garbage collector.
        websocket.thread = websocket.ws = websocket.sock = websocket.environ = None
        websocket.input_buffer = []


def _parsed(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):  # thousands of brackets fit into a message
        return {}
    return value if isinstance(value, dict) else {}
