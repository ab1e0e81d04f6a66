"""A connection as gunicorn uses it: a socket that takes turns, with deadlines for clients that do not read."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from typing import IO, Any

import gevent
from gevent import monkey

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


def is_handshake(data: bytes) -> bool:
    """Whether this is the whole head of a request for a websocket. What is not whole could keep others waiting."""
    return data.startswith(b"GET ") and data.endswith(b"\r\n\r\n") and b"upgrade: websocket" in data.lower()


class ClientSocket:
    """The socket of a connection, from open to close.

    gevent's `recv` does not switch while there is data, so a client that sends without pause would block the worker.
    Here such a connection waits for its turn.
    """

    def __init__(self, sock: socket.socket, slot: Slot, turns: Turns, answer_seconds: float) -> None:
        self._socket = sock
        self._slot = slot
        self._turns = turns
        self._answer_seconds = answer_seconds
        self._deadline: Deadline | None = None
        self._is_new = True
        self._has_waited = True
        self._has_unread = False
        self._is_opening = False
        self._is_websocket = False

    def begin_request(self) -> None:
        """Begin to answer a request: at once if we waited for the client, otherwise after a turn."""
        if not self._has_waited:
            self._turns.take_for_request()
        self._has_waited = False
        self._deadline = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive available data after a turn, or wait for data. A handshake is received when its turn has come."""
        if self._is_new or not self._is_readable():
            self._has_waited = True
        else:
            self._turns.take_for_reading()
        self._is_new = False
        if self._is_websocket:
            return self._recv_of_page(size, flags)
        data = self._socket.recv(size, flags)
        if not self._is_opening and is_handshake(data):
            self._turns.begin_to_open()
            self._is_opening = True
        return data

    def _recv_of_page(self, size: int, flags: int) -> bytes:
        try:
            data = self._socket.recv(size, flags)
        except OSError:
            self._turns.take_to_leave()
            raise
        if not data:
            self._turns.take_to_leave()
        return data

    def _is_readable(self) -> bool:
        poll = _poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send all of these bytes.

        :raise BrokenPipeError: if the client does not read them.
        """
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
        self._is_websocket = True
        self.end_opening()
        self._slot.count_elsewhere()

    def end_opening(self) -> None:
        """Let the next handshake be answered, if this one was received here."""
        if self._is_opening:
            self._is_opening = False
            self._turns.end_opening()

    def leave_unread(self) -> None:
        """Remember that the client may still be sending data that nobody will read."""
        self._has_unread = True

    def close(self) -> None:
        """Close the connection so that the last response still arrives."""
        if self._has_unread:
            self._has_unread = False
            self._linger()
        self._socket.close()

    def _linger(self) -> None:
        # Half-closed: the client knows that the response is complete.
        with contextlib.suppress(OSError, gevent.Timeout), gevent.Timeout(LINGER_SECONDS):
            self._socket.shutdown(socket.SHUT_WR)
            rest = LINGER_BYTES
            while rest > 0 and (piece := self.recv(PIECE)):
                rest -= len(piece)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
