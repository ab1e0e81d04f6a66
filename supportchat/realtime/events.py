"""The stream of change events: hints from the database that something may have changed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol, Required, TypedDict, cast

import gevent
import psycopg
from flask_babel import lazy_gettext

from ..database.postgres import CONNECTION
from ..database.rows import AlertedOf, Detail, Message, Person

log = logging.getLogger(__name__)


class Look(TypedDict):
    """What an agent does in a ticket: 'looks', writes a 'reply' or a 'note', or has 'left'."""

    session_id: str
    agent: Person
    does: str


class Event(TypedDict, total=False):
    """A hint. Its kind decides which of the other fields are set."""

    event: Required[str]  # its kind
    # Of an event of the log:
    id: int
    session_id: str | None
    actor: str
    agent_id: str | None
    detail: Detail
    row: Message  # message.posted, unless too large
    # Of what is not logged:
    seq: int  # typing: after which line
    sender: str  # typing
    agent: Person | None  # typing
    nonce: str  # ping
    beat: int  # heartbeat
    page: str | None  # draft.saved: which page need not be told
    number: int  # held.changed: of the ticket
    reply: str  # held.changed: its client_message_id
    state: str  # held.changed: 'held', or why it was not sent
    process: str  # looking: whose desks
    looks: list[Look]  # looking
    agents: Any  # alert.raised: how each is told, by id; alert.ended: their ids
    about: AlertedOf  # alert.raised and alert.ended


class Events(Protocol):
    """A source of events. It may lose some; only reading the database by seq is complete."""

    is_connected: bool
    advice: str  # what an admin can do if no events arrive

    def run(self, on_event: Callable[[Event], None], on_connected: Callable[[], None]) -> None:
        """Deliver events forever; call `on_connected` after each gap, so that missed changes are looked up."""

    def restart(self) -> None:
        """Replace a connection that has gone silent."""

    def stop(self) -> None:
        """Stop everything outside of `run`, whose greenlet is about to be killed."""


class PostgresEvents:
    """`LISTEN supportchat` on a dedicated connection, reopened whenever it breaks."""

    advice: str = lazy_gettext(
        "LISTEN needs a session of its own: DATABASE_URL must not use a pooler in transaction mode."
    )

    def __init__(self, conninfo: str) -> None:
        self.is_connected = False
        self._conninfo = conninfo
        self._descriptor = -1

    def run(self, on_event: Callable[[Event], None], on_connected: Callable[[], None]) -> None:
        """Listen until the process ends; see `Events.run`."""
        delay = 0.1
        while True:
            try:
                with psycopg.connect(self._conninfo, **CONNECTION) as connection:  # type: ignore[arg-type]
                    connection.execute("listen supportchat")
                    self.is_connected = True
                    self._descriptor = connection.fileno()
                    delay = 0.1
                    on_connected()
                    for notification in connection.notifies():
                        event = json.loads(notification.payload)
                        if isinstance(event, dict):  # not every NOTIFY is one of ours
                            on_event(cast(Event, event))
            except (psycopg.Error, ValueError) as error:  # a standby refuses LISTEN
                log.warning("events are lost until LISTEN works again: %s", " ".join(str(error).split()))
            finally:
                self.is_connected, self._descriptor = False, -1
            gevent.sleep(delay)
            delay = min(delay * 2, 2.0)

    def restart(self) -> None:
        """Shut the connection down, so that the listener notices; see `Events.restart`."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as held:
                held.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Do nothing: the greenlet closes the connection when it ends; see `Events.stop`."""
