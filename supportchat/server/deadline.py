"""How long to wait for somebody who sends a body, or reads an answer."""

from __future__ import annotations

import time

LEAST_RATE = 4096  # bytes a second: a phone at the edge of its network
LONGEST_SECONDS = 300.0  # as long as our own pages wait for the answer to a picture


class Deadline:
    """Ends when nothing moves for `seconds`, when all of it is slower than `LEAST_RATE`, or after `LONGEST_SECONDS`.

    A deadline alone would cut off large pictures on slow lines, or let whoever sends a byte now and then stay.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = self._last = time.monotonic()
        self._bytes = 0

    def moved(self, count: int) -> None:
        """Take notice of bytes that were received, or taken by the other side."""
        if count:
            self._bytes += count
            self._last = time.monotonic()

    @property
    def left(self) -> float:
        """How many seconds there are left: 0 when it has ended."""
        allowed = min(self._seconds + self._bytes / LEAST_RATE, LONGEST_SECONDS)
        return max(0.0, min(self._last + self._seconds, self._start + allowed) - time.monotonic())
