"""Turns, for connections that have more to do at once: everybody else comes in between."""

from __future__ import annotations

import gevent
from gevent.lock import Semaphore

# Any time at all leads once around the event loop, which looks for what has come elsewhere; gevent.sleep(0) does not.
TURN_SECONDS = 0.0001


class Turns:
    """One turn for a request and one for reading in each round of the event loop, however many connections want one.

    Requests cost far more: who sends a picture should not wait for those who ask for a hundred pages at once.
    """

    def __init__(self) -> None:
        self._requests = Semaphore()
        self._reading = Semaphore()

    def take_for_request(self) -> None:
        """Wait for the turn to be answered one more request."""
        self._take(self._requests)

    def take_for_reading(self) -> None:
        """Wait for the turn to read some more."""
        self._take(self._reading)

    def _take(self, gate: Semaphore) -> None:
        with gate:
            gevent.sleep(TURN_SECONDS)
