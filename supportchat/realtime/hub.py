"""Connects the database's events to the open pages of this process."""

from __future__ import annotations

import itertools
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from flask import current_app

from ..database import Database, DatabaseError
from ..database.rows import Answer, Head, ProcessReport, Sweep
from ..rendering.fragments import Fragments, event_frame
from ..server.hosts import is_loopback
from .connection import OVERLOAD, RESTART, SIGNED_OUT, Connection, Shown
from .conversation import Conversation
from .events import Event, Events
from .pulse import ANSWER_SECONDS, BEAT_SECONDS, IDLE_LEAST_SECONDS, LEAST_SECONDS, Pulse

SWEEP_SECONDS = 2.0
REPORT_SECONDS = 10.0
REPORT_SOON_SECONDS = 0.2
REFRESH_SECONDS = 0.5
FULL_SWEEP_EVERY = 5  # sweeps: presence and queue positions change without an event
COMPARED_AT_ONCE = 1000  # conversations per statement, which has 3 seconds
PAGES_PER_VIEWER = 20
PAGES_PER_ADDRESS = 500
POLLER_SECONDS = 20.0
QUEUE_CHANGED = event_frame("queue_changed")
QUEUE_EVENTS = {"message.posted", "note.added", "ticket.changed", "agent.changed"}

log = logging.getLogger(__name__)


