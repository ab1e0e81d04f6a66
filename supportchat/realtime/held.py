"""When held replies are sent: each process sees to those that it has taken, and all of them to what is overdue.

The database sends each of them once, whoever asks (`release_replies`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from ..database import Database, DatabaseError
from ..database.rows import Answer, ReleasedReplies

LATE_SECONDS = 0.02  # after its time has come by the clock of the database

log = logging.getLogger(__name__)


class HeldReplies:
    """Keeps the timers of this process. A process that ends leaves what it holds to the next sweep of any other."""

    def __init__(self, database: Database, offer: Callable[[Answer], None]) -> None:
        """:param offer: shows to the pages of this process what was sent."""
        self._database = database
        self._offer = offer

    def send_in(self, seconds: float, session_id: str) -> None:
        """Send what is due in a conversation then."""
        gevent.spawn_later(seconds + LATE_SECONDS, self._send_due, session_id)

    def _send_due(self, session_id: str) -> None:
        try:
            self._send(session_id)
        except DatabaseError as error:
            log.warning("a held reply has to wait for the next sweep: %s", error)

    def send_overdue(self) -> None:
        """Send what the process that took it has not.

        :raise DatabaseError: if it cannot be done now; the next sweep asks for it again.
        """
        while self._send()["more"]:
            pass

    def _send(self, session_id: str | None = None) -> ReleasedReplies:
        released: ReleasedReplies = self._database.call("release_replies", session_id=session_id)
        for answer in released["answers"]:
            self._offer(answer)
        return released
