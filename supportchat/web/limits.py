"""How often somebody may do something. SQL counts what has to be exact (`take_token`); the rest is counted per process.

Who is asking is known by the key of their browser or their login where there is one, else by their address.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from flask import Flask, current_app, request

from ..database import TooFast
from ..server.connections import network_of

MOST_BUCKETS = 20_000


class Limit(NamedTuple):
    """So many at once, then one more whenever its share of the seconds has passed. None at all: no limit."""

    most: int
    seconds: float


def spend(full_at: float, limit: Limit, count: float = 1) -> tuple[float, float]:
    """Take some of what a limit allows from a bucket that will be full again at a moment of `time.monotonic()`.

    Returns that moment from now on, and 0; or the same moment and the seconds to wait, when there is too little left.
    """
    now = time.monotonic()
    after = max(full_at, now) + count * limit.seconds / limit.most
    wait = after - now - limit.seconds
    return (full_at, wait) if wait > 1e-6 else (after, 0.0)


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

    def take(self, whose: str, limit: Limit) -> float:
        """Take one of what a limit allows. Returns 0, or the seconds to wait when there is nothing left."""
        if not limit.most:
            return 0.0
        self._full_at[whose], wait = spend(self._full_at.get(whose, 0.0), limit)
        if len(self._full_at) > self._most:
            self._forget(time.monotonic())
        return wait

    def _forget(self, now: float) -> None:
        # Those that are full are the same as none. Where that is not enough, those that are nearly so go as well.
        left = sorted(((full_at, whose) for whose, full_at in self._full_at.items() if full_at > now), reverse=True)
        self._full_at = {whose: full_at for full_at, whose in left[: self._most // 2]}


def init_app(app: Flask) -> None:
    """Give the app its buckets."""
    app.extensions["buckets"] = Buckets()


def check(act: str, whose: str) -> None:
    """Count one act of somebody; `act` names the setting: messages, typing, receipts, pictures or pages.

    :raise TooFast: when it is one too many.
    """
    limit: Limit = getattr(current_app.extensions["config"], f"limit_{act}")
    wait = current_app.extensions["buckets"].take(f"{act}/{whose or address()}", limit)
    if wait:
        raise TooFast(f"{act}_too_fast", str(max(1, round(wait + 0.5))))


def address() -> str:
    """Return the address that the request comes from; of IPv6 its network, whose addresses are all one person's.

    TRUSTED_PROXIES decides whose word counts for it: see `ProxyFix`.
    """
    return network_of(request.remote_addr or "")