class Hub:
    """Keyed by conversation; the agents' desks are one more topic. Holds no state that matters."""

    def __init__(self, database: Database, events: Events, fragments: Fragments) -> None:
        self.process_id = str(uuid.uuid4())
        self.events = events
        self.is_stopping = False
        self._database = database
        self._fragments = fragments
        self._conversations: dict[str, Conversation] = {}
        self._pages: dict[Connection, Conversation | None] = {}
        self._counts: Counter[str] = Counter()
        self._desks: set[Connection] = set()
        self._polls: dict[tuple[str, str], float] = {}
        self._pings: dict[str, Callable[[], None]] = {}
        self._desk_fingerprint: Any = None
        self._pulse = Pulse()
        self._troubles: dict[str, str] = {}
        self._due: set[str] = set()
        self._has_swept = False
        self._tasks: list[gevent.Greenlet[..., Any]] = []

    # Pages

    def add(self, page: Connection) -> bool:
        """Add a page that has opened its socket. Return False if its viewer or its address has too many open.

        A stopping process accepts connections for up to a second more; such a page is told to reconnect, since its
        socket would otherwise be cut without a close code.
        """
        if self.is_stopping:
            page.close(RESTART)
            return False
        limits = self._counted(page)
        if any(self._counts[key] >= limit for key, limit in limits.items()):
            return False
        self._counts.update(limits.keys())
        self._pages[page] = None
        if page.agent_id:
            self._desks.add(page)
        return True

    @staticmethod
    def _counted(page: Connection) -> dict[str, int]:
        limits = {page.viewer: PAGES_PER_VIEWER}
        if page.address and not is_loopback(page.address):  # our own proxy, which all connections come from
            limits[page.address] = PAGES_PER_ADDRESS
        return limits

    def remove(self, page: Connection) -> None:
        """Remove a page whose socket is gone."""
        self._leave(page)
        if page in self._pages:
            del self._pages[page]
            for key in self._counted(page):
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
        self._desks.discard(page)

    def show(self, page: Connection, session_id: str | None, audience: str, shown: Shown) -> None:
        """Subscribe a page to one conversation, after sending what it lacks. None: to no conversation."""
        self._leave(page)
        if session_id is None:
            page.push(event_frame("caught_up", seq=0))
            return
        conversation = self._conversations.get(session_id)
        if conversation is None:
            conversation = self._conversations[session_id] = Conversation(session_id, self._database, self._fragments)
        self._pages[page] = conversation
        conversation.holders += 1
        conversation.join(page, audience, shown)
        if audience == "customer":
            self.report_soon()

    def _leave(self, page: Connection) -> None:
        conversation = self._pages.get(page)
        if conversation is not None:
            conversation.leave(page)
            self._pages[page] = None
            conversation.holders -= 1
            if not conversation.holders:
                del self._conversations[conversation.session_id]
            self.report_soon()

    def saw_poll(self, kind: str, viewer: str) -> None:
        """Count a viewer without a socket as online: kind 'session' with its id, or 'agent' with the token hash."""
        self._polls[kind, viewer] = time.monotonic()

    def _polling(self, kind: str) -> set[str]:
        limit = time.monotonic() - POLLER_SECONDS
        self._polls = {key: seen for key, seen in self._polls.items() if seen > limit}
        return {viewer for of_kind, viewer in self._polls if of_kind == kind}

    def close_pages(self, code: int, pages: Iterable[Connection] | None = None) -> None:
        """Close the sockets of some pages, by default of all."""
        for page in list(self._pages if pages is None else pages):
            page.close(code)

    @property
    def sockets(self) -> int:
        """Return the number of pages with an open socket."""
        return len(self._pages)

    def _sign_out(self, token_hashes: set[str]) -> None:
        self.close_pages(SIGNED_OUT, [page for page in self._pages if page.token_hash in token_hashes])

    # Events

    def offer(self, answer: Answer) -> None:
        """Deliver what this process has just written, without waiting for the event."""
        for row in answer["messages"]:
            self._to_conversation(
                {"event": "message.posted", "session_id": answer["session_id"], "seq": row["seq"], "row": row}
            )

    def on_event(self, event: Event) -> None:
        """Handle an event from the database."""
        kind = event["event"]
        if kind == "ping":
            answer = self._pings.pop(event["nonce"], None)
            if answer is not None:
                answer()
        elif kind == "heartbeat":
            self._pulse.hear(event["beat"])
        elif kind == "session.revoked":
            self._sign_out({event["token_hash"]})
        else:
            self._to_conversation(event)
            if kind in QUEUE_EVENTS:
                self._queue_changed()
            if kind == "ticket.changed":
                self._refresh_waiting()

    def _hear(self, event: Event) -> None:
        try:
            self.on_event(event)
        except Exception:
            # An event that we cannot handle must not be the last one that we receive.
            log.exception("this event was not understood: %s", event.get("event"))

    def expect_ping(self, nonce: str, answer: Callable[[], None]) -> None:
        """Call `answer` when the ping event with this nonce arrives."""
        self._pings[nonce] = answer

    def forget_ping(self, nonce: str) -> None:
        """Stop waiting for a ping."""
        self._pings.pop(nonce, None)

    def _to_conversation(self, event: Event) -> None:
        conversation = self._conversations.get(event.get("session_id", ""))
        if conversation is not None:
            conversation.hint(event)

    def _queue_changed(self) -> None:
        for page in self._desks:
            page.push_once(QUEUE_CHANGED)

    def _refresh_waiting(self) -> None:
        # Everyone behind a served customer moves up. One query for all of them, and for a burst of changes.
        self._soon(REFRESH_SECONDS, self._compare_waiting)

    def _compare_waiting(self) -> None:
        self._compare(
            "conversations",
            [c for c in self._conversations.values() if c.state is not None and c.state["status"] == "waiting"],
        )

    def _compare(self, function: str, conversations: Iterable[Conversation]) -> None:
        asked = {conversation.session_id for conversation in conversations}
        if not asked:
            return
        ids = sorted(asked)
        heads: dict[str, Head] = {}
        for start in range(0, len(ids), COMPARED_AT_ONCE):
            some = self._database.call(function, session_ids=ids[start : start + COMPARED_AT_ONCE])
            heads |= {head["session_id"]: head for head in some}
        for session_id in asked & self._conversations.keys():
            if session_id in heads:
                self._conversations[session_id].compare(heads[session_id])
            else:
                self._conversations[session_id].reset()

    # What happens by itself

    def start(self) -> None:
        """Start listening, sweeping, and reporting this process."""
        self._tasks = [
            gevent.spawn(self.events.run, self._hear, self._after_gap),
            gevent.spawn(self._every, SWEEP_SECONDS, self.sweep),
            gevent.spawn(self._every, REPORT_SECONDS, self.report),
            gevent.spawn(self._every, BEAT_SECONDS, self.beat),
        ]

    def stop(self) -> None:
        """Close every socket so that its page reconnects at once, and stop what `start` started."""
        self.is_stopping = True
        self.close_pages(RESTART)
        self.events.stop()
        gevent.killall(self._tasks)
        try:
            self._database.call("forget_process", process_id=self.process_id)
        except DatabaseError as error:
            log.warning("could not sign off: %s", error)

    def sweep(self, count: int = 0) -> None:
        """Find what no event has announced: missed lines, states, waiting tickets, ended logins, the queue.

        If one of them fails, the others still run.
        """
        function = "conversations" if count % FULL_SWEEP_EVERY == 0 else "conversation_heads"
        self._try(self._compare, function, list(self._conversations.values()))
        self._try(self._sweep_assignment)
        if self._desks:
            self._try(self._sweep_desks)

    def _sweep_assignment(self) -> None:
        had_swept, self._has_swept = self._has_swept, False
        done: Sweep | None = self._database.call("sweep_assignment")
        self._has_swept = True
        if not had_swept:
            self.report_soon()
        if done and (done["returned"] or done["assigned"]):
            log.info("tickets returned to the queue: %(returned)d, assigned from it: %(assigned)d", done)

    def _sweep_desks(self) -> None:
        hashes = {page.token_hash for page in self._desks}
        self._sign_out(hashes.difference(self._database.call("good_sessions", token_hashes=sorted(hashes))))
        fingerprint = self._database.call("desk_fingerprint")
        if fingerprint != self._desk_fingerprint:
            self._desk_fingerprint = fingerprint
            self._queue_changed()

    def beat(self, count: int = 0) -> None:
        """Send a heartbeat through the events, one for all processes, and reconnect if none arrives."""
        if not self._pages and not self._pulse.is_due():
            return
        least = LEAST_SECONDS if self._pages else IDLE_LEAST_SECONDS
        beat = self._database.call("send_heartbeat", seconds=least)["beat"]
        if self._pulse.expect(beat):
            gevent.spawn_later(ANSWER_SECONDS, self._check_pulse, beat)

    def _check_pulse(self, beat: int) -> None:
        if not self._pulse.is_missing(beat) or self.is_stopping:
            return
        self._pulse.forgive()
        if self.events.is_connected:
            log.warning("events have gone silent: listening anew")
            self.events.restart()

    def report(self, count: int = 0) -> None:
        """Tell the database which conversations and agents have sockets here, and close those it no longer knows."""
        agents = {page.token_hash for page in self._desks} | self._polling("agent")
        here = {c.session_id for c in self._conversations.values() if c.pages["customer"]} | self._polling("session")
        answer: ProcessReport = self._database.call(
            "report_process",
            process_id=self.process_id,
            sockets=self.sockets,
            sessions=sorted(here),
            token_hashes=sorted(agents),
            swept=self._has_swept,
        )
        self._sign_out(agents.difference(answer["good"]))
        if answer["came"]:
            self._sweep_assignment()

    def report_soon(self) -> None:
        """Report soon: somebody has come online, who can get tickets or be seen, or has left."""
        self._soon(REPORT_SOON_SECONDS, self.report)

    def _soon(self, seconds: float, task: Callable[[], None]) -> None:
        # Once for a burst of reasons.
        if task.__name__ not in self._due and not self.is_stopping:
            self._due.add(task.__name__)
            gevent.spawn_later(seconds, self._run_due, task)

    def _run_due(self, task: Callable[[], None]) -> None:
        self._due.remove(task.__name__)
        self._try(task)

    def _after_gap(self) -> None:
        self._pulse.forgive()
        gevent.spawn(self._try, self.sweep, 0)

    def _every(self, seconds: float, task: Callable[[int], None]) -> None:
        for count in itertools.count():
            worked = self._try(task, count)
            # Soon after a failure: leases that were not renewed run out. With jitter, so that the processes do
            # not all ask at the same moment.
            gevent.sleep((seconds if worked else min(seconds, SWEEP_SECONDS)) * random.uniform(0.8, 1.2))  # noqa: S311

    def _try(self, task: Callable[..., None], *arguments: Any) -> bool:
        name, trouble, worked = task.__name__.lstrip("_"), "", False
        try:
            task(*arguments)
            worked = True
        except DatabaseError as error:
            trouble = str(error)
        except Exception:
            # An exception would end it for good.
            log.exception("%s failed", name)
        if trouble != self._troubles.get(name, ""):
            # Once, not every two seconds while it lasts.
            log.warning(*("%s has to wait: %s", name, trouble) if trouble else ("%s works again", name))
        self._troubles[name] = trouble
        return worked

    @property
    def overload_code(self) -> int:
        """The close of a page that cannot be served now: it reconnects."""
        return RESTART if self.is_stopping else OVERLOAD


def current_hub() -> Hub:
    """Return the hub of the app that serves this request."""
    hub: Hub = current_app.extensions["hub"]
    return hub
