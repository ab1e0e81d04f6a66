"""Turns for connections with more work at once, so that others run in between."""

from __future__ import annotations

import gevent
from gevent.lock import Semaphore

# Any positive time makes one round of the event loop, which polls the other sockets; gevent.sleep(0) does not.
TURN_SECONDS = 0.0001


class Turns:
    """Grants one turn for a request and one for reading per round of the event loop, however many connections want one.

    They are separate because requests cost far more: an upload should not wait for a client that asks for 100 pages.
    """

    def __init__(self) -> None:
        self._requests = Semaphore()
        self._reading = Semaphore()

    def take_for_request(self) -> None:
        """Wait for the turn to answer another request."""
        self._take(self._requests)

    def take_for_reading(self) -> None:
        """Wait for the turn to read more."""
        self._take(self._reading)

    def _take(self, gate: Semaphore) -> None:
        with gate:
            gevent.sleep(TURN_SECONDS)
