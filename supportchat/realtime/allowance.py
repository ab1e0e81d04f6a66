"""How much the pages of one browser, agent or address may ask for by their sockets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gevent

from ..server.buckets import Buckets, Limit
from .connection import Connection

if TYPE_CHECKING:
    from ..config import Config

NO_LIMIT = Limit(0, 0)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """The limits of what comes by sockets; 0 is none."""

    receipts: Limit = NO_LIMIT
    typing: Limit = NO_LIMIT
    hellos: Limit = NO_LIMIT
    per_viewer: int = 0
    per_address: int = 0

    @classmethod
    def of(cls, config: Config) -> Allowance:
        """Return what the settings allow."""
        return cls(
            receipts=config.limit_receipts,
            typing=config.limit_typing,
            hellos=config.limit_hellos,
            per_viewer=config.sockets_per_browser,
            per_address=config.sockets_per_address,
        )


class OpenPages:
    """Counts open pages: of each viewer, and of all customers at an address. Agents count for no address."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._counts: Counter[str] = Counter()

    def enter(self, page: Connection) -> bool:
        """Count a page; False when its viewer or its address has too many."""
        limits = self._limits(page)
        if any(limit and self._counts[key] >= limit for key, limit in limits.items()):
            return False
        self._counts.update(limits.keys())
        return True

    def leave(self, page: Connection) -> None:
        """Stop counting a page."""
        for key in self._limits(page):
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def _limits(self, page: Connection) -> dict[str, int]:
        limits = {page.viewer: self._allowance.per_viewer}
        if page.address and not page.agent_id:
            limits[page.address] = self._allowance.per_address
        return limits


class Hellos:
    """Lets the pages of one viewer say hello in turn: each is a read, and a burst of them would be half a processor."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._buckets = Buckets()

    def wait(self, page: Connection) -> None:
        """Return once this page may say hello."""
        while page.close_code is None and (wait := self._buckets.take(page.viewer, self._limit)):
            gevent.sleep(wait)
