"""When a process brings alerts up to date: once it has heard of what decides who is told, and when something is due.

The database decides everything (`advance_alerts`), for all processes once. Nothing is asked for at intervals.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Set as AbstractSet
from typing import Any

from gevent.event import Event as Signal

from ..database import Database, DatabaseError
from ..database.rows import AdvancedAlerts, AlertedOf
from ..realtime.connection import Connection
from ..realtime.events import Event
from ..rendering.fragments import Fragments, event_frame
from . import words
from .keys import PushKeys
from .sender import Sender

SETTLE_SECONDS = 1.0  # by then who looks at the ticket has read it, and nobody need be told
# A look is followed by a rest of so many times its own length: with very much to tell, the next one takes in more. The
# second is for a look that could not take in all.
REST_SHARE, REST_SHARE_BEHIND = 20, 1
LONGEST_REST_SECONDS = 2.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
NEVER = float("inf")
CHANGES = ("ticket.opened", "ticket.changed", "mention.added", "mention.read")

log = logging.getLogger(__name__)


class Ladder:
    """Wakes at the next moment at which there is something to do, and tells the open pages of this process."""

    def __init__(
        self,
        database: Database,
        fragments: Fragments,
        keys: PushKeys,
        sender: Sender,
        desks: AbstractSet[Connection],
    ) -> None:
        """:param desks: the open pages of agents."""
        self._database = database
        self._fragments = fragments
        self._keys = keys
        self._sender = sender
        self._desks = desks
        self._due_at = NEVER
        self._rests_until = 0.0
        self._wait = FIRST_WAIT_SECONDS
        self._woken = Signal()
        self._troubled = False

    def run(self) -> None:
        """Work until the process ends."""
        self.wake(0)
        while True:
            left = self.due_in
            if left > 0:
                self._woken.wait(None if left == NEVER else left)
                self._woken.clear()
            else:
                self.attempt()

    @property
    def due_in(self) -> float:
        """In how many seconds it looks next; infinity for not before it hears of something."""
        return max(self._due_at, self._rests_until) - time.monotonic()

    def wake(self, seconds: float = 0) -> None:
        """Have it look after so many seconds, or sooner."""
        self._due_at = min(self._due_at, time.monotonic() + seconds)
        self._woken.set()

    def hear(self, event: Event) -> None:
        """Take in what has happened: see `Hub.listeners`."""
        kind = event["event"]
        if kind == "alert.raised":
            self._tell_raised(event)
        elif kind == "alert.ended":
            self._tell_ended(event)
        elif kind == "alerts.due":
            self.wake()
        elif _decides(event):
            self._wait = FIRST_WAIT_SECONDS
            self.wake(SETTLE_SECONDS)

    def attempt(self) -> None:
        """Look once, and rest; what went wrong is tried again."""
        began, self._due_at = time.monotonic(), NEVER
        try:
            self._keys.make()
            self.advance()
            self._troubled = False
        except DatabaseError as error:
            if not self._troubled:
                log.warning("alerts have to wait: %s", error)
            self._troubled = True
            self._wait_longer()
        except Exception:
            log.exception("alerts could not be brought up to date")
            self._wait_longer()
        ended = time.monotonic()
        share = REST_SHARE_BEHIND if self._due_at <= ended else REST_SHARE
        self._rests_until = ended + min(share * (ended - began), LONGEST_REST_SECONDS)

    def advance(self) -> None:
        """Bring the alerts up to date, and see to it that what is due is sent.

        :raise DatabaseError: when it cannot be done now.
        """
        done: AdvancedAlerts = self._database.call("advance_alerts")
        if done["due"]:
            self._sender.send_soon(self.wake_for_more)
        if done["is_held_up"]:
            self._wait_longer()
        if done["next_in"] is not None:
            self.wake(done["next_in"])

    def wake_for_more(self) -> None:
        """Look when the next one is due: some may have to be tried again."""
        self.wake(0.1)

    def _wait_longer(self) -> None:
        # Another process is at it, or somebody's transaction holds the log up: for long, perhaps.
        self.wake(self._wait)
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)

    # The open pages

    def _tell_raised(self, event: Event) -> None:
        told: dict[str, dict[str, bool]] = event["agents"]
        frames: dict[tuple[Any, ...], str] = {}
        for page in [page for page in self._desks if page.agent_id in told and page.view]:
            wants = told[page.agent_id]
            kind = page.language, *wants.items()
            if kind not in frames:
                frames[kind] = self._alert_frame(event["about"], wants, page.language)
            page.push(frames[kind])

    def _alert_frame(self, about: AlertedOf, wants: dict[str, bool], language: str) -> str:
        with self._fragments.in_language(language):
            content = words.shown(about, with_text=wants["text"])
        return event_frame("alert", **content, sound=wants["sound"], desktop=wants["desktop"], number=about["number"])

    def _tell_ended(self, event: Event) -> None:
        frame = event_frame("alert_ended", tag=words.tag_of(event["about"]["number"]))
        for page in [page for page in self._desks if page.agent_id in event["agents"] and page.view]:
            page.push(frame)


def _decides(event: Event) -> bool:
    match event["event"]:
        case "message.posted":
            return event.get("actor") == "customer"
        case "receipt.recorded":
            return bool(event.get("agent_id"))
    return event["event"] in CHANGES
