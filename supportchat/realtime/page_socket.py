"""The socket of an open page: read by the event loop, written to by whoever has a frame for the page."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from wsproto.events import CloseConnection, Pong

from ..rendering.fragments import event_frame
from ..server.buckets import Bucket, Limit
from ..server.client_socket import ClientSocket
from ..server.turns import give_way
from .connection import OVERLOAD, Connection
from .incoming import POLICY_VIOLATION, Incoming, Refused
from .pings import Pings
from .safe_socket import PING, SafeSocket, close_frame, text_frame

READ = 1
PIECE = 4096
INBOX_LIMIT = 20
# What a page may send: a hello when its socket opens or it switches to another ticket, typing, receipts, and pongs.
MESSAGES = Limit(10, 5)  # more of them wait in the inbox
ALIVE = PING + text_frame(event_frame("alive"))  # scripts do not see pings

log = logging.getLogger(__name__)


class Farewells:
    """Takes leave of pages that have gone, a few in each round of the event loop: thousands can go at once."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_working = False

    def add(self, leave: Callable[[], None]) -> None:
        """Call `leave` soon."""
        self._waiting.append(leave)
        if not self._is_working:
            self._is_working = True
            gevent.spawn(self._work)

    def _work(self) -> None:
        while self._waiting:
            try:
                self._waiting.popleft()()
            except Exception:
                log.exception("the end of a page failed")
            give_way()
        self._is_working = False


pings = Pings()
farewells = Farewells()


class PageSocket:
    """Reads what a page says, and sends what there is for it.

    What may take time has a greenlet for as long as it takes. One that waits all the time, for a message or for work,
    would cost each open page 20 KB and more.
    """

    __slots__ = (
        *("_client", "_inbox", "_incoming", "_is_alive", "_messages", "_on_end", "_on_message", "_on_receipt"),
        *("_out", "_page", "_running", "_watcher"),
    )

    def __init__(
        self,
        client: ClientSocket,
        page: Connection,
        on_message: Callable[[dict[str, Any]], None],
        on_receipt: Callable[[Any], None],
        on_end: Callable[[Connection], None],
    ) -> None:
        """:param on_message: takes each JSON object that the page sends; anything else is ignored. It may wait.
        :param on_receipt: takes what the page says it has received and read; it must not wait.
        :param on_end: called once, when the page has gone; it must not wait.
        """
        self._client = client
        self._page: Connection | None = page
        self._on_message = on_message
        self._on_receipt = on_receipt
        self._on_end = on_end
        self._out = SafeSocket(client)
        self._incoming = Incoming()
        self._inbox: list[dict[str, Any]] = []
        self._messages = Bucket(MESSAGES)
        self._is_alive = True
        self._running: gevent.Greenlet[[Connection], None] | None = None
        self._watcher = gevent.get_hub().loop.io(client.fileno(), READ)
        page.writer = self

    def begin(self) -> None:
        """Begin to read, and to send what is there already."""
        self._watcher.start(self._read)
        pings.add(self)
        self.set()

    # Sending

    def set(self) -> None:
        """Do what there is to be done: to be called whenever there may be something."""
        page = self._page
        if page is not None and self._running is None and (self._takes_time(page) or not self._has_sent(page)):
            self._running = gevent.spawn(self._run, page)

    def ping(self) -> None:
        """Ask whether the page is still there, and tell it that its connection is alive."""
        if self._page is None:
            return
        if not self._is_alive:
            self._page.close(OVERLOAD)  # most likely half-open: nobody will read this
            return
        self._is_alive = False
        self._send_now(ALIVE)

    def _takes_time(self, page: Connection) -> bool:
        return bool(self._inbox or page.refill is not None or page.close_code is not None or self._out.has_unsent)

    def _has_sent(self, page: Connection) -> bool:
        while (frame := page.take()) is not None:
            if not self._has_taken(text_frame(frame)):
                return False
        return True

    def _has_taken(self, data: bytes) -> bool:
        try:
            return self._out.send_now(data)
        except OSError:
            return True  # gone: that is for the reader to find, not for who only had a frame for the page

    def _send_now(self, data: bytes) -> None:
        if not self._has_taken(data):
            self.set()

    def _run(self, page: Connection) -> None:
        try:
            while self._page is not None and self._takes_time(page):
                self._do(page)
        except OSError:
            self._end(page)
        except Exception:
            log.exception("the socket of a page failed")
            self._end(page)
        finally:
            self._running = None
            if self._page is None:
                self._leave(page)

    def _do(self, page: Connection) -> None:
        self._out.flush()
        while self._inbox and self._is_open and self._messages.take():
            self._on_message(self._inbox.pop(0))
        while self._is_open and (frames := page.take_waiting()):
            self._out.send(b"".join(map(text_frame, frames)))
        if self._page is None:
            return
        if page.close_code is not None:
            self._out.send(close_frame(page.close_code))
            self._end(page)
        elif self._inbox:
            gevent.sleep(self._messages.wait)

    @property
    def _is_open(self) -> bool:
        return self._page is not None and self._page.close_code is None

    # Reading: within the event loop, where nothing may wait

    def _read(self) -> None:
        page = self._page
        if page is None:
            return
        try:
            data = os.read(self._client.fileno(), PIECE)
            if not data or not self._is_open_after(data):
                self._end(page)
        except BlockingIOError:
            pass
        except Refused as refused:
            self._client.leave_unread()  # or the close code would be lost
            self._has_taken(close_frame(refused.code, refused.reason))
            self._end(page)
        except OSError:
            self._end(page)
        except Exception:
            log.exception("what a page has sent was not understood")
            self._end(page)

    def _is_open_after(self, data: bytes) -> bool:
        for event in self._incoming.events(data):
            if isinstance(event, str):
                self._hear(_parsed(event))
            elif isinstance(event, Pong):
                self._is_alive = True
            else:
                self._send_now(self._incoming.answer(event))
                if isinstance(event, CloseConnection):
                    return False
        return True

    def _hear(self, said: dict[str, Any]) -> None:
        if "receipt" in said:
            self._on_receipt(said["receipt"])
            return
        self._inbox.append(said)
        if len(self._inbox) > INBOX_LIMIT:
            raise Refused(POLICY_VIOLATION, "Too many messages")
        self.set()

    # The end

    def _end(self, page: Connection) -> None:
        """Read and send nothing more. Who is just doing something for the page takes leave of it afterwards."""
        if self._page is None:
            return
        self._page = None
        self._watcher.stop()
        self._watcher.close()
        pings.remove(self)
        if self._running is None:
            farewells.add(functools.partial(self._leave, page))

    def _leave(self, page: Connection) -> None:
        page.writer = None  # or both wait for the garbage collector
        self._incoming.end()
        self._on_end(page)
        self._client.close_soon()


def _parsed(message: str) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):  # thousands of brackets fit into a message
        return {}
    return value if isinstance(value, dict) else {}
