"""The desk's worker: gunicorn's gevent worker, in which no connection blocks the others."""

from __future__ import annotations

import contextlib
import functools
import logging
import resource
import socket
import time
import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import gevent
from gevent.lock import BoundedSemaphore
from gevent.server import StreamServer
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.ggevent import GeventWorker

from .client_socket import ClientSocket
from .connections import Connections, Slot
from .turns import Turns

SPARE_FILES = 200  # for Postgres, pictures, request bodies, and connections that are rejected
SPARE_CONNECTIONS = 50
# How long a connection is kept for the next request. Proxies keep theirs for a minute: what they send by one that we
# are closing is lost, and a message is not sent again. Each takes a greenlet: where so many wait, the next ones don't.
KEPT_SECONDS, MOST_KEPT = 75.0, 500
MOST_OPENING = 8
CLOSING_SECONDS = 6.0  # more than a page that does not read is waited for
LOG_SECONDS = 60.0
LONGEST_LINE = 160
FULL_TEXT = b"Too many connections are open. Try again in a moment.\n"
# With its length: to read on until the end would be an error, if the request comes after the connection was closed.
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(FULL_TEXT), FULL_TEXT)
)

log = logging.getLogger("gunicorn.error")


class Brief(logging.Filter):
    """Stops strangers from filling the log with invalid requests, of which gunicorn logs each one."""

    def __init__(self, allows: Callable[[str], bool]) -> None:
        """:param allows: counts the lines of a kind, and returns whether another one is allowed."""
        super().__init__()
        self._allows = allows

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten such a line, or drop it."""
        text = record.getMessage()
        if not text.startswith("Invalid request"):
            return True
        # What follows the first quote was sent, and may be anything.
        record.msg, record.args = text[:LONGEST_LINE].partition("'")[0].rstrip(" :"), ()
        return self._allows("invalid request")


class DeskServer(StreamServer):
    """Accepts connections. One that is turned away costs no greenlet, so a flood of them does not fill the queue."""

    def __init__(self, worker: DeskWorker, listener: socket.socket, spawn: Any) -> None:
        super().__init__(listener, functools.partial(worker.serve, listener), spawn=spawn)
        self._slot_for = worker.slot_for

    def do_handle(self, client: socket.socket, addr: Any) -> None:
        """Serve a connection, or turn it away."""
        slot = self._slot_for(client, addr[0] if isinstance(addr, tuple) else "")
        if slot is not None:
            super().do_handle(client, addr, slot)  # type: ignore[call-arg]


class DeskWorker(GeventWorker):  # type: ignore[misc]
    """Serves connections, which take turns and have deadlines."""

    farewell: gevent.Greenlet[..., Any] | None = None  # says goodbye to the pages when the worker ends

    def load_wsgi(self) -> None:
        """Load the app, and read the limits from its settings."""
        super().load_wsgi()
        wanted: int = self.cfg.worker_connections
        config = self.wsgi.extensions["config"]
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = min(wanted, max(files - SPARE_FILES, files // 2)) if files > 0 else wanted
        from ..web.refusals import quota  # the app is loaded now

        log.addFilter(Brief(quota.allows))
        # Behind a proxy all connections come from its address.
        self._connections = Connections(most, 0 if config.trusted_proxies else config.connections_per_address)
        self._turns = Turns()
        # Thousands of pages that come back at once leave the rest of the pool to those who write. What waits here has
        # no environment and no contexts yet, whose memory would hardly be given back: it would be all over the place.
        self._opening = BoundedSemaphore(MOST_OPENING)
        self._header_seconds = config.header_seconds
        self._answer_seconds = config.answer_seconds
        self._next_log = 0.0
        self._kept = 0
        # gunicorn's pool would make new connections wait. They are rejected with a message instead.
        self.worker_connections: int = most + SPARE_CONNECTIONS

    def run(self) -> None:
        """Serve until the worker is to end, and then until the pages know it: gunicorn only waits for requests."""
        super().run()
        with gevent.Timeout(CLOSING_SECONDS, False):  # type: ignore[arg-type]
            if self.farewell is not None:
                self.farewell.join()
            while not self._connections.are_closed:
                gevent.sleep(0.01)

    def server_class(self, listener: socket.socket, *, spawn: Any, **settings: Any) -> DeskServer:
        """Return what accepts connections: gunicorn calls it instead of its own."""
        server = DeskServer(self, listener, spawn)
        if self.cfg.workers > 1:
            server.max_accept = 1  # as gunicorn does it: the others take some as well
        return server

    def slot_for(self, client: socket.socket, address: str) -> Slot | None:
        """Return a slot for a new connection; None for one that was turned away."""
        slot = self._connections.enter(address)
        if slot is None:
            self._turn_away(client, address)
        return slot

    def serve(self, listener: socket.socket, client: socket.socket, addr: Any, slot: Slot) -> None:
        """Serve one connection."""
        connection = ClientSocket(client, slot, self._turns, self._answer_seconds)
        try:
            self.handle(listener, connection, addr)
        finally:
            connection.close()

    def _turn_away(self, client: socket.socket, address: str) -> None:
        if time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + LOG_SECONDS
            log.warning(
                "refused a connection from %s: too many are open, from there (CONNECTIONS_PER_ADDRESS) or in all",
                address,
            )
        with contextlib.suppress(OSError), contextlib.closing(client):
            client._sock.send(FULL)  # type: ignore[attr-defined]  # gevent's own waits for who does not read

    def timeout_ctx(self) -> gevent.Timeout:
        """Return how long the headers of the next request may take."""
        return gevent.Timeout(self._header_seconds, False)  # type: ignore[arg-type]

    def handle_request(self, listener_name: Any, req: Any, sock: ClientSocket, addr: Any) -> None:
        """Answer one request, and wait for the next one to begin.

        If part of its body stays unread, the response says that the connection closes.
        """
        sock.begin_request()
        # By a weak reference: whatever refers to itself waits for the garbage collector, with all that it holds.
        req.should_close = functools.partial(closes_connection, weakref.ref(req))
        try:
            if is_handshake(req):
                sock.take_place(self._opening)
            super().handle_request(listener_name, req, sock, addr)
        finally:
            sock.leave_place()
            if has_unread_body(req):
                sock.leave_unread()
        if self._kept < MOST_KEPT and not req.unreader.buf.getbuffer().nbytes:
            self._keep(sock)

    def _keep(self, sock: ClientSocket) -> None:
        """Keep a connection, for which nothing is there yet.

        :raise StopIteration: when nothing has come; gunicorn closes it then.
        """
        end = time.monotonic() + KEPT_SECONDS
        self._kept += 1
        try:
            while self.alive and time.monotonic() < end:
                if sock.has_come(self._header_seconds):
                    return
        finally:
            self._kept -= 1
        raise StopIteration

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer an invalid request, or an error of ours."""
        super().handle_error(req, client, addr, exc)
        if isinstance(client, ClientSocket):
            client.leave_unread()


def is_handshake(request: Any) -> bool:
    """Whether a request can only open a websocket or be refused. One with a body is refused without being read."""
    return request.method == "GET" and unquote(request.path).endswith("/ws")


def closes_connection(reference: weakref.ref[Any]) -> bool:
    """Whether the connection ends with this request."""
    request = reference()
    return request is None or has_unread_body(request) or bool(type(request).should_close(request))


def has_unread_body(request: Any) -> bool:
    """Whether part of the request's body is still to come."""
    reader = request.body.reader
    if isinstance(reader, LengthReader):
        return bool(reader.length > 0)
    return isinstance(reader, ChunkedReader) and reader.parser is not None
