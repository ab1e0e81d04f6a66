"""What a page sends by its socket: frames parsed, counted, and put together to messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection as WSProtocol
from wsproto.events import CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError

from ..server.buckets import Bucket, Limit

FRAMES = Limit(50, 5)
BYTES = Limit(65536, 4)
MOST_PARTS = 64  # per message: its size is limited too, but empty fragments add nothing to that
LONGEST = 16384  # characters of a message
POLICY_VIOLATION = 1008
TOO_BIG = 1009


class Refused(Exception):
    """The page sends what none of ours would."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Incoming:
    """Every frame counts: empty ones, fragments, pings and pongs too.

    Our pages send hellos and pongs. A client that sends far more is refused before it is parsed.
    """

    __slots__ = ("_bytes", "_frames", "_parts", "_protocol")

    def __init__(self) -> None:
        self._protocol = WSProtocol(ConnectionType.SERVER)
        self._bytes = Bucket(BYTES)
        self._frames = Bucket(FRAMES)
        self._parts: list[str] = []

    def events(self, data: bytes) -> Iterator[str | Ping | Pong | CloseConnection]:
        """Yield what has arrived with these bytes; a string is a whole message.

        :raise Refused: if it is more than a page sends.
        """
        if not self._bytes.take(len(data)):
            raise Refused(POLICY_VIOLATION, "Too much at once")
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if not self._frames.take():
                raise Refused(POLICY_VIOLATION, "Too many frames")
            if isinstance(event, Ping | Pong | CloseConnection):
                yield event
            elif isinstance(event, Message) and (text := self._collected(event)) is not None:
                yield text

    def _collected(self, part: Message[Any]) -> str | None:
        self._parts.append(part.data if isinstance(part, TextMessage) else "")  # no page sends bytes
        if len(self._parts) > MOST_PARTS:
            raise Refused(POLICY_VIOLATION, "Too many frames")
        if sum(map(len, self._parts)) > LONGEST:
            raise Refused(TOO_BIG, "Message is too big")
        if not part.message_finished:
            return None
        text = "".join(self._parts)
        self._parts.clear()
        return text

    def answer(self, event: Ping | CloseConnection) -> bytes:
        """Return the frame that answers a ping or a close; nothing if there is no answer."""
        try:
            return self._protocol.send(event.response())
        except LocalProtocolError:
            return b""

    def end(self) -> None:
        """Let go of the parser: its generator refers to itself, so it would stay until the garbage collector looks."""
        self._protocol._proto._parse_more.close()
