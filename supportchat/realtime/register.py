"""Who waits, and which agent has whom, of the conversations that this process shows: kept up, never searched for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from ..database.rows import Conversation as State
from ..database.rows import WaitingLine

if TYPE_CHECKING:
    from .conversation import Conversation

K = TypeVar("K")
# What the pages of a conversation that waits say: whether an agent is here, and its place; None while it is held.
Told = tuple[bool, int | None]


class Register:
    """Knows of each conversation whether it waits, what its pages say of that, and which agent has it."""

    def __init__(self) -> None:
        self.here: set[str] = set()  # those that a customer's page shows
        self._waiting: dict[str, tuple[Conversation, Told]] = {}
        self._by_told: defaultdict[Told, set[str]] = defaultdict(set)
        self._agents: dict[str, str] = {}  # who has a conversation
        self._by_agent: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, conversation: Conversation, state: State | None) -> None:
        """Note the state of a conversation; None once no page shows it."""
        session_id = conversation.session_id
        is_waiting = state is not None and state["status"] == "waiting"
        _, before = self._waiting.pop(session_id, (None, None))
        if before is not None:
            _discard(self._by_told, before, session_id)
        if state is not None and is_waiting:
            told = state["somebody_here"], state["queue_position"]
            self._waiting[session_id] = conversation, told
            self._by_told[told].add(session_id)
        if former := self._agents.pop(session_id, None):
            _discard(self._by_agent, former, session_id)
        if state is not None and state["agent"] is not None:
            self._agents[session_id] = state["agent"]["id"] or ""
            self._by_agent[self._agents[session_id]].add(session_id)

    def with_agent(self, agent_id: str | None) -> set[str]:
        """Return the conversations that an agent has."""
        return set(self._by_agent.get(agent_id or "", ()))

    @property
    def has_waiting(self) -> bool:
        """Whether any of them waits."""
        return bool(self._waiting)

    def moved(self, line: WaitingLine) -> list[tuple[Conversation, Told]]:
        """Return those whose pages say something else than the line does, with what they are to say.

        Who stands behind the counted places is looked at only when the first agent comes or the last one leaves.
        """
        places = {session_id: place for place, session_id in enumerate(line["session_ids"], 1)}
        somebody_here, behind = line["somebody_here"], line["behind"]
        concerned = places.keys() & self._waiting.keys()
        for (was_here, place), session_ids in self._by_told.items():
            if was_here != somebody_here or (place is not None and place < behind):
                concerned |= session_ids
        moved = []
        for session_id in concerned:
            conversation, told = self._waiting[session_id]
            # Who is held, or is no longer, learns that from an event of their own.
            new = somebody_here, None if told[1] is None else places.get(session_id, behind)
            if new != told:
                moved.append((conversation, new))
        return moved


def _discard(groups: dict[K, set[str]], key: K, session_id: str) -> None:
    groups[key].discard(session_id)
    if not groups[key]:
        del groups[key]
