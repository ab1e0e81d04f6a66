"""The listener of Postgres: whatever it meets, it listens again."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from flask import Flask

from supportchat.realtime.connection import Connection
from supportchat.realtime.events import Event, PostgresEvents
from supportchat.realtime.hub import REPORT_SECONDS, SWEEP_SECONDS, Hub
from supportchat.realtime.pulse import Pulse

pytestmark = pytest.mark.mode("postgres")


class Enough(Exception):
    """Ends a listener, which nothing else ends."""


@pytest.mark.parametrize(("payload", "connections"), [("what is this?", 2), ("null", 1), ("1", 1), ("[]", 1)])
def test_a_notification_that_is_none_of_ours_is_not_the_last_that_is_heard(
    database_url: str, rows: Any, payload: str, connections: int
) -> None:
    heard: list[Event] = []
    connected: list[bool] = []

    def on_connected() -> None:
        connected.append(True)
        if len(connected) == 1:
            rows("select pg_notify('supportchat', %s)", payload)
        rows("select pg_notify('supportchat', %s)", '{"event": "ping"}')

    def on_event(event: Event) -> None:
        heard.append(event)
        raise Enough

    with pytest.raises(Enough):
        PostgresEvents(database_url).run(on_event, on_connected)
    assert (heard, len(connected)) == ([{"event": "ping"}], connections)


def test_a_standby_that_refuses_to_listen_is_asked_again(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    connect, refusals = psycopg.connect, [True, True]

    def meet(conninfo: str, **options: Any) -> Any:
        if refusals:
            refusals.pop()
            raise psycopg.errors.ReadOnlySqlTransaction("cannot execute LISTEN during recovery")
        return connect(conninfo, **options)

    def on_connected() -> None:
        raise Enough

    monkeypatch.setattr(psycopg, "connect", meet)
    with pytest.raises(Enough):
        PostgresEvents(database_url).run(lambda event: None, on_connected)
    assert refusals == []


def test_a_pulse_that_begins_anew_after_a_restore_is_missed_when_it_stops() -> None:
    pulse = Pulse()
    pulse.expect(1000)
    pulse.hear(1000)
    for number in (3, 4):
        assert pulse.expect(number)
        assert pulse.is_missing(number)
        pulse.hear(number)
        assert not pulse.is_missing(number)


def test_the_first_beat_that_does_not_come_is_the_one_that_is_missed() -> None:
    pulse = Pulse()
    assert pulse.expect(1)
    assert not pulse.expect(2)
    assert pulse.is_missing(1)
    pulse.hear(2)
    assert not pulse.is_missing(1)
    assert not pulse.expect(2)
    assert pulse.expect(3)


class Clock:
    """The clock of the hub, and what the hub asks of the database meanwhile."""

    def __init__(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.calls, self._hub, self._call = 1000.0, list[str](), hub, hub._database.call
        monkeypatch.setattr("supportchat.realtime.hub.time", Mock(monotonic=lambda: self.now))
        monkeypatch.setattr(hub._database, "call", self._remember)

    def _remember(self, function: str, /, **arguments: Any) -> Any:
        self.calls.append(function)
        return self._call(function, **arguments)

    def pass_time(self, seconds: int) -> list[str]:
        """Let a while pass with all that happens by itself, and return the calls that were made in it."""
        self.calls.clear()
        chores = ((self._hub.sweep, SWEEP_SECONDS), (self._hub.beat, 2), (self._hub.report, REPORT_SECONDS))
        for second in range(seconds):
            self.now += 1
            for task, every in chores:
                if second % every == 0:
                    task()
        return self.calls


def test_a_process_that_nobody_looks_at_makes_one_call_in_thirty_seconds(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub: Hub = app.extensions["hub"]
    clock, page = Clock(hub, monkeypatch), Connection(token_hash="hers")
    clock.pass_time(60)
    assert clock.pass_time(300) == ["report_process"] * 10
    assert hub.add(page)
    watched = clock.pass_time(60)
    assert watched.count("events_after") == watched.count("send_heartbeat") == 30
    hub.remove(page)
    clock.pass_time(60)
    assert clock.pass_time(300) == ["report_process"] * 10
