"""Which agents look at which ticket, and write there, at the desks of all processes. It is said, and stored nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from ..database import Database
from ..database.rows import Person
from .events import Look

SAY_SECONDS = 0.3  # who goes through tickets by keys looks at none of them
TELL_SECONDS = 0.2
AGAIN_SECONDS = 10.0
STAYS_SECONDS = 25.0  # when a process has ended and could not say so
WRITES_SECONDS = 5.0  # a page says it every two
AT_ONCE = 10  # a hint has 8000 bytes
LEFT = "left"

Looks = dict[str, list[Look]]  # by conversation


@dataclass
class _Looker:
    agent: Person
    until: float
    writes: str = ""
    writes_until: float = 0.0

    def does(self, now: float) -> str:
        return self.writes if now < self.writes_until else "looks"


class Lookers:
    """Says what the desks of this process show, and hears the same of all."""

    def __init__(
        self,
        database: Database,
        process_id: str,
        shown: Callable[[], set[tuple[str, str]]],
        soon: Callable[[float, Callable[[], None]], None],
        tell: Callable[[Looks], None],
    ) -> None:
        """:param shown: returns the conversations that desks of this process show, each with the id of the agent.
        :param soon: runs a task once, so many seconds after the first of several calls.
        :param tell: takes what has changed; an empty list means that nobody is there any more.
        """
        self._database = database
        self._process_id = process_id
        self._shown = shown
        self._soon = soon
        self._tell = tell
        self._said: set[tuple[str, str]] = set()
        self._lookers: dict[str, dict[tuple[str, str], _Looker]] = {}  # by conversation, then agent and process
        self._told: Looks = {}

    # What this process says

    def look_around(self) -> None:
        """Say soon what the desks of this process show now."""
        self._soon(SAY_SECONDS, self.say_looks)

    def say_looks(self) -> None:
        """Say what the desks show that did not before, and what they show no more."""
        shown = self._shown()
        came, left = shown - self._said, self._said - shown
        self._signal([*_looks(left, LEFT), *_looks(came, "looks")])
        self._said = shown

    def say_looks_again(self) -> None:
        """Say everything again, for who has missed it, and forget what nobody has said again."""
        self.say_looks()
        self._signal(_looks(self._said, "looks"))
        self.tell_looks()

    def say_writing(self, session_id: str, agent_id: str, what: str) -> None:
        """Say that an agent is writing a 'reply' or a 'note'."""
        self._signal(_looks({(session_id, agent_id)}, what))

    def _signal(self, looks: list[dict[str, str]]) -> None:
        for start in range(0, len(looks), AT_ONCE):
            self._database.call("signal_looks", process_id=self._process_id, looks=looks[start : start + AT_ONCE])

    # What all say

    def hear(self, process: str, looks: list[Look]) -> None:
        """Note what a process says of its desks."""
        now = monotonic()
        for look in looks:
            lookers, key = self._lookers.setdefault(look["session_id"], {}), (look["agent"]["id"] or "", process)
            if look["does"] == LEFT:
                lookers.pop(key, None)
                continue
            looker = lookers.setdefault(key, _Looker(look["agent"], now))
            looker.agent, looker.until = look["agent"], now + STAYS_SECONDS
            if look["does"] != "looks":
                looker.writes, looker.writes_until = look["does"], now + WRITES_SECONDS
        self._soon(TELL_SECONDS, self.tell_looks)

    def tell_looks(self) -> None:
        """Tell what has changed since it was told last, by hearing it or by the time."""
        now = self.known()
        changed = {session: now.get(session, []) for session in now.keys() | self._told.keys()}
        changed = {session: looks for session, looks in changed.items() if looks != self._told.get(session, [])}
        self._told = now
        if changed:
            self._tell(changed)
        if any(look["does"] != "looks" for looks in now.values() for look in looks):
            self._soon(WRITES_SECONDS / 2, self.tell_looks)

    def known(self) -> Looks:
        """Return who is where, each agent once: first who writes, then by name."""
        now = monotonic()
        known: Looks = {}
        for session_id, lookers in list(self._lookers.items()):
            for key in [key for key, looker in lookers.items() if looker.until < now]:
                del lookers[key]
            if lookers:
                known[session_id] = _each_once(session_id, lookers, now)
            else:
                del self._lookers[session_id]
        return known

    def others(self, agent_id: str) -> Looks:
        """Return who is where, as far as there are others than one agent."""
        known = self.known().items()
        return {session: looks for session, looks in known if any(look["agent"]["id"] != agent_id for look in looks)}


def _looks(pairs: set[tuple[str, str]], does: str) -> list[dict[str, str]]:
    return [{"session_id": session_id, "agent_id": agent_id, "does": does} for session_id, agent_id in sorted(pairs)]


def _each_once(session_id: str, lookers: dict[tuple[str, str], _Looker], now: float) -> list[Look]:
    found: dict[str, Look] = {}
    for (agent_id, _), looker in lookers.items():
        does = looker.does(now)
        if agent_id not in found or does != "looks":
            found[agent_id] = {"session_id": session_id, "agent": looker.agent, "does": does}
    return sorted(
        found.values(), key=lambda look: (look["does"] == "looks", look["agent"]["name"], look["agent"]["id"])
    )
