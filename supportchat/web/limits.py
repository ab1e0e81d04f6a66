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
UNKNOWN_SHARE = 5  # of the limit of one browser, for all at an address that are not known yet


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


class KnownBrowsers:
    """The keys of browsers that the database has known lately, bounded in number."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        self._most = most
        self._keys: dict[str, None] = {}

    def add(self, key: str) -> None:
        """Remember a key; the one that was added first goes when there are too many."""
        if key not in self._keys:
            if len(self._keys) >= self._most:
                del self._keys[next(iter(self._keys))]
            self._keys[key] = None

    def __contains__(self, key: str) -> bool:
        return key in self._keys


def init_app(app: Flask) -> None:
    """Give the app its buckets."""
    app.extensions["buckets"] = Buckets()
    app.extensions["known_browsers"] = KnownBrowsers()


def check(act: str, whose: str) -> None:
    """Count one act of somebody; `act` names the setting: messages, typing, receipts, pictures, pages or sockets.

    :param whose: who has logged in, or '' for somebody of whom only the address is known.
    :raise TooFast: when it is one too many.
    """
    _take(act, whose or address(), _limit_of(act))


def check_browser(act: str, key: str) -> None:
    """Count one act of a customer's browser.

    A key that this process has not seen to be good may be made up, another one for each request: it counts for its
    address, which may do as much as five browsers. `know` ends that.

    :raise TooFast: when it is one too many.
    """
    limit = _limit_of(act)
    if key in current_app.extensions["known_browsers"]:
        _take(act, key, limit)
    else:
        _take(act, f"unknown/{address()}", Limit(UNKNOWN_SHARE * limit.most, limit.seconds))


def know(key: str) -> None:
    """Remember that the database knows the key of a browser."""
    current_app.extensions["known_browsers"].add(key)


def _limit_of(act: str) -> Limit:
    limit: Limit = getattr(current_app.extensions["config"], f"limit_{act}")
    return limit


def _take(act: str, whose: str, limit: Limit) -> None:
    wait = current_app.extensions["buckets"].take(f"{act}/{whose}", limit)
    if wait:
        raise TooFast(f"{act}_too_fast", str(max(1, round(wait + 0.5))))


def address() -> str:
    """Return the address that the request comes from; of IPv6 its network, whose addresses are all one person's.

    TRUSTED_PROXIES decides whose word counts for it: see `ProxyFix`.
    """
    return network_of(request.remote_addr or "")
