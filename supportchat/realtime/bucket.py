"""How often something may happen: in a burst, and then at a steady rate."""

from __future__ import annotations

import time


class Bucket:
    """Holds up to `burst` tokens, and gains `rate` of them a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._tokens = burst
        self._at = time.monotonic()

    def take(self, count: float = 1) -> bool:
        """Take tokens; False, and none taken, when there are too few."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    @property
    def wait(self) -> float:
        """How many seconds it takes until there is a token."""
        return max(0.0, (1 - self._tokens) / self._rate - (time.monotonic() - self._at))
