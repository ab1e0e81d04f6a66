"""When a process looks after alerts, and what it tells the pages that are open in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from supportchat.alerts.ladder import LONGEST_REST_SECONDS, NEVER, Ladder
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import Hub
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def ladder(app: Flask) -> Ladder:
    """What looks after alerts, having looked once."""
    made: Ladder = app.extensions["ladder"]
    made.advance()
    return made


@pytest.fixture
def hub(app: Flask) -> Hub:
    """The hub."""
    made: Hub = app.extensions["hub"]
    return made


@pytest.fixture
def hints(database_url: str) -> Iterator[Any]:
    """A function that gives the hints of alerts that have come."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("listen supportchat")

        def come() -> list[Any]:
            events = [json.loads(hint.payload) for hint in connection.notifies(timeout=0.2)]
            return [event for event in events if event["event"].startswith("alert.")]

        yield come


def open_desk(hub: Hub, agent: Agent, language: str = "en") -> Connection:
    """Open a desk of an agent, and take what comes at once."""
    page = Connection(agent_id=agent.id, token_hash=agent.token_hash)
    hub.add(page)
    hub.show(page, None, "agent", Shown(view="mine", language=language))
    page.take_waiting()
    return page


def frames(page: Connection) -> list[Any]:
    return [json.loads(frame) for frame in page.take_waiting()]


def test_where_nothing_is_due_nothing_is_asked(ladder: Ladder) -> None:
    assert ladder.due_in == NEVER


@pytest.mark.parametrize(
    "event",
    [
        {"event": "message.posted", "actor": "agent"},
        {"event": "receipt.recorded", "agent_id": None},
        {"event": "presence.changed"},
        {"event": "agent.changed"},
    ],
)
def test_what_decides_nothing_wakes_nobody(ladder: Ladder, event: Any) -> None:
    ladder.hear(event)
    assert ladder.due_in == NEVER


@pytest.mark.parametrize(
    "event",
    [
        {"event": "message.posted", "actor": "customer"},
        {"event": "receipt.recorded", "agent_id": "x"},
        {"event": "ticket.changed"},
        {"event": "mention.added"},
        {"event": "mention.read"},
    ],
)
def test_what_may_decide_who_is_told_is_looked_at_a_second_later_however_often_it_comes(
    ladder: Ladder, event: Any
) -> None:
    for _ in range(10):
        ladder.hear(event)
    assert 0 < ladder.due_in <= 1


@pytest.mark.parametrize(
    ("seconds", "next_in", "rest"), [(0.05, None, 1), (0.05, 0.5, 1), (0.2, None, 2), (0.2, 0, 0.2), (0.2, -9, 0.2)]
)
def test_a_look_that_took_long_is_followed_by_a_longer_rest_unless_there_is_more(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch, seconds: float, next_in: float | None, rest: float
) -> None:
    def look(*_: Any) -> Any:
        time.sleep(seconds)
        return {"due": False, "is_held_up": False, "next_in": next_in}

    monkeypatch.setattr(ladder._database, "call", look)
    monkeypatch.setattr(ladder._keys, "make", lambda: None)
    ladder.attempt()
    ladder.wake()
    assert rest - 0.1 < ladder.due_in <= LONGEST_REST_SECONDS
    assert ladder.due_in < 2 * rest + 0.5


def test_the_next_look_is_when_the_next_one_is_told(ladder: Ladder, cast: Cast, alice: Agent) -> None:
    cast.visitor().start()
    ladder.advance()
    assert 170 < ladder.due_in <= 180


