"""Follows the log of the database: what happened, whether or not a hint has announced it."""

from __future__ import annotations

from typing import cast

from ..database import Database
from ..database.rows import LogPage
from .events import Event

MOST_EVENTS = 1000  # at one look; after more of them everything is looked at anew
MOST_HEARD = 10_000


class Log:
    """Remembers how far this process has read. Each event comes once: as a hint, or else from the log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursor: str | None = None
        self._epoch: str | None = None
        self._heard: set[int] = set()  # the hints of events that the log has not given yet

    @property
    def is_followed(self) -> bool:
        """Whether the next look gives everything that comes from now on."""
        return self._cursor is not None

    @property
    def is_half_full(self) -> bool:
        """Whether half as much has been heard of since the last look as makes a gap."""
        return len(self._heard) >= MOST_EVENTS // 2

    def is_new(self, event: Event) -> bool:
        """Return whether a hint is the first news of its event, and remember it."""
        if len(self._heard) > MOST_HEARD:
            self._heard.clear()
        is_new = event["id"] not in self._heard
        self._heard.add(event["id"])
        return is_new

    def read(self) -> list[Event] | None:
        """Return the events that have come since the last look and were not heard of.

        :return: None when there is a gap: at the first look, after too many events, or in another history.
        :raise DatabaseError: when the log cannot be read; the next look begins where this one did.
        """
        page: LogPage = self._database.call("events_after", cursor=self._cursor, limit=MOST_EVENTS)
        events, is_gap = (
            [cast(Event, event) for event in page["events"]],
            self._cursor is None or page["epoch"] != self._epoch,
        )
        self._cursor, self._epoch = page["cursor"], page["epoch"]
        if is_gap or len(events) >= MOST_EVENTS:
            self._heard.clear()
            return None
        ids = {event["id"] for event in events}
        heard = self._heard & ids
        self._heard -= ids
        return [event for event in events if event["id"] not in heard]

    def forget(self) -> None:
        """Begin anew with the next look: nobody has followed since the last one."""
        self._cursor = None
