"""Events by Supabase Realtime: whatever happens to the subscription, another one hears again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import gevent
import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.realtime import hub as hubs
from supportchat.realtime.events import Event
from supportchat.realtime.hub import Hub
from tests.cast import Agent, new_id
from tests.conftest import Place
from tests.supabase.realtime import Realtime
from tests.variants import variants

pytestmark = pytest.mark.mode("supabase")


@pytest.fixture
def realtime(place: Place) -> Realtime:
    """The server's side of it."""
    assert place.project is not None
    place.project.realtime.replication.seconds_until_told = 0.1
    return place.project.realtime


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse that is five times as fast, for the tests that do not measure it."""
    monkeypatch.setattr(hubs, "BEAT_SECONDS", 0.5)
    monkeypatch.setattr(hubs, "LEAST_SECONDS", 0.3)
    monkeypatch.setattr(hubs, "ANSWER_SECONDS", 0.8)


class Watched(Hub):
    """A hub that remembers what it was told."""

    seen: list[Event]
    gaps: int

    def on_event(self, event: Event) -> None:
        self.seen.append(event)
        if event["event"] == "presence.changed":
            raise RuntimeError("a fault of ours")
        super().on_event(event)

    def _after_gap(self) -> None:
        self.gaps += 1
        super()._after_gap()


@pytest.fixture
def hub(app: Flask) -> Iterator[Watched]:
    """A hub that listens, beats and sweeps, with a page open."""
    made = app.extensions["hub"]
    made.__class__, made.seen, made.gaps = Watched, [], 0
    made.add(Mock(viewer="v", address=None, agent_id=None))
    made.start()
    yield made
    made.stop()


def hears(hub: Hub, database: Database, seconds: float = 10) -> float:
    """Send pings until one comes back; give how long that took."""
    start = time.monotonic()
    heard: list[bool] = []
    while not heard:
        assert time.monotonic() - start < seconds, "no event came back"
        nonce = new_id()
        hub.expect_ping(nonce, lambda: heard.append(True))
        database.call("send_ping", nonce=nonce)
        until(lambda: bool(heard), 0.3)
    return time.monotonic() - start


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Let the hub work until something is so; give whether it came to be."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        gevent.sleep(0.01)
    return condition()


def test_an_event_comes_back_soon_after_its_commit(hub: Hub, database: Database, realtime: Realtime) -> None:
    hears(hub, database)
    assert hub.events.is_connected
    assert hears(hub, database) < 0.3


def test_a_large_message_comes_with_its_row(hub: Watched, database: Database, realtime: Realtime, alice: Agent) -> None:
    hears(hub, database)
    alice.come()
    database.call("start_chat", visitor="a" * 64, client_message_id=new_id(), message="ä" * 8000)
    assert until(lambda: any(event.get("row", {}).get("message") == "ä" * 8000 for event in hub.seen))


FAULTS: dict[str, Callable[[Realtime], Any]] = {
    "closed for a restart": lambda realtime: realtime.close_sockets(1012),
    "closed as if all were well": lambda realtime: realtime.close_sockets(1000),
    "cut with a reset": lambda realtime: realtime.reset_sockets(),
    "half-open": lambda realtime: realtime.freeze_sockets(),
    "deaf, although joined": lambda realtime: realtime.go_deaf(),
    "phx_close": lambda realtime: realtime.close_channels(),
    "phx_error": lambda realtime: realtime.crash_channels(),
    "system error": lambda realtime: realtime.tell_error(),
    "token expired": lambda realtime: realtime.expire_tokens(),
    "asked to disconnect": lambda realtime: realtime.request_disconnect(),
    "nonsense": lambda realtime: realtime.send_text('{"event": "broadcast", "payload": 7}'),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_after_any_trouble_events_come_again(hub: Hub, database: Database, realtime: Realtime, fault: str) -> None:
    hears(hub, database)
    FAULTS[fault](realtime)
    gevent.sleep(0.1)
    hears(hub, database, seconds=15)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["withhold_ready", "refuse_sockets", "drop_broadcasts", *variants(["ignore_joins"])])
def test_after_a_fault_that_lasts_events_come_again_when_it_ends(
    hub: Hub, database: Database, realtime: Realtime, fault: str
) -> None:
    hears(hub, database)
    getattr(realtime, fault)()
    realtime.reset_sockets()
    gevent.sleep(1.5)
    realtime.heal()
    hears(hub, database, seconds=25)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_was_away_for_longer_than_the_client_tries_is_found_again(
    hub: Hub, database: Database, realtime: Realtime, place: Place
) -> None:
    hears(hub, database)
    realtime.refuse_sockets()
    realtime.close_sockets(1012)
    assert until(lambda: not hub.events.is_connected)
    gevent.sleep(3)
    realtime.heal()
    hears(hub, database, seconds=20)


def test_silence_is_noticed_within_ten_seconds(hub: Hub, database: Database, realtime: Realtime) -> None:
    hears(hub, database)
    realtime.go_deaf()
    # Up to 3 s until the next beat is sent, and 4 s in which it may come; more where the machine is busy.
    assert until(lambda: not hub.events.is_connected, 10)
    assert hears(hub, database) < 5


def test_an_exception_in_what_takes_events_does_not_end_reception(hub: Watched, database: Database) -> None:
    hears(hub, database)
    database.call("report_process", process_id=new_id(), sockets=1, came=[new_id()], left=[], token_hashes=[])
    assert until(lambda: any(event["event"] == "presence.changed" for event in hub.seen))
    assert hears(hub, database) < 5


def test_what_was_missed_is_looked_for_after_each_subscription(hub: Watched, database: Database) -> None:
    hears(hub, database)
    gaps = hub.gaps
    assert gaps >= 1
    hub.events.restart()
    assert until(lambda: hub.gaps >= gaps + 2)  # once when it has joined, once when the changes are streamed


def test_the_key_is_in_no_log(
    hub: Hub, database: Database, realtime: Realtime, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hears(hub, database)
    realtime.refuse_sockets(401)
    realtime.reset_sockets()
    until(lambda: not hub.events.is_connected)
    gevent.sleep(1)
    ours = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert any("Realtime" in message for message in ours)
    key = place.settings["supabase_secret_key"]
    assert {record.name for record in caplog.records if key in record.getMessage()} == set()
