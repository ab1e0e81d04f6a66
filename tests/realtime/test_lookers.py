"""Who looks at which ticket: said by each process, heard by all, stored nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.realtime import lookers as module
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import Hub
from supportchat.realtime.lookers import STAYS_SECONDS, WRITES_SECONDS, Lookers, Looks
from tests.cast import Agent, Cast

VERA, VICTOR = "vera", "victor"
NAMES = {"a": "Alice", "b": "Bob"}


class Net:
    """Some processes that hear each other, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shown: dict[str, set[tuple[str, str]]] = {}
        self.told: list[Looks] = []
        self.calls = 0
        self._processes: list[Lookers] = []

    def process(self, name: str) -> Lookers:
        """Return another process; only what the last one tells is noted."""
        self.shown[name] = set()
        told = self.told = []
        made = Lookers(self, name, lambda: self.shown[name], lambda *_: None, told.append)  # type: ignore[arg-type]
        self._processes.append(made)
        return made

    def call(self, _function: str, process_id: str, looks: list[dict[str, str]]) -> None:
        """Be the database, which passes it on."""
        self.calls += 1
        for process in self._processes:
            process.hear(process_id, [self._named(look) for look in looks])

    @staticmethod
    def _named(look: dict[str, str]) -> Any:
        agent = {"id": look["agent_id"], "name": NAMES[look["agent_id"]], "picture": None}
        return {"session_id": look["session_id"], "agent": agent, "does": look["does"]}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    """Processes whose time passes as a test says."""
    made = Net()
    monkeypatch.setattr(module, "monotonic", lambda: made.now)
    return made


def seen(lookers: Lookers) -> dict[str, list[tuple[str, str]]]:
    return {
        session: [(look["agent"]["name"], look["does"]) for look in looks] for session, looks in lookers.known().items()
    }


def test_who_looks_is_known_in_every_process_and_forgotten_when_they_leave(net: Net) -> None:
    one, two = net.process("one"), net.process("two")
    net.shown["one"] = {(VERA, "b"), (VERA, "a")}
    one.say_looks()
    assert seen(one) == seen(two) == {VERA: [("Alice", "looks"), ("Bob", "looks")]}
    net.shown["one"] = {(VICTOR, "a")}
    one.say_looks()
    assert seen(two) == {VICTOR: [("Alice", "looks")]}


def test_who_has_two_pages_is_there_once_until_the_last_one_has_gone(net: Net) -> None:
    one, two = net.process("one"), net.process("two")
    for name, process in (("one", one), ("two", two)):
        net.shown[name] = {(VERA, "a")}
        process.say_looks()
    assert seen(two) == {VERA: [("Alice", "looks")]}
    net.shown["one"] = set()
    one.say_looks()
    assert seen(two) == {VERA: [("Alice", "looks")]}
    net.shown["two"] = set()
    two.say_looks()
    assert seen(one) == seen(two) == {}


def test_writing_ends_by_itself_and_so_does_a_process_that_is_silent(net: Net) -> None:
    one, two = net.process("one"), net.process("two")
    net.shown["one"] = {(VERA, "b")}
    one.say_looks()
    one.say_writing(VERA, "b", "note")
    assert seen(two) == {VERA: [("Bob", "note")]}
    net.now += WRITES_SECONDS
    assert seen(two) == {VERA: [("Bob", "looks")]}
    net.now += STAYS_SECONDS - 1
    one.say_looks_again()
    net.now += STAYS_SECONDS - 1
    assert seen(two) == {VERA: [("Bob", "looks")]}
    net.now += 2
    assert seen(two) == {}


def test_only_what_has_changed_is_told_and_said(net: Net) -> None:
    one = net.process("one")
    net.shown["one"] = {(VERA, "b")}
    one.say_looks()
    one.tell_looks()
    one.say_looks()
    one.tell_looks()
    assert (len(net.told), net.calls) == (1, 1)
    net.shown["one"] = set()
    one.say_looks()
    one.tell_looks()
    assert net.told[-1] == {VERA: []}


def test_a_desk_is_told_of_the_tickets_that_it_shows(app: Any, cast: Cast, alice: Agent, bob: Agent) -> None:
    hub: Hub = app.extensions["hub"]
    vera = cast.visitor().start("Hello")
    pages = {}
    for agent, view in ((alice, "mine"), (bob, "mine")):
        page = pages[agent] = Connection(agent_id=agent.id, token_hash=agent.token_hash)
        hub.add(page)
        hub.show(page, vera["session_id"], "agent", Shown(view=view, language="en"))
        page.take_waiting()
    hub.desks._owners[vera["session_id"]] = ("open", alice.id)
    looks: Looks = {
        vera["session_id"]: [
            {"session_id": "", "agent": {"id": bob.id, "name": "Bob Ortiz", "picture": None}, "does": "note"}
        ]
    }
    hub._tell_looks(looks)
    assert "Bob is typing a note" in pages[alice].take_waiting()[0]
    hub.show(pages[bob], None, "agent", Shown(view="mine", language="en"))
    pages[bob].take_waiting()
    hub._tell_looks(looks)
    assert pages[bob].take_waiting() == []
