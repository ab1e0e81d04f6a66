"""A connection as gunicorn uses it: a socket that takes turns, with deadlines for clients that do not read."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from typing import IO, Any

import gevent
import gevent.socket
from gevent import monkey
from gevent.lock import Semaphore

from .connections import Slot
from .deadline import Deadline
from .turns import Turns

PIECE = 64 * 1024
# A browser that is still sending when the connection closes shows its own error instead of our response. So the rest is
# read and discarded: up to three times the largest picture, and not for long.
LINGER_BYTES = 32 * 1024 * 1024
LINGER_SECONDS = 10.0
DROP = struct.pack("ii", 1, 0)  # for SO_LINGER: discard unsent data

_poll = monkey.get_original("select", "poll")


class ClientSocket:
    """The socket of a connection, from open to close.

    gevent's `recv` does not switch while there is data, so a client that sends without pause would block the worker.
    Here such a connection waits for its turn.
    """

    __slots__ = (
        *("_answer_seconds", "_deadline", "_has_unread", "_has_waited", "_is_new", "_places", "_slot", "_socket"),
        "_turns",
    )

    def __init__(self, sock: socket.socket, slot: Slot, turns: Turns, answer_seconds: float) -> None:
        self._socket = sock
        self._slot: Slot | None = slot
        self._turns = turns
        self._answer_seconds = answer_seconds
        self._deadline: Deadline | None = None
        self._is_new = True
        self._has_waited = True
        self._has_unread = False
        self._places: Semaphore | None = None

    def begin_request(self) -> None:
        """Begin to answer a request: at once if we waited for the client, otherwise after a turn."""
        if not self._has_waited:
            self._turns.take_for_request()
        self._has_waited = False
        self._deadline = None

    def take_place(self, places: Semaphore) -> None:
        """Wait for one of a few places. It is kept until there is something to send, which the client can delay."""
        places.acquire()
        self._places = places

    def leave_place(self) -> None:
        """Leave it to the next one, if it is still taken."""
        places, self._places = self._places, None
        if places is not None:
            places.release()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive available data after a turn, or wait for data."""
        # gunicorn asks for a megabyte, and copies what is left of it at each of the app's reads.
        size = min(size, PIECE)
        if self._is_new:
            self._is_new = False
            data = self._socket.recv(size, flags)
            self._turns.take_to_begin()
            return data
        if self._is_readable():
            self._turns.take_for_reading()
        else:
            self._has_waited = True
        return self._socket.recv(size, flags)

    def _is_readable(self) -> bool:
        poll = _poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send all of these bytes.

        :raise BrokenPipeError: if the client does not read them.
        """
        self.leave_place()
        self._deadline = self._deadline or Deadline(self._answer_seconds)
        rest = memoryview(data)
        while rest:
            sent = self._send_some(rest, flags, self._deadline.left)
            self._deadline.moved(sent)
            rest = rest[sent:]

    def _send_some(self, rest: memoryview, flags: int, seconds: float) -> int:
        unread = BrokenPipeError(errno.EPIPE, "the answer is not read")
        try:
            with gevent.Timeout(seconds, unread):
                return self._socket.send(rest, flags)
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP)
            raise

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send a file, or `count` bytes of it, like any other response."""
        file.seek(offset)
        sent = 0
        while count is None or sent < count:
            piece = file.read(PIECE if count is None else min(PIECE, count - sent))
            if not piece:
                break
            self.sendall(piece)
            sent += len(piece)
        return sent

    def become_websocket(self) -> None:
        """Stop counting towards the connections of its address: from now on the hub counts it."""
        if self._slot is not None:
            self._slot.count_elsewhere()

    def taken_over(self) -> ClientSocket:
        """Return the connection for who keeps it beyond the request; for gunicorn, which has this one, it is closed."""
        slot, self._slot = self._slot, None
        if slot is None:
            raise OSError(errno.EBADF, "the connection is closed")
        kind = self._socket.family, self._socket.type, self._socket.proto
        own = gevent.socket.socket(*kind, fileno=self._socket.detach())
        return ClientSocket(own, slot, self._turns, self._answer_seconds)

    def has_come(self, seconds: float) -> bool:
        """Wait until something comes, the end of the connection too; return whether it has within so many seconds."""
        if self._slot is None:
            return True  # somebody else has it now
        try:
            gevent.socket.wait_read(self._socket.fileno(), timeout=seconds)
        except TimeoutError:
            return False
        self._is_new = self._has_waited = True  # whoever waits does not take turns
        return True

    def leave_unread(self) -> None:
        """Remember that the client may still be sending data that nobody will read."""
        self._has_unread = True

    def close(self) -> None:
        """Close the connection so that the last response still arrives, and free its slot."""
        if self._has_unread:
            self._has_unread = False
            self._linger()
        self._socket.close()
        if self._slot is not None:
            self._slot.leave()
            self._slot = None

    def close_soon(self) -> None:
        """Close the connection without waiting for it: to be called where nothing may wait."""
        if self._has_unread:
            gevent.spawn(self.close)
        else:
            self.close()

    def _linger(self) -> None:
        # Half-closed: the client knows that the response is complete.
        with contextlib.suppress(OSError, gevent.Timeout), gevent.Timeout(LINGER_SECONDS):
            self._socket.shutdown(socket.SHUT_WR)
            rest = LINGER_BYTES
            while rest > 0 and (piece := self.recv(PIECE)):
                rest -= len(piece)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
