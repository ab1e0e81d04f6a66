"""A conversation that is open in pages of this process: what they have been sent, and how they get the rest."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Any, cast

import gevent
from gevent.lock import RLock

from ..database import Database, DatabaseError
from ..database.batches import is_cut
from ..database.rows import Conversation as State
from ..database.rows import Detail, Joined, Message, Note, Visit
from ..rendering.fragments import Fragments, event_frame
from ..rendering.languages import ENGLISH
from .connection import OVERLOAD, Connection, Shown
from .events import Event
from .kinds import KINDS
from .news import Found
from .register import Register, Told

CATCH_UP_LIMIT = 200
AUDIENCES = ("customer", "agent")
RESET = event_frame("reset")
ERASED = event_frame("erased")
MARKS = frozenset({"customer_delivered_seq", "customer_read_seq", "agent_delivered_seq", "agent_read_seq"})


class Conversation:
    """Delivers each line once and in order to every page that shows the conversation.

    Hints say that there is something new, and may contain it. `last_seq` decides: a hint that continues it is delivered
    as it is; anything else is read from the database.
    """

    def __init__(self, session_id: str, database: Database, fragments: Fragments, register: Register) -> None:
        """:param register: where its state is noted, and whether a customer's page shows it."""
        self.session_id = session_id
        self.pages: dict[str, set[Connection]] = {audience: set() for audience in AUDIENCES}
        self.holders = 0  # pages that show it, or are about to
        self.state: State | None = None
        self.number = 0  # of its ticket
        self.last_seq = 0
        self.last_note_no = 0
        self._database = database
        self._fragments = fragments
        self._register = register
        self._hints: dict[int, Message | None] = {}
        self._is_stale = {"messages": False, "notes": False, "visit": False, "state": False}
        self._lock = RLock()
        self._is_working = False
        self._read_at = float("-inf")

    @property
    def is_shown(self) -> bool:
        """Whether any page shows it."""
        return any(self.pages.values())

    def join(self, page: Connection, audience: str, shown: Shown, found: Found | None = None) -> None:
        """Send a page what it does not show yet, then everything new.

        A page that is too far behind, or whose history differs from the database's, is told to reload.

        :param found: what was read of it before; it is read again if anything has come since.
        :raise DatabaseError: if the rest cannot be read; then the page has not joined.
        """
        with self._lock:
            joined = found.joined if found and self._is_current(found) else self._read_for(audience, shown)
            if joined is None or shown.epoch not in (None, joined["conversation"]["epoch"]):
                page.push(RESET)
                return
            state, lines, notes = joined["conversation"], joined["messages"], joined["notes"]
            if state["erased_at"] and audience == "customer":
                page.push(ERASED)
                return
            if self._is_other_history(state):
                self.reset()
            if shown.seq < state["last_seq"] and (not lines or lines[0]["seq"] > max(shown.seq, 1)):
                lines = self._read_after(shown.seq - 1)
            # The page's last line shows whether its history is ours.
            moments = {line["seq"]: line["created_at"] for line in lines} | {state["last_seq"]: joined["last_at"]}
            is_another = shown.seq and not _is_when(shown.at, moments.get(shown.seq))
            if is_another or state["last_seq"] - shown.seq > CATCH_UP_LIMIT:
                page.push(RESET)
                return
            if not self.is_shown:
                self.last_seq, self.last_note_no = state["last_seq"], state["last_note_no"]
            page.last_seq, page.last_note_no = shown.seq, shown.note_no
            page.language = shown.language or ENGLISH
            self._show_state(state)
            self.pages[audience].add(page)
            if audience == "customer":
                self._register.here.add(self.session_id)
            # Its other pages may lack what this query found.
            self.compare(state)
            if audience == "agent" and joined["visit"] is not None:
                with self._fragments.in_language(page.language):
                    page.push(self._fragments.visit_frame(self.number, joined["visit"]))
            page.refill = functools.partial(self._go_on, page, audience)
            self._catch_up(page, audience, lines, notes)

    def _go_on(self, page: Connection, audience: str) -> None:
        try:
            with self._lock:
                self._catch_up(page, audience, self._read_after(page.last_seq))
        except DatabaseError:
            page.close(OVERLOAD)

    def _catch_up(self, page: Connection, audience: str, lines: list[Message], notes: list[Note] | None = None) -> None:
        """Send a page the next batch. It asks for more itself once it has taken it.

        :param notes: the next ones, if they have been read already.
        """
        new = [line for line in lines if line["seq"] > page.last_seq]
        if new:
            with self._fragments.in_language(page.language):
                page.push(self._fragments.messages_frame(audience, self.number, new))
            page.last_seq = new[-1]["seq"]
        if is_cut(lines):
            return
        if audience == "agent":
            notes = self._read_notes(page.last_note_no) if notes is None else notes
            if notes:
                with self._fragments.in_language(page.language):
                    page.push(self._fragments.notes_frame(self.number, notes))
                page.last_note_no = notes[-1]["note_no"]
            if is_cut(notes):
                return
        page.refill = None
        if self.state is not None:
            for frame in self._fragments.state_frames(audience, page.language, self.state):
                page.push(frame)
        page.push(event_frame("caught_up", seq=page.last_seq))

    def leave(self, page: Connection) -> None:
        """Stop sending to a page."""
        page.refill = None
        for pages in self.pages.values():
            pages.discard(page)
        if not self.pages["customer"]:
            self._register.here.discard(self.session_id)

    def hint(self, event: Event) -> None:
        """Handle an event of this conversation."""
        if event["event"] == "typing":
            self._send_typing(event)
            return
        kind = KINDS[event["event"]]
        if kind.patches_state:
            self._patch_state(event["detail"])
        if kind.makes_stale == "messages":
            if self.state is not None and event["detail"]["seq"] <= self.last_seq:
                return  # delivered: this process has written it
            self._hints[event["detail"]["seq"]] = event.get("row")
        if kind.makes_stale is not None:
            self._is_stale[kind.makes_stale] = True
        self.wake()

    def compare(self, state: State) -> None:
        """Find what no event has told: `state` is the conversation as the database has it, or had it a moment ago."""
        if self.state is None:
            return  # its first page is about to join, and reads everything itself
        if self._is_other_history(state):
            self.reset()
            return
        if state["last_seq"] > self.last_seq:
            self._is_stale["messages"] = True
        if self.pages["agent"] and state["last_note_no"] > self.last_note_no:
            self._is_stale["notes"] = True
        # Not shown directly: an event may have brought a newer state since.
        if state != self.state:
            self._is_stale["state"] = True
        self.wake()

    def stand(self, told: Told) -> None:
        """Show a place in line that was read a moment ago, and whether an agent is here."""
        somebody_here, place = told
        if self._is_working or self._lock.locked():
            # What is being read may be older, or newer.
            self._is_stale["state"] = True
            self.wake()
        elif self.state and self.state["status"] == "waiting" and bool(self.state["queue_position"]) == bool(place):
            self._patch_state({"somebody_here": somebody_here, "queue_position": place})

    def wake(self) -> None:
        """Read what is stale. One greenlet at a time, so that a burst becomes one read."""
        if not self._is_working and any(self._is_stale.values()):
            self._is_working = True
            gevent.spawn(self._work)

    def _work(self) -> None:
        stale = self._is_stale
        try:
            with self._lock:
                while any(self._is_stale.values()):
                    stale, self._is_stale = self._is_stale, dict.fromkeys(self._is_stale, False)
                    if stale["messages"]:
                        self._deliver_messages()
                    if stale["notes"]:
                        self._deliver_notes()
                    if stale["visit"] and self.pages["agent"]:
                        self._show_visit(self._read_visit())
                    if stale["state"]:
                        self._take_state(self._read_state())
        except DatabaseError:
            # Stale still: the next sweep wakes it again.
            self._is_stale = {what: stale[what] or self._is_stale[what] for what in stale}
        finally:
            self._is_working = False

    def _deliver_messages(self) -> None:
        hints, self._hints = self._hints, {}
        new = sorted(seq for seq in hints if seq > self.last_seq)
        if hints and not new:
            return  # everything has been delivered
        lines = [line for seq in new if (line := hints[seq]) is not None]
        if not lines or [line["seq"] for line in lines] != list(range(self.last_seq + 1, new[-1] + 1)):
            lines = self._read_after(self.last_seq)
            self._is_stale["messages"] |= is_cut(lines)
        self._send_lines(lines)

    def _send_lines(self, lines: list[Message]) -> None:
        # First to the side that waits for them: whoever has written the last one knows it.
        from_agent = bool(lines) and lines[-1]["sender"] == "agent"
        for audience in AUDIENCES if from_agent else reversed(AUDIENCES):
            # One frame per page: two hundred would fill its outbox. Pages that lack the same lines share it.
            for (last_seq, language), pages in self._behind(audience, "last_seq").items():
                if new := [line for line in lines if line["seq"] > last_seq]:
                    with self._fragments.in_language(language):
                        frame = self._fragments.messages_frame(audience, self.number, new)
                    self._send(frame, audience, pages, last_seq=new[-1]["seq"])
        if lines:
            self.last_seq = max(self.last_seq, lines[-1]["seq"])

    def _deliver_notes(self) -> None:
        notes = self._read_notes(self.last_note_no)
        self._is_stale["notes"] |= is_cut(notes)
        for (last_note_no, language), pages in self._behind("agent", "last_note_no").items():
            if new := [note for note in notes if note["note_no"] > last_note_no]:
                with self._fragments.in_language(language):
                    frame = self._fragments.notes_frame(self.number, new)
                self._send(frame, "agent", pages, last_note_no=new[-1]["note_no"])
        if notes:
            self.last_note_no = max(self.last_note_no, notes[-1]["note_no"])

    def _behind(self, audience: str, counter: str) -> dict[tuple[int, str], list[Connection]]:
        """Group the pages by what they have been sent and by language: each group gets the same frame.

        Pages that are still catching up by themselves are left out.
        """
        pages: dict[tuple[int, str], list[Connection]] = {}
        for page in self.pages[audience]:
            if page.refill is None:
                pages.setdefault((getattr(page, counter), page.language), []).append(page)
        return pages

    def _by_language(self, audience: str) -> dict[str, list[Connection]]:
        pages: dict[str, list[Connection]] = {}
        for page in self.pages[audience]:
            pages.setdefault(page.language, []).append(page)
        return pages

    def _send(self, frame: str, audience: str, pages: list[Connection], **counter: int) -> None:
        # Rendering lets others run: a page may show something else by now.
        for page in pages:
            if page in self.pages[audience]:
                page.push(frame)
                for name, value in counter.items():
                    setattr(page, name, value)

    def _send_typing(self, event: Event) -> None:
        if event.get("seq", self.last_seq) < self.last_seq:
            return  # the typed text has arrived: its process did not wait for the event
        audience = "customer" if event["sender"] == "agent" else "agent"
        if self.state is None:
            return
        for language, pages in self._by_language(audience).items():
            with self._fragments.in_language(language):
                frame = self._fragments.typing_frame(audience, self.state, event.get("agent"))
            for page in pages:
                page.push(frame)

    def reset(self, *, is_erased: bool = False) -> None:
        """Reload every page: the database was restored, a replica has taken over, or the conversation was erased.

        It may lack lines that were sent, and reuse their numbers.
        """
        if self.pages["customer"]:  # else it may be shown anew, by another one of these
            self._register.here.discard(self.session_id)
        for audience, pages in self.pages.items():
            for page in pages:
                page.push(ERASED if is_erased and audience == "customer" else RESET)
            pages.clear()
        self.state = None
        if self.holders:
            self._register.note(self, None)
        self.last_seq = self.last_note_no = 0
        self._hints.clear()

    def _is_other_history(self, state: State) -> bool:
        return self.state is not None and self.state["epoch"] != state["epoch"]

    def _take_state(self, state: State | None) -> None:
        self._read_at = monotonic()
        if state is None or self._is_other_history(state):
            self.reset()
        elif state["erased_at"] and self.state is not None and not self.state["erased_at"]:
            self.reset(is_erased=True)
        else:
            self._show_state(self._with_marks(state, self.state or {}))

    def _patch_state(self, detail: Detail) -> None:
        if self.state is not None:
            news = {name: value for name, value in detail.items() if name in self.state}
            self._show_state(self._with_marks({**self.state, **news}, self.state))

    @staticmethod
    def _with_marks(state: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        # Marks only go forward: what brings an older one has been read before it moved.
        marks = {name: max(state[name], known[name]) for name in MARKS if name in known}
        return cast(State, {**state, **marks})

    def _show_state(self, state: State) -> None:
        before, self.state, self.number = self.state, state, state["number"]
        if before == state:
            return
        if self.holders:  # else another one may be shown anew by now
            self._register.note(self, state)
        for audience in AUDIENCES:
            for language, pages in self._by_language(audience).items():
                frames = self._fragments.state_frames(audience, language, state, before)
                for page in pages:
                    for frame in frames:
                        page.push(frame)

    def _show_visit(self, visit: Visit | None) -> None:
        for language, pages in self._by_language("agent").items():
            with self._fragments.in_language(language):
                frame = self._fragments.visit_frame(self.number, visit)
            self._send(frame, "agent", pages)

    def _read_visit(self) -> Visit | None:
        visit: Visit | None = self._database.call("pages_of_session", session_id=self.session_id)
        return visit

    def _read_state(self) -> State | None:
        states: list[State] = self._database.call("conversations", session_ids=[self.session_id])
        return states[0] if states else None

    def _is_current(self, found: Found) -> bool:
        return found.is_current and found.asked_at > self._read_at

    def _read_for(self, audience: str, shown: Shown) -> Joined | None:
        after_note = shown.note_no if audience == "agent" else None
        joined: Joined | None = self._database.call(
            "join_conversation", session_id=self.session_id, after=shown.seq, after_note=after_note
        )
        return joined

    def _read_after(self, seq: int) -> list[Message]:
        lines: list[Message] = self._database.call("messages_after", session_id=self.session_id, after=seq)
        return lines

    def _read_notes(self, note_no: int) -> list[Note]:
        notes: list[Note] = self._database.call("notes_after", session_id=self.session_id, after=note_no)
        return notes


def _is_when(said: str | None, stored: str | None) -> bool:
    if stored is None:
        return False  # there is no such line
    # Two database sessions may format the same moment in different time zones.
    try:
        return said is None or datetime.fromisoformat(said) == datetime.fromisoformat(stored)
    except ValueError:
        return True  # no page of ours has said that
