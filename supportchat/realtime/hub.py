"""Connects the database's events to the open pages of this process."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from flask import current_app
from gevent.lock import RLock

from ..database import Database, DatabaseError
from ..database.rows import Answer, IdleReport, IndexedLines, Joined, Sweep
from ..database.rows import Conversation as State
from ..rendering.fragments import Fragments, event_frame
from ..server.buckets import Buckets
from ..server.turns import give_way
from ..sites import Sites
from .allowance import Allowance, Hellos, OpenPages
from .chores import Chores
from .connection import OVERLOAD, RESTART, SIGNED_OUT, Connection, Shown
from .conversation import Conversation
from .desks import Desks
from .events import Event, Events
from .held import HeldReplies
from .kinds import KINDS, Kind
from .log import Log
from .lookers import AGAIN_SECONDS, Lookers, Looks
from .news import Found, News
from .pulse import ANSWER_SECONDS, BEAT_SECONDS, LEAST_SECONDS, Pulse
from .receipts import Receipts
from .register import Register

SWEEP_SECONDS = 2.0
FOLLOW_SECONDS = 0.1
REPORT_SECONDS = 10.0
INDEX_SECONDS = 5.0  # whoever searches has what is new written first
INDEX_STEP_SECONDS = 0.3
IDLE_SECONDS = 30.0  # between the reports of a process that nobody looks at: its only calls
# A process goes on for so long after its last page: by then the leases of those who have left have ended.
LINGER_SECONDS = 60.0
REPORT_SOON_SECONDS = 0.2
# A customer counts as here for so long after their last page: most of those who are cut off come back sooner, and
# nobody has to be told.
LEAVE_SECONDS = 5.0
MOST_MOVES = 400  # who come, or leave, in one report: more of them would be a gap for those who follow the log
REFRESH_SECONDS = 0.5
REFRESH_SHARE = 10  # no more than a tenth of the time is spent on telling those who wait of their places
LIVE_SECONDS = 25.0  # for which a report counts: two more may be lost
IDLE_LIVE_SECONDS = 75.0
COMPARED_AT_ONCE = 1000  # conversations per statement, which has 3 seconds
POLLER_SECONDS = 20.0
OF_AGENTS = ("draft.saved", "held.changed", "looking")  # of no conversation's log
UNLOGGED = ("alert.raised", "alert.ended")  # only listeners know them

log = logging.getLogger(__name__)


class Hub:
    """Keyed by conversation; the agents' desks are one more topic. Holds no state that matters."""

    def __init__(
        self,
        database: Database,
        events: Events,
        fragments: Fragments,
        sites: Sites,
        allowance: Allowance | None = None,
    ) -> None:
        """:param allowance: what pages may ask for; by default without end."""
        allowance = allowance or Allowance()
        self.process_id = str(uuid.uuid4())
        self.events = events
        self.is_stopping = False
        self.listeners: list[Callable[[Event], None]] = []  # who else wants to hear of what happens
        self._database = database
        self._fragments = fragments
        self._sites = sites
        self._conversations: dict[str, Conversation] = {}
        self._pages: dict[Connection, Conversation | None] = {}
        self._open = OpenPages(allowance)
        self._hellos = Hellos(allowance.hellos)
        self._polls: dict[tuple[str, str], float] = {}
        self._pings: dict[str, Callable[[], None]] = {}
        self._log = Log(database)
        self._following = RLock()
        self._pulse = Pulse()
        self._chores = Chores()
        self.desks = Desks(database, fragments, self._chores.soon)
        self.lookers = Lookers(database, self.process_id, self._looked_at, self._chores.soon, self._tell_looks)
        self.held = HeldReplies(database, self.offer)
        self.receipts = Receipts(database, self._chores.soon, allowance.receipts)
        self._typing, self._typing_limit = Buckets(), allowance.typing
        self._news = News()
        self._shifted_at = float("-inf")  # when those who wait, or an agent, have changed last
        self._doubtful: set[str] = set()  # conversations whose state may have changed without an event of their own
        self._refresh_seconds = REFRESH_SECONDS
        self._register = Register()
        self._refreshing = RLock()
        self._reported: set[str] = set()  # the conversations whose customers the database knows to be here
        self._missing: dict[str, float] = {}  # those of them who have no page any more, and since when
        self._reported_at = float("-inf")
        self._has_swept = False
        self._left_at = float("-inf")  # when the last page left

    # Pages

    def add(self, page: Connection) -> bool:
        """Add a page that has opened its socket. Return False if its viewer or its address has too many open.

        A stopping process accepts connections for up to a second more; such a page is told to reconnect, since its
        socket would otherwise be cut without a close code.
        """
        if self.is_stopping:
            page.close(RESTART)
            return False
        if not self._open.enter(page):
            return False
        self._follow_from_now()
        self._pages[page] = None
        if page.agent_id:
            self.desks.add(page)
        return True

    def remove(self, page: Connection) -> None:
        """Remove a page whose socket is gone."""
        self._leave(page)
        if page in self._pages:
            del self._pages[page]
            self._left_at = time.monotonic()
            self._open.leave(page)
        self.desks.discard(page)

    def find(self, **whose: Any) -> Found | None:
        """Return what a page needs that is about to show a conversation, with one call; None when there is none.

        :param whose: the arguments of `join_conversation`.
        """
        self._follow_from_now()
        asked_at = time.monotonic()
        joined: Joined | None = self._database.call("join_conversation", **whose)
        return Found(joined, asked_at, self._news) if joined else None

    def show_ticket(self, page: Connection, shown: Shown) -> None:
        """Subscribe an agent's page to the conversation of the ticket that it shows, if it shows one.

        It may have to wait for its turn among the pages of its agent.
        """
        self._hellos.wait(page)
        asked = {"number": shown.ticket, "after": shown.seq, "after_note": shown.note_no}
        page.found = self.find(**asked) if shown.ticket else None
        self.show(page, page.found.session_id if page.found else None, "agent", shown)

    def greet(self, page: Connection) -> None:
        """Wait until a customer's page may show its conversation: its turn among the pages of its browser."""
        self._hellos.wait(page)

    def show(self, page: Connection, session_id: str | None, audience: str, shown: Shown) -> None:
        """Subscribe a page to one conversation, after sending what it lacks. None: to no conversation."""
        found, page.found = page.found, None
        self._leave(page)
        if page.agent_id:
            self.desks.show(page, shown)
            self.desks.tell_looks(page, self.lookers.others(page.agent_id), session_id or "")
            self.lookers.look_around()
        if session_id is None:
            page.push(event_frame("caught_up", seq=0))
            return
        conversation = self._conversations.get(session_id)
        if conversation is None:
            conversation = Conversation(session_id, self._database, self._fragments, self._register)
            self._conversations[session_id] = conversation
        self._pages[page] = conversation
        conversation.holders += 1
        conversation.join(page, audience, shown, found)
        if found and found.asked_at <= self._shifted_at:
            self._doubtful.add(session_id)
            self._chores.soon(self._refresh_seconds, self._refresh)
        if audience == "customer":
            self.report_soon()

    def _leave(self, page: Connection) -> None:
        conversation = self._pages.get(page)
        if conversation is not None:
            conversation.leave(page)
            self._pages[page] = None
            if page.agent_id:
                self.lookers.look_around()
            conversation.holders -= 1
            if not conversation.holders:
                del self._conversations[conversation.session_id]
                self._register.note(conversation, None)
            self.report_soon()

    def acknowledge(self, page: Connection, said: Any) -> None:
        """Note how far a page says that it has received and read the conversation that it shows."""
        conversation = self._pages.get(page)
        if conversation is not None and conversation.state is not None:
            self.receipts.say(page, conversation.state, said)

    def _looked_at(self) -> set[tuple[str, str]]:
        shown = ((page.agent_id, self._pages.get(page)) for page in self.desks.pages)
        return {(conversation.session_id, agent_id) for agent_id, conversation in shown if conversation is not None}

    def _tell_looks(self, looks: Looks) -> None:
        for page in list(self.desks.pages):
            conversation = self._pages.get(page)
            self.desks.tell_looks(page, looks, conversation.session_id if conversation else "")

    def say_typing(self, page: Connection, epoch: Any, mode: Any = "reply") -> None:
        """Tell others that somebody is typing at a page; `epoch` says in which conversation.

        :param mode: what an agent types, 'reply' or 'note': of a note only the desks are told.
        """
        conversation = self._pages.get(page)
        if conversation is None or conversation.state is None or conversation.state["epoch"] != epoch:
            return
        if self._typing.take(page.viewer, self._typing_limit):
            return
        who = {"agent_id": page.agent_id, "number": conversation.number}
        with contextlib.suppress(DatabaseError):  # it is said again in two seconds
            if page.agent_id:
                self.lookers.say_writing(conversation.session_id, page.agent_id, "note" if mode == "note" else "reply")
            if page.agent_id and mode == "note":
                return
            self._database.call("signal_typing", **(who if page.agent_id else {"visitor": page.token_hash}))

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
                {
                    "event": "message.posted",
                    "session_id": answer["session_id"],
                    "detail": {"seq": row["seq"]},
                    "row": row,
                }
            )
        if answer["session_id"] in self._conversations:
            gevent.sleep(0)  # the other side waits for it more than who has written it does for the answer

    def on_event(self, event: Event) -> None:
        """Handle an event from the database, or the hint of one in the log."""
        kind = event["event"]
        if kind == "ping":
            answer = self._pings.pop(event["nonce"], None)
            if answer is not None:
                answer()
        elif kind == "heartbeat":
            self._pulse.hear(event["beat"])
        elif kind == "log.grew":
            self._chores.soon(0, self.follow)
        elif kind == "typing":
            self._to_conversation(event)
        elif kind in OF_AGENTS:
            self._hear_agents(event)
        elif kind in UNLOGGED:
            self._to_listeners(event)
        elif "id" not in event or self._log.is_new(event):
            self._apply(event)
            if self._pages and self._log.is_half_full:
                self._chores.soon(FOLLOW_SECONDS, self._follow_in_time)

    def _hear_agents(self, event: Event) -> None:
        if event["event"] == "looking":
            self.lookers.hear(event["process"], event["looks"])
        elif event["event"] == "held.changed":
            said = {"number": event["number"], "reply": event["reply"], "state": event["state"]}
            self.desks.tell_held(event["agent_id"] or "", said)
        else:
            self.desks.tell_drafts(event["agent_id"] or "", event["page"])

    def _apply(self, event: Event) -> None:
        kind = KINDS.get(event["event"])
        if kind is None:
            return  # of another version
        if kind.ends_session:
            self._sign_out({event["detail"]["token_hash"]})
        if kind.makes_stale or kind.patches_state:
            self._to_conversation(event)
        if kind.touches_sites:
            self._sites.forget()
        if kind.touches_every_row:
            self.desks.refresh_all()
        if kind.touches_agent:
            self._doubtful |= self._register.with_agent(event["agent_id"])
        if kind.touches_waiting or kind.touches_agent:
            self._shifted_at = time.monotonic()
            self._chores.soon(self._refresh_seconds, self._refresh)
        self._to_desks(kind, event)
        self._to_listeners(event)

    def _to_listeners(self, event: Event) -> None:
        for listen in self.listeners:
            listen(event)

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
        session_id = event.get("session_id") or ""
        self._news.hear(session_id)
        conversation = self._conversations.get(session_id)
        if conversation is not None:
            conversation.hint(event)

    def _to_desks(self, kind: Kind, event: Event) -> None:
        session_id, detail = event.get("session_id") or "", event.get("detail", {})
        if kind.touches_row:
            self.desks.touch(session_id, [detail["had"]] if "had" in detail else detail.get("agents", ()))
        if kind.touches_agent:
            self.desks.agent_changed(event["agent_id"])
        if "read_lines" in detail:
            self.desks.mark(event["agent_id"] or "", session_id, detail["read_lines"])

    def _refresh(self) -> None:
        """Tell those who wait how they have moved up, and look at what is in doubt. Once for a burst of changes."""
        began = time.monotonic()
        doubtful, self._doubtful = self._doubtful, set()
        try:
            self._compare(doubtful)
            self._move_up()
        except DatabaseError:
            self._doubtful |= doubtful
            self._chores.soon(SWEEP_SECONDS, self._refresh)
            raise
        finally:
            self._refresh_seconds = max(REFRESH_SECONDS, REFRESH_SHARE * (time.monotonic() - began))

    def _move_up(self) -> None:
        with self._refreshing:  # what is read first is told first
            if not self._register.has_waiting:
                return
            for conversation, told in self._register.moved(self._database.call("waiting_line")):
                give_way()
                conversation.stand(told)

    def _compare(self, session_ids: set[str]) -> None:
        ids = sorted(session_ids & self._conversations.keys())
        states: dict[str, State] = {}
        for start in range(0, len(ids), COMPARED_AT_ONCE):
            some = self._database.call("conversations", session_ids=ids[start : start + COMPARED_AT_ONCE])
            states |= {state["session_id"]: state for state in some}
        for session_id in set(ids) & self._conversations.keys():
            if session_id in states:
                self._conversations[session_id].compare(states[session_id])
            else:
                self._conversations[session_id].reset()

    # What happens by itself

    def start(self) -> None:
        """Start listening, sweeping, and reporting this process."""
        self._chores.spawn(self.events.run, self._hear, self._after_gap)
        self._chores.every(SWEEP_SECONDS, self.sweep)
        self._chores.every(REPORT_SECONDS, self.report)
        self._chores.every(BEAT_SECONDS, self.beat)
        self._chores.every(AGAIN_SECONDS, self.lookers.say_looks_again)
        self._chores.every(INDEX_SECONDS, self.index_lines)

    def stop(self) -> None:
        """Close every socket so that its page reconnects at once, and stop what `start` started."""
        self.is_stopping = True
        self.close_pages(RESTART)
        self.events.stop()
        self._chores.stop()
        try:
            self._database.call("forget_process", process_id=self.process_id)
        except DatabaseError as error:
            log.warning("could not sign off: %s", error)

    @property
    def _is_idle(self) -> bool:
        """Whether nobody looks at a page of this process, or has just done so."""
        if self._pages or self._polling("session") or self._polling("agent"):
            return False
        return time.monotonic() - self._left_at > LINGER_SECONDS

    def sweep(self) -> None:
        """Follow the log, for what no event has announced, and give waiting tickets to who can take them.

        If one of them fails, the other still runs.
        """
        if self._is_idle:
            self._log.forget()  # the first page to come finds everything in the database
            return
        self._chores.attempt(self.follow)
        for conversation in list(self._conversations.values()):
            conversation.wake()  # who could not read what is new, tries again
        self._chores.attempt(self._sweep_assignment)

    def _follow_from_now(self) -> None:
        # From here on nothing is missed: what a page is about to read is at least as new.
        if not self._pages and not self._log.is_followed:
            self._chores.attempt(self._begin_to_follow)

    def _begin_to_follow(self) -> None:
        self._log.read()
        self._news.miss()

    def follow(self) -> None:
        """Apply what the log has gained, heard of or not; after a gap, look at everything."""
        with self._following:
            events = self._log.read()
            if events is None:
                self._look_at_everything()
            for event in events or []:
                self._apply(event)

    def _follow_in_time(self) -> None:
        # Not at the next sweep: so much would have happened by then that every desk would read its whole queue.
        if self._log.is_half_full:
            self.follow()

    def _look_at_everything(self) -> None:
        self._news.miss()
        try:
            self._compare(set(self._conversations))
        except DatabaseError:
            self._log.forget()  # so that the next sweep does it
            raise
        self.desks.refresh_all()
        self.report_soon()  # which finds the logins that have ended

    def _sweep_assignment(self) -> None:
        had_swept, self._has_swept = self._has_swept, False
        self._note_sweep(self._database.call("sweep_assignment"))
        if not had_swept:
            self.report_soon()

    def _note_sweep(self, done: Sweep | None) -> None:
        self._has_swept = True
        if done and done["held_due"]:
            self._chores.soon(0, self.held.send_overdue)
        if done and (done["returned"] or done["assigned"]):
            log.info("tickets returned to the queue: %(returned)d, assigned from it: %(assigned)d", done)

    def beat(self) -> None:
        """Send a heartbeat through the events, one for all processes, and reconnect if none arrives."""
        if not self._is_idle:
            self._expect_beat(self._database.call("send_heartbeat", seconds=LEAST_SECONDS)["beat"])

    def _expect_beat(self, beat: int) -> None:
        if self._pulse.expect(beat):
            gevent.spawn_later(ANSWER_SECONDS, self._check_pulse, beat)

    def _check_pulse(self, beat: int) -> None:
        if not self._pulse.is_missing(beat) or self.is_stopping:
            return
        self._pulse.forgive()
        if self.events.is_connected:
            log.warning("events have gone silent: listening anew")
            self.events.restart()

    def index_lines(self) -> None:
        """Have search know what was written, and step by step what was there before it."""
        if not self._is_idle:
            done: IndexedLines | None = self._database.call("index_lines")
            if done and done["more"]:
                self._chores.soon(INDEX_STEP_SECONDS, self.index_lines)

    def report(self) -> None:
        """Tell the database which customers and agents have pages here, and close those of logins that have ended.

        While nobody looks, this is the only call that a process makes, and it makes it rarely.
        """
        is_idle = self._is_idle
        if is_idle and not self._reported and time.monotonic() - self._reported_at < IDLE_SECONDS - REPORT_SECONDS / 2:
            return
        agents = {page.token_hash for page in self.desks.pages} | self._polling("agent")
        here = self._register.here | self._polling("session")
        came, left = sorted(here - self._reported)[:MOST_MOVES], sorted(self._gone(here))[:MOST_MOVES]
        answer: IdleReport = self._database.call(
            "report_process",
            process_id=self.process_id,
            sockets=self.sockets,
            came=came,
            left=left,
            token_hashes=sorted(agents),
            seconds=IDLE_LIVE_SECONDS if is_idle else LIVE_SECONDS,
            swept=self._has_swept,
            is_idle=is_idle,
        )
        self._reported_at = time.monotonic()
        is_complete = answer["known"] or not self._reported
        self._reported = (self._reported | set(came)) - set(left) if is_complete else set()
        if not is_complete or MOST_MOVES in (len(came), len(left)):
            self.report_soon()
        if ended := agents.difference(answer["good"]):
            self._sign_out(ended)
        if is_idle:
            self._note_sweep(answer["sweep"])
            self._expect_beat(answer["beat"])
            if answer["alerts_due"]:
                self._to_listeners({"event": "alerts.due"})
        elif answer["came"]:
            self._sweep_assignment()

    def _gone(self, here: set[str]) -> list[str]:
        """Return the customers who have left and not come back in time; report the others when their time is over."""
        now = time.monotonic()
        self._missing = {session_id: self._missing.get(session_id, now) for session_id in self._reported - here}
        gone = [session_id for session_id, since in self._missing.items() if now - since >= LEAVE_SECONDS]
        if len(gone) < len(self._missing):
            waited = now - min(since for since in self._missing.values() if now - since < LEAVE_SECONDS)
            self._chores.soon(LEAVE_SECONDS - waited + REPORT_SOON_SECONDS, self._report_left)
        return gone

    def _report_left(self) -> None:
        self.report()

    def report_soon(self) -> None:
        """Report soon: somebody has come online, who can get tickets or be seen, or has left."""
        self._chores.soon(REPORT_SOON_SECONDS, self.report)

    def _after_gap(self) -> None:
        self._pulse.forgive()
        self._chores.soon(0, self.sweep)

    @property
    def overload_code(self) -> int:
        """The close of a page that cannot be served now: it reconnects."""
        return RESTART if self.is_stopping else OVERLOAD


def current_hub() -> Hub:
    """Return the hub of the app that serves this request."""
    hub: Hub = current_app.extensions["hub"]
    return hub
