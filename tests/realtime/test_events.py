"""The listener of Postgres: whatever it meets, it listens again."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import Mock

import psycopg
import pytest

from supportchat.realtime.events import Event, PostgresEvents
from supportchat.realtime.hub import Hub
from supportchat.realtime.pulse import BEAT_SECONDS, IDLE_LEAST_SECONDS, LEAST_SECONDS, Pulse

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


class Beats:
    """A database that counts the beats it is asked for, and the clock by which the hub asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked: list[tuple[float, float]] = []
        monkeypatch.setattr("supportchat.realtime.pulse.monotonic", lambda: self.now)

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Take down when a beat was asked for, and how long ago the last may have been sent."""
        assert function == "send_heartbeat"
        self.asked.append((self.now, arguments["seconds"]))
        return {"beat": 1}

    def pass_time(self, hub: Hub, seconds: float) -> list[tuple[float, float]]:
        """Let a while pass, and give what was asked for in it."""
        before = len(self.asked)
        for _ in range(round(seconds / BEAT_SECONDS)):
            self.now += BEAT_SECONDS
            hub.beat()
        return self.asked[before:]


def test_the_pulse_is_slow_while_nobody_looks_and_quick_as_soon_as_somebody_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats = Beats(monkeypatch)
    hub = Hub(cast(Any, beats), cast(Any, None), cast(Any, None))
    page = Mock(viewer="v", address=None, agent_id=None)
    idle = beats.pass_time(hub, 600)
    assert 18 <= len(idle) <= 21
    # Other processes that nobody looks at ask too: one beat is good for all.
    assert {seconds for _, seconds in idle} == {IDLE_LEAST_SECONDS}
    hub.add(page)
    came = beats.now
    watched = beats.pass_time(hub, 60)
    assert watched[0] == (came + BEAT_SECONDS, LEAST_SECONDS)
    assert len(watched) == 60 / BEAT_SECONDS
    hub.remove(page)
    assert len(beats.pass_time(hub, 60)) <= 2
