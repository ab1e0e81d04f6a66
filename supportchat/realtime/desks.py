"""The open desks: each is told what has changed in the part of the queue that it shows, and asks for nothing."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import gevent
from gevent.lock import RLock
from markupsafe import Markup

from ..database import Database, DatabaseError
from ..database.rows import DeskCounts, Load, QueueChanges, QueueRow
from ..rendering.fragments import Fragments, event_frame
from ..rendering.languages import ENGLISH
from .connection import Connection, Shown
from .lookers import Looks

TELL_SECONDS = 0.2
RETRY_SECONDS = 2.0
AT_ONCE = 50  # rows: their rendering must not keep the process from anything else
MOST_DUE = 500  # with more of them, reading the whole queue is less work
MOST_REMEMBERED = 20_000  # conversations
SPREAD_MILLISECONDS = 20  # for each open desk: they must not all read at the same moment
LOOK_BACK_SECONDS = 3.0

Owner = tuple[str, str | None]  # of a ticket: its status, or that it is snoozed, and the id of its agent
Marks = dict[str, int]  # of an agent: how many lines of the customer they have read, by session


class Desks:
    """Collects for 0.2 seconds what has changed, reads it, renders it once per language, and tells those it concerns.

    A row goes to the desks whose view shows it now or showed it before, and to all desks of its agent and of those whom
    a note in it mentions, which count what is unread in whatever view. A page that has not said which view it shows is
    only told that the queue has changed.
    """

    def __init__(
        self, database: Database, fragments: Fragments, soon: Callable[[float, Callable[[], None]], None]
    ) -> None:
        """:param soon: runs a task once, so many seconds after the first of several calls."""
        self.pages: set[Connection] = set()
        self._database = database
        self._fragments = fragments
        self._soon = soon
        self._rows_due: dict[str, set[str]] = {}  # by session, with the agents who had it before
        self._agents_due: set[str] = set()
        self._marks_due: dict[str, Marks] = {}  # by agent
        self._are_counts_due = False
        # What was told last. Of a conversation that is missing nobody knows who shows it.
        self._owners: dict[str, Owner] = {}
        self._counts: DeskCounts | None = None
        self._loads: dict[str, Load] = {}
        self._told_at = float("-inf")
        self._lock = RLock()  # what is read first is told first

    # Pages

    def add(self, page: Connection) -> None:
        """Add a page that has opened its socket."""
        self.pages.add(page)

    def discard(self, page: Connection) -> None:
        """Remove a page. What was told last is of no use once the last one has gone."""
        self.pages.discard(page)
        if not self.pages:
            self._forget()

    def show(self, page: Connection, shown: Shown) -> None:
        """Remember which view a page shows, and in which language. It reads its queue once it has caught up.

        A page that says no view was made by an earlier version, whose scripts and styles do not fit this one's queue:
        it loads anew, with what its agent has typed.
        """
        page.view = shown.view
        if not page.view:
            page.push(event_frame("reset"))
        page.language = shown.language or ENGLISH
        self._loads.pop(page.agent_id, None)  # what it reads then may be newer

    def turn(self, page: Connection, view: str) -> None:
        """Remember that a page shows another view. It may have missed, and not have read, what was told just now."""
        page.view = view
        self._loads.pop(page.agent_id, None)
        if monotonic() - self._told_at < LOOK_BACK_SECONDS:
            page.push_once(self._changed())

    # What has changed

    def touch(self, session_id: str, agents: Iterable[str] = ()) -> None:
        """Note that the row of a conversation has changed.

        :param agents: who had its ticket before, where that is known, or whom a note in it mentions.
        """
        if not self.pages:
            return
        self._rows_due.setdefault(session_id, set()).update(agents)
        self._soon(TELL_SECONDS, self.tell_desks)

    def agent_changed(self, agent_id: str | None = None) -> None:
        """Note that somebody has come, left, or switched to away: the reason why tickets wait depends on it."""
        if agent_id and self.pages:
            self._agents_due.add(agent_id)
        self.counts_changed()

    def counts_changed(self) -> None:
        """Note that the counts or the reason may have changed. They are also read when a ticket changes hands."""
        if not self.pages:
            return
        self._are_counts_due = True
        self._soon(TELL_SECONDS, self.tell_desks)

    def mark(self, agent_id: str, session_id: str, read_lines: int) -> None:
        """Note how many of a customer's lines an agent has read, for their own desks."""
        if not self.pages:
            return
        marks = self._marks_due.setdefault(agent_id, {})
        marks[session_id] = max(read_lines, marks.get(session_id, 0))
        self._soon(TELL_SECONDS, self.tell_desks)

    def refresh_all(self) -> None:
        """Have every page read its whole queue: events are missing, or there are too many."""
        self._forget()
        self._told_at = monotonic()
        self._tell_changed()

    def _tell_changed(self) -> None:
        frame = self._changed()
        for page in self.pages:
            page.push_once(frame)

    def _changed(self) -> str:
        return event_frame("queue_changed", within=SPREAD_MILLISECONDS * len(self.pages))

    def _forget(self) -> None:
        self._rows_due.clear()
        self._agents_due.clear()
        self._marks_due.clear()
        self._are_counts_due = False
        self._owners.clear()
        self._counts = None
        self._loads.clear()

    def tell_drafts(self, agent_id: str, page: str | None) -> None:
        """Have an agent's pages read their drafts, except for the one that has changed them."""
        self._tell_agent(agent_id, event_frame("drafts_changed", page=page))

    def tell_held(self, agent_id: str, said: dict[str, Any]) -> None:
        """Tell an agent's pages what has become of a reply of theirs that is held, or was not sent."""
        self._tell_agent(agent_id, event_frame("held_changed", **said))

    def _tell_agent(self, agent_id: str, frame: str) -> None:
        for desk in self.pages:
            if desk.agent_id == agent_id:
                desk.push_once(frame)

    def tell_looks(self, page: Connection, looks: Looks, shown: str = "") -> None:
        """Tell a page who looks at tickets, as far as it shows them: in its queue, or as the open one, `shown`."""
        told = {session: some for session, some in looks.items() if session == shown or self._may_list(page, session)}
        if told:
            with self._fragments.in_language(page.language):
                page.push(self._fragments.lookers_frame(told))

    def _may_list(self, page: Connection, session_id: str) -> bool:
        status, owner = self._owners.get(session_id, ("waiting", page.agent_id))
        return page.view == "all" or page.agent_id == owner or (page.view == "unassigned" and status == "waiting")

    # Telling

    def tell_desks(self) -> None:
        """Read what has changed, and tell it.

        :raise DatabaseError: if it cannot be read; it is tried again.
        """
        with self._lock:
            if len(self._rows_due) > MOST_DUE:
                self.refresh_all()
            rows_due = dict(itertools.islice(self._rows_due.items(), AT_ONCE))
            agents_due, are_counts_due = self._agents_due, self._are_counts_due
            self._rows_due = dict(itertools.islice(self._rows_due.items(), AT_ONCE, None))
            self._agents_due, self._are_counts_due = set(), False
            marks, self._marks_due = self._marks_due, {}
            if self._rows_due:
                self._soon(TELL_SECONDS, self.tell_desks)
            try:
                changes = self._read_changes(rows_due, agents_due)
                moved = [row for row in changes["rows"] if self._owners.get(row["session_id"]) != _owner(row)]
                counts = self._read_counts() if moved or are_counts_due else None
            except DatabaseError:
                for session_id, agents in rows_due.items():
                    self._rows_due.setdefault(session_id, set()).update(agents)
                self._agents_due |= agents_due
                self._are_counts_due = True
                for agent, own in marks.items():
                    self._marks_due[agent] = own | self._marks_due.get(agent, {})
                self._soon(RETRY_SECONDS, self.tell_desks)
                raise
            if len(changes["rows"]) < len(rows_due):
                self._tell_changed()  # what has been deleted has no row
            self._tell_queue(changes["rows"], rows_due, counts, marks)
            self._tell_loads(changes["agents"])
            if rows_due or counts:
                self._told_at = monotonic()

    def _read_changes(self, rows_due: dict[str, set[str]], agents_due: set[str]) -> QueueChanges:
        if not rows_due and not agents_due:
            return {"rows": [], "agents": []}
        former = {agent for session_id in rows_due if (agent := self._owners.get(session_id, ("", None))[1])}
        agents = agents_due.union(former, *rows_due.values())
        changes: QueueChanges = self._database.call(
            "queue_changes", session_ids=sorted(rows_due), agent_ids=sorted(agents)
        )
        return changes

    def _read_counts(self) -> DeskCounts | None:
        """Return the counts as far as they have changed: of the agents those whose number is another one."""
        before = self._counts or {"unassigned": -1, "all": -1, "snoozed": -1, "agents": {}, "reason": None}
        now: DeskCounts = self._database.call("queue_counts")
        if now == self._counts:
            return None
        self._counts = now
        agents = {
            agent: now["agents"].get(agent, 0)
            for agent in now["agents"].keys() | before["agents"].keys()
            if now["agents"].get(agent) != before["agents"].get(agent)
        }
        return {**now, "agents": agents}

    def _tell_queue(
        self,
        rows: list[QueueRow],
        former: dict[str, set[str]],
        counts: DeskCounts | None,
        marks: dict[str, Marks],
    ) -> None:
        audience = Audience()
        for place, row in enumerate(rows):
            before, now = self._owners.get(row["session_id"]), _owner(row)
            audience.add(place, before, now, former[row["session_id"]].union(row["mentioned"]))
            self._owners[row["session_id"]] = now
        if len(self._owners) > MOST_REMEMBERED:
            self._owners.clear()
        sheet = Sheet(self._fragments, rows, counts, marks)
        for page in list(self.pages):
            if frame := sheet.frame(page.language, audience.places(page), page.agent_id):
                if page.view:
                    page.push(frame)
                else:
                    page.push_once(self._changed())

    def _tell_loads(self, loads: list[Load]) -> None:
        changed = {load["id"]: load for load in loads if self._loads.get(load["id"]) != load}
        for page in list(self.pages):
            load = changed.get(page.agent_id)
            if load and page.view:
                self._loads[page.agent_id] = load
                with self._fragments.in_language(page.language):
                    page.push(self._fragments.load_frame(load))
                page.push(event_frame("availability", availability=load["availability"]))


