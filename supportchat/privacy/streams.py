"""Downloads that are made while they are sent: few at once, each with bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from flask import Response
from gevent.lock import BoundedSemaphore

from ..database import TooFast

MOST = 2  # in one process
RETRY_SECONDS = 10

_places = BoundedSemaphore(MOST)


class Sink:
    """A file that keeps what is written into it until it is taken. It knows where it is, and cannot go back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, data: Any) -> int:
        """Keep some bytes."""
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    @property
    def waiting(self) -> int:
        """How many bytes wait to be taken."""
        return sum(map(len, self._parts))

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._written

    def flush(self) -> None:
        """Do nothing: what is written is there."""

    def taken(self) -> bytes:
        """Return what has been written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class Place:
    """One of the few downloads that a process makes at once."""

    def __init__(self) -> None:
        """:raise TooFast: when all places are taken."""
        if not _places.acquire(blocking=False):
            raise TooFast("downloads_too_many", str(RETRY_SECONDS))
        self._is_taken = True

    def leave(self) -> None:
        """Leave it to the next one, if that was not done yet."""
        if self._is_taken:
            self._is_taken = False
            _places.release()


def sent_as_made(place: Place, parts: Iterator[bytes], name: str, mimetype: str) -> Response:
    """Answer with a file that is made while it is sent. The place is left when it is sent, or cannot be.

    Its beginning is made here: what fails at once is a refusal and no broken file.
    """
    beginning = next(parts, b"")
    response = Response(_until_made(place, itertools.chain([beginning], parts)), mimetype=mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.call_on_close(place.leave)  # of one that is closed before it has begun
    return response


def _until_made(place: Place, parts: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from parts
    finally:
        place.leave()
