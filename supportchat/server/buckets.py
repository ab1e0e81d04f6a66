"""Buckets that fill again with time: how often somebody may do something, counted in this process."""

from __future__ import annotations

import time
from typing import NamedTuple
from weakref import WeakSet

MOST_BUCKETS = 20_000


class Limit(NamedTuple):
    """So many at once, then one more whenever its share of the seconds has passed. None at all: no limit."""

    most: int
    seconds: float


def spend(full_at: float, limit: Limit, count: float = 1, patience: float = 1e-6) -> tuple[float, float]:
    """Take some of what a limit allows from a bucket that will be full again at a moment of `time.monotonic()`.

    Returns that moment from now on, and 0; or the same moment and the seconds to wait, when there is too little left.

    :param patience: seconds; who has to wait no longer than that has taken it, and is to wait.
    """
    now = time.monotonic()
    after = max(full_at, now) + count * limit.seconds / limit.most
    wait = after - now - limit.seconds
    return (full_at if wait > patience else after), (wait if wait > 1e-6 else 0.0)


class Bucket:
    """One bucket: a burst passes, and then a steady rate."""

    __slots__ = ("_full_at", "_limit")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._full_at = 0.0

    def take(self, count: float = 1) -> bool:
        """Take as many as that; False, and none taken, when there are too few."""
        self._full_at, wait = spend(self._full_at, self._limit, count)
        return not wait

    @property
    def wait(self) -> float:
        """How many seconds it takes until there is one to take."""
        return spend(self._full_at, self._limit)[1]


class Buckets:
    """One bucket for each who, bounded in number."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        self._most = most
        self._full_at: dict[str, float] = {}
        _made.add(self)

    def take(self, whose: str, limit: Limit, count: float = 1, patience: float = 1e-6) -> float:
        """Take one of what a limit allows, or so many. Returns 0, or the seconds to wait when there is too little left.

        :param patience: seconds; who has to wait no longer than that has taken it, and is to wait.
        """
        if not limit.most:
            return 0.0
        self._full_at[whose], wait = spend(self._full_at.get(whose, 0.0), limit, count, patience)
        if len(self._full_at) > self._most:
            self._forget(time.monotonic())
        return wait

    def forget_full(self) -> None:
        """Forget those that are full again, which are the same as none."""
        now = time.monotonic()
        self._full_at = {whose: full_at for whose, full_at in self._full_at.items() if full_at > now}

    def _forget(self, now: float) -> None:
        # Those that are full are the same as none. Where that is not enough, those that are nearly so go as well.
        left = sorted(((full_at, whose) for whose, full_at in self._full_at.items() if full_at > now), reverse=True)
        self._full_at = {whose: full_at for full_at, whose in left[: self._most // 2]}


_made: WeakSet[Buckets] = WeakSet()


def forget_all_full() -> None:
    """Forget the full buckets of this process: each keeps a page of memory, and most are of people who have gone."""
    for buckets in _made:
        buckets.forget_full()
