"""Turns, for connections that have more to do at once: everybody else comes in between."""

from __future__ import annotations

import gevent
from gevent.lock import Semaphore

# Any time at all leads once around the event loop, which looks for what has come elsewhere; gevent.sleep(0) does not.
TURN_SECONDS = 0.0001


class Turns:
    """One turn in each round of the event loop, however many connections want one."""

    def __init__(self) -> None:
        self._gate = Semaphore()

    def take(self) -> None:
        """Wait for the next turn."""
        with self._gate:
            gevent.sleep(TURN_SECONDS)
