"""What goes out by a socket: whole frames, one after the other, whoever sends them."""

from __future__ import annotations

import functools
import os
import socket
from typing import Any

import gevent
from gevent.lock import RLock

from ..server.client_socket import ClientSocket

SEND_SECONDS = 5.0
PING = b"\x89\x00"


class SafeSocket:
    """A socket whose `send` sends everything.

    gevent's `send` may send a part, after which the rest of the frame has to follow before anything else. A reader that
    takes nothing for `SEND_SECONDS` is disconnected, since half a frame cannot be taken back.
    """

    def __init__(self, sock: socket.socket | ClientSocket) -> None:
        self._socket = sock
        self._fileno = sock.fileno
        self._lock: RLock | None = None  # of who waits, which hardly anybody does
        self._unsent = b""

    @property
    def has_unsent(self) -> bool:
        """Whether the client still has to read something before the rest can be sent."""
        return bool(self._unsent)

    def send(self, data: bytes) -> int:
        """Send all of `data`, after what others have begun to send.

        :raise OSError: if the client does not read.
        """
        if not self.send_now(data):
            self.flush()
        return len(data)

    def send_now(self, data: bytes) -> bool:
        """Send without waiting. Return whether everything is sent; if not, somebody has to `flush` the rest.

        :raise OSError: if the connection is gone.
        """
        if not self._unsent:
            try:
                # Asked for each time: the number of a closed file may belong to another connection.
                sent = os.write(self._fileno(), data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return True
            data = data[sent:]
        self._unsent += data
        return False

    def flush(self) -> None:
        """Send what is left, and wait for the client to read it.

        :raise OSError: if the client does not read.
        """
        if not self._unsent:
            return
        self._lock = self._lock or RLock()
        with self._lock:
            while self._unsent:
                sent = self._send_some(self._unsent)
                self._unsent = self._unsent[sent:]  # to which others may have added meanwhile

    def _send_some(self, rest: bytes) -> int:
        try:
            with gevent.Timeout(SEND_SECONDS, TimeoutError("the page does not read")):
                return self._socket.send(rest)
        except TimeoutError:
            self._socket.shutdown(socket.SHUT_RDWR)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


@functools.lru_cache(maxsize=8)
def text_frame(text: str) -> bytes:
    """Return a text as the frame of a server, which is the same for every client (RFC 6455, 5.2)."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x81, len(data))) + data
    if len(data) < 65536:
        return b"\x81\x7e" + len(data).to_bytes(2, "big") + data
    return b"\x81\x7f" + len(data).to_bytes(8, "big") + data


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a connection; the reason is ASCII and short."""
    data = code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(data))) + data
