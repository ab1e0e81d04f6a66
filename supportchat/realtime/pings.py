"""Pings for all sockets of a process, a few at a time: a timer for each would be as many rounds of the event loop."""

from __future__ import annotations

from typing import Protocol

import gevent

from ..server.memory import give_memory_back, keep_for_long

PING_SECONDS = 20.0
SLOTS = 200
MANY = 100
MANY_NEW = 500
# Between the looks at what is free, when many have left. After the first pause most of those who were cut off are back.
# The last thing that has to do with the others is the report that they are gone: the id of each, kept until then, keeps
# a whole page of memory.
SETTLE_SECONDS = (4.0, 5.0)


class Pinged(Protocol):
    """Who wants to be pinged."""

    def ping(self) -> None:
        """Ask whether the other side is still there."""


class Pings:
    """A wheel: each socket has a slot, and each slot its turn every `PING_SECONDS`."""

    def __init__(self) -> None:
        self._slots: list[set[Pinged]] = [set() for _ in range(SLOTS)]
        self._slot_of: dict[Pinged, int] = {}
        self._at = 0
        self.is_turning = False
        self._most = 0
        self._kept = 0  # for long
        self._is_settling = False

    def add(self, pinged: Pinged) -> None:
        """Ping it from now on, for the first time when a whole turn has passed."""
        slot = (self._at - 1) % SLOTS
        self._slots[slot].add(pinged)
        self._slot_of[pinged] = slot
        if not self.is_turning:
            self.is_turning = True
            gevent.spawn(self._turn)

    def remove(self, pinged: Pinged) -> None:
        """Stop."""
        self._slots[self._slot_of.pop(pinged)].discard(pinged)

    def _turn(self) -> None:
        while self._slot_of:
            gevent.sleep(PING_SECONDS / SLOTS)
            for pinged in list(self._slots[self._at]):
                pinged.ping()
            self._at = (self._at + 1) % SLOTS
            self._look_who_is_here()
        self.is_turning = False

    def _look_who_is_here(self) -> None:
        count = len(self._slot_of)
        self._kept = min(self._kept, count)
        if count >= self._kept + MANY_NEW:
            self._kept = count
            keep_for_long()
        self._most = max(self._most, count)
        if self._most > MANY and count < self._most / 2 and not self._is_settling:
            self._is_settling = True
            gevent.spawn(self._settle)

    def _settle(self) -> None:
        for seconds in SETTLE_SECONDS:
            gevent.sleep(seconds)
            if len(self._slot_of) < self._most / 2:
                give_memory_back()
        self._most = len(self._slot_of)
        self._is_settling = False
