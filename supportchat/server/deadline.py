"""How long to wait for a client that sends a body or reads a response."""

from __future__ import annotations

import time

LEAST_RATE = 4096  # bytes a second: a phone at the edge of its network
LONGEST_SECONDS = 300.0  # as long as our own pages wait for the response to a picture


class Deadline:
    """Ends if nothing moves for `seconds`, if the average is below `LEAST_RATE`, or after `LONGEST_SECONDS`.

    A fixed deadline would cut off large pictures on slow connections; a pause alone would let a client trickle forever.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = self._last = time.monotonic()
        self._bytes = 0

    def moved(self, count: int) -> None:
        """Count bytes that were received, or sent and accepted."""
        if count:
            self._bytes += count
            self._last = time.monotonic()

    @property
    def left(self) -> float:
        """Return the seconds that are left: 0 if it has ended."""
        allowed = min(self._seconds + self._bytes / LEAST_RATE, LONGEST_SECONDS)
        return max(0.0, min(self._last + self._seconds, self._start + allowed) - time.monotonic())