def test_while_another_process_is_at_it_the_waits_become_longer(ladder: Ladder, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("select advance_alerts()")
        for wait in (1, 2, 4, 8, 16, 30, 30):
            ladder._due_at = NEVER
            ladder.advance()
            assert wait - 0.5 < ladder.due_in <= wait


def test_a_process_that_nobody_looks_at_hears_with_its_report_that_something_is_overdue(
    ladder: Ladder, hub: Hub, cast: Cast, alice: Agent
) -> None:
    ladder.advance()
    hub.report()
    assert ladder.due_in == NEVER
    cast.visitor().start()
    hub._reported_at = float("-inf")
    hub.report()
    assert ladder.due_in <= 0


def test_whom_a_note_mentions_hears_of_that_and_who_has_the_ticket_of_the_customer(
    ladder: Ladder, hub: Hub, hints: Any, cast: Cast, alice: Agent, bob: Agent
) -> None:
    desks = {agent.name: open_desk(hub, agent) for agent in (alice, bob)}
    number = cast.visitor().start(customer_name="Vera Lindt")["number"]
    alice.call("add_note", number=number, client_message_id=new_id(), note="@Bob Ortiz")
    ladder.advance()
    for hint in hints():
        hub.on_event(hint)
    told = {name: [frame["title"] for frame in frames(page)] for name, page in desks.items()}
    assert told == {"alice": ["Vera Lindt"], "bob": ["Alice Kern mentioned you"]}


def test_the_desks_of_who_is_told_hear_of_it_in_their_language_and_of_its_end(
    ladder: Ladder, hub: Hub, hints: Any, cast: Cast, alice: Agent, bob: Agent
) -> None:
    desks = open_desk(hub, alice, "de"), open_desk(hub, bob)
    number = cast.visitor().start("My card is 4111")["number"]
    ladder.advance()
    [raised] = hints()
    hub.on_event(raised)
    assert frames(desks[0]) == [
        {
            "event": "alert",
            "title": "Besucher 1001",
            "body": "#1001: neue Nachricht",
            "tag": "ticket-1001",
            "lang": "de",
            "dir": "ltr",
            "sound": True,
            "desktop": True,
            "number": number,
        }
    ]
    alice.call("record_receipt", number=number, delivered=9, read=9)
    ladder.advance()
    [ended] = hints()
    hub.on_event(ended)
    assert frames(desks[0]) == [{"event": "alert_ended", "tag": "ticket-1001"}]
    assert frames(desks[1]) == []


def test_pages_that_are_told_the_same_share_one_frame(
    ladder: Ladder, hub: Hub, hints: Any, cast: Cast, rows: Any, alice: Agent, bob: Agent
) -> None:
    rows("update agents set max_tickets = 1")
    for _ in range(2):
        cast.visitor().start()  # now they are full
    ladder.advance()
    bob.call("change_alerts", values={"shows_text": True})
    hints()
    desks = [open_desk(hub, alice), open_desk(hub, alice), open_desk(hub, alice, "de"), open_desk(hub, bob)]
    cast.visitor().start("My card is 4111")
    ladder.advance()
    for hint in hints():
        hub.on_event(hint)
    told = [page.take_waiting()[-1] for page in desks]
    bodies = [json.loads(frame)["body"] for frame in told]
    assert bodies == ["#1003: new message", "#1003: new message", "#1003: neue Nachricht", "My card is 4111"]
    assert told[0] is told[1]


def test_in_quiet_hours_no_desk_hears_of_anything(ladder: Ladder, hints: Any, cast: Cast, alice: Agent) -> None:
    alice.call("change_alerts", values={"quiet_from": "00:00", "quiet_until": "12:00"})
    alice.call("change_alerts", values={"time_zone": noon_is_over()})
    cast.visitor().start()
    ladder.advance()
    assert hints() == []


def noon_is_over() -> str:
    """Return a time zone in which it is morning."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    zones = (f"Etc/GMT{hours:+d}" for hours in range(-12, 12))
    return next(zone for zone in zones if 2 <= datetime.now(ZoneInfo(zone)).hour < 10)


def test_a_hint_for_hundreds_of_agents_is_not_larger_than_one_can_be(
    ladder: Ladder, hints: Any, cast: Cast, rows: Any
) -> None:
    rows("insert into agents (name, email) select 'A' || n, n || '@x.example' from generate_series(1, 300) as n")
    cast.visitor().start("ä" * 5000, customer_name="ä" * 80)
    ladder.advance()
    told = [agent for hint in hints() for agent in hint["agents"]]
    assert len(told) == len(set(told)) == 303