def _owner(row: QueueRow) -> Owner:
    return "snoozed" if row["snoozed"] else row["status"], row["agent"]["id"] if row["agent"] else None


class Audience:
    """Which of some rows each desk is told. Rows are named by their place."""

    def __init__(self) -> None:
        self._by_view: dict[str, list[int]] = {"mine": [], "unassigned": [], "all": [], "snoozed": []}
        self._by_agent: dict[str, set[int]] = defaultdict(set)

    def add(self, place: int, before: Owner | None, now: Owner, others: set[str]) -> None:
        """Add a row: who had it when it was told last (None: not known), who has it now, and who else it concerns."""
        self._by_view["all"].append(place)
        for status, view in (("waiting", "unassigned"), ("snoozed", "snoozed")):
            if before is None or status in (before[0], now[0]):
                self._by_view[view].append(place)
        if before is None:
            self._by_view["mine"].append(place)
        for agent in {now[1], before[1] if before else None} | others:
            if agent:
                self._by_agent[agent].add(place)

    def places(self, page: Connection) -> tuple[int, ...]:
        """Return the rows that a page is told, in order."""
        places = self._by_view[page.view or "all"]
        own = self._by_agent.get(page.agent_id)
        return tuple(sorted(own.union(places)) if own else places)


class Sheet:
    """Rows and counts, each rendered once per language in use; desks that are told the same get the same frame.

    An agent's own marks travel with them.
    """

    def __init__(
        self, fragments: Fragments, rows: list[QueueRow], counts: DeskCounts | None, marks: dict[str, Marks]
    ) -> None:
        self._fragments = fragments
        self._rows = rows
        self._counts = counts
        self._marks = marks
        self._parts: dict[tuple[str, int], Markup] = {}
        self._frames: dict[tuple[str, tuple[int, ...], str], str | None] = {}

    def frame(self, language: str, places: tuple[int, ...], agent_id: str) -> str | None:
        """Return the frame with some of the rows, and the counts if they have changed; None when there is nothing."""
        marks = self._marks.get(agent_id)
        key = language, places, agent_id if marks else ""
        if key not in self._frames:
            parts = [self._row(language, place) for place in places]
            if self._counts:
                with self._fragments.in_language(language):
                    parts.append(self._fragments.queue_counts(self._counts))
            self._frames[key] = self._fragments.queue_frame(*parts, marks=marks) if parts or marks else None
        return self._frames[key]

    def _row(self, language: str, place: int) -> Markup:
        key = language, place
        if key not in self._parts:
            with self._fragments.in_language(language):
                self._parts[key] = self._fragments.queue_row(self._rows[place])
            gevent.sleep(0)  # lets others go on
        return self._parts[key]
