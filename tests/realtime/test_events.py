"""The listener of Postgres: whatever it meets, it listens again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supportchat.realtime.events import PostgresEvents
from supportchat.realtime.pulse import Pulse

pytestmark = pytest.mark.mode("postgres")


class Enough(Exception):
    """Ends a listener, which nothing else ends."""


def test_a_notification_that_is_none_of_ours_is_not_the_last_that_is_heard(database_url: str, rows: Any) -> None:
    heard: list[dict[str, Any]] = []
    connected: list[bool] = []

    def on_connected() -> None:
        connected.append(True)
        rows("select pg_notify('supportchat', %s)", "what is this?" if len(connected) == 1 else '{"event": "ping"}')

    def on_event(event: dict[str, Any]) -> None:
        heard.append(event)
        raise Enough

    with pytest.raises(Enough):
        PostgresEvents(database_url).run(on_event, on_connected)
    assert (heard, len(connected)) == ([{"event": "ping"}], 2)


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
