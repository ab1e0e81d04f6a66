"""The stream of change events: hints from the database that something is worth a look."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import psycopg

from ..database.postgres import CONNECTION

Event = dict[str, Any]
log = logging.getLogger(__name__)


class Events(Protocol):
    """A source of events. It may lose some: whoever needs all reads the database by seq."""

    is_connected: bool

    def run(self, on_event: Callable[[Event], None], on_connected: Callable[[], None]) -> None:
        """Hand over events for ever; call `on_connected` after each gap, when what was missed must be looked for."""


class PostgresEvents:
    """`LISTEN supportchat` on a connection of its own, opened again whenever it breaks."""

    def __init__(self, conninfo: str) -> None:
        self.is_connected = False
        self._conninfo = conninfo

    def run(self, on_event: Callable[[Event], None], on_connected: Callable[[], None]) -> None:
        """Listen until the process ends; see `Events.run`."""
        delay = 0.1
        while True:
            try:
                with psycopg.connect(self._conninfo, **CONNECTION) as connection:  # type: ignore[arg-type]
                    connection.execute("listen supportchat")
                    self.is_connected = True
                    delay = 0.1
                    on_connected()
                    for notification in connection.notifies():
                        on_event(json.loads(notification.payload))
            except psycopg.OperationalError as error:
                log.warning("events are lost until LISTEN works again: %s", " ".join(str(error).split()))
            finally:
                self.is_connected = False
            gevent.sleep(delay)
            delay = min(delay * 2, 2.0)
