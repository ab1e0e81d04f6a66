"""Turns for connections with more work at once, so that others run in between."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict, deque
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import Hub
from gevent.lock import Semaphore

# Any positive time makes one round of the event loop, which polls the other sockets; gevent.sleep(0) does not: up to
# fifty others who sleep so too go on before.
TURN_SECONDS = 0.0001
LONG_ROUND_SECONDS = 0.001
MOST_BEGINNING = 50


def give_way() -> None:
    """Let others go on, if this round of the event loop has been a long one. To be called within long work."""
    round_of(gevent.get_hub()).give_way()


class Round:
    """Knows how long the current round of an event loop has lasted."""

    def __init__(self, hub: Hub) -> None:
        self._began = time.monotonic()
        self._next = hub.loop.check(ref=False)
        self._next.start(self._begin)

    def _begin(self) -> None:
        self._began = time.monotonic()

    @property
    def is_long(self) -> bool:
        """Whether the rest of what is ready has waited for some time."""
        return time.monotonic() - self._began > LONG_ROUND_SECONDS

    def give_way(self) -> None:
        """Wait for the next round, if this one has been long."""
        if self.is_long:
            gevent.sleep(TURN_SECONDS)


@functools.cache
def round_of(hub: Hub) -> Round:
    """Return the rounds of an event loop."""
    return Round(hub)


@functools.cache
def fair_turns_of(hub: Hub) -> FairTurns:
    """Return the turns of an event loop."""
    return FairTurns(hub)


class FairTurns:
    """Lets work begin: in a long round of the event loop not more, in the next ones one of each group in turn."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._round = round_of(hub)
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()
        self._timer: Any = None

    def has_waiting(self, group: str) -> bool:
        """Whether some of a group wait already."""
        return group in self._waiting

    def take(self, group: str) -> None:
        """Wait for the turn of a group; go on at once while nobody waits and the round is a short one."""
        if not self._waiting and not self._round.is_long:
            return
        turn = Event()
        queue = self._waiting.setdefault(group, deque())
        queue.append(turn)
        self._call_soon()
        try:
            turn.wait()
        finally:
            if not turn.is_set():  # it was killed
                queue.remove(turn)

    def _call_soon(self) -> None:
        if self._timer is None:
            self._timer = self._hub.loop.timer(TURN_SECONDS)
            self._timer.start(self._call_next)

    def _call_next(self) -> None:
        self._timer.close()
        self._timer = None
        while self._waiting:
            group, queue = self._waiting.popitem(last=False)
            if queue:
                queue.popleft().set()
                if queue:
                    self._waiting[group] = queue  # back to the end
                break
        if self._waiting:
            self._call_soon()


class Turns:
    """Grants one turn for a request and one for reading per round of the event loop, however many connections want one.

    They are separate because requests cost far more: an upload should not wait for a client that asks for 100 pages.
    """

    def __init__(self) -> None:
        self._requests = Semaphore()
        self._reading = Semaphore()
        self._beginning = Semaphore()
        self._begun = 0

    def take_to_begin(self) -> None:
        """Wait for the turn of a new connection: of hundreds at once, a round takes `MOST_BEGINNING`."""
        with self._beginning:
            self._begun += 1
            if self._begun % MOST_BEGINNING == 0:
                gevent.sleep(TURN_SECONDS)

    def take_for_request(self) -> None:
        """Wait for the turn to answer another request."""
        self._take(self._requests)

    def take_for_reading(self) -> None:
        """Wait for the turn to read more."""
        self._take(self._reading)

    def _take(self, gate: Semaphore) -> None:
        with gate:
            gevent.sleep(TURN_SECONDS)
