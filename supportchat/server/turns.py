"""Turns for connections with more work at once, so that others run in between."""

from __future__ import annotations

import functools
import time

import gevent
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

    def give_way(self) -> None:
        """Wait for the next round, if this one has been long."""
        if time.monotonic() - self._began > LONG_ROUND_SECONDS:
            gevent.sleep(TURN_SECONDS)


@functools.cache
def round_of(hub: Hub) -> Round:
    """Return the rounds of an event loop."""
    return Round(hub)


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
