"""A process in which no page is open: what it asks the database, and when it begins to ask less."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from supportchat.realtime import hub as module
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import REPORT_SECONDS, SWEEP_SECONDS, Hub
from supportchat.realtime.pulse import BEAT_SECONDS
from tests.cast import Agent


class Process:
    """A process whose time passes as a test says, and the calls that it makes by itself."""

    def __init__(self, app: Flask) -> None:
        self.hub: Hub = app.extensions["hub"]
        self.calls: Counter[str] = Counter()
        self.now = 1000.0
        self._database = app.extensions["database"]
        self._call, self._database.call = self._database.call, self._noted

    def _noted(self, function: str, /, **arguments: Any) -> Any:
        self.calls[function] += 1
        return self._call(function, **arguments)

    def live(self, seconds: float) -> Counter[str]:
        """Do for so long what a process does, and return the calls that it made."""
        self.calls.clear()
        chores = ((SWEEP_SECONDS, self.hub.sweep), (REPORT_SECONDS, self.hub.report), (BEAT_SECONDS, self.hub.beat))
        due = sorted(
            ((n * every, chore) for every, chore in chores for n in range(int(seconds / every))), key=itemgetter(0)
        )
        start = self.now
        for after, chore in due:
            self.now = start + after
            chore()
        self.now = start + seconds
        return self.calls.copy()

    def open_desk(self, agent: Agent) -> Connection:
        """Open a page of an agent."""
        page = Connection(agent_id=agent.id, token_hash=agent.token_hash)
        self.hub.add(page)
        self.hub.show(page, None, "agent", Shown(view="mine"))
        return page


@pytest.fixture
def process(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A process that has just started."""
    made = Process(app)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_a_process_that_nobody_looks_at_makes_one_call_in_30_seconds(process: Process) -> None:
    assert process.live(120) == {"report_process": 4}


def test_a_process_sweeps_until_the_leases_of_those_who_have_left_have_ended(process: Process, alice: Agent) -> None:
    page = process.open_desk(alice)
    process.live(10)
    process.hub.remove(page)
    assert process.live(50)["sweep_assignment"] > 20
    process.live(30)
    assert process.live(60) == {"report_process": 2}
