"""Those who wait: told how they move up, by one call however many they are."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest
from flask import Flask

from supportchat.database import Database, Unavailable
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.conversation import Conversation
from supportchat.realtime.hub import Hub
from supportchat.realtime.register import Register
from tests.cast import Agent, Cast, Visitor

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def hub(app: Flask) -> Hub:
    """A hub that hears no events but those that a test hands to it."""
    made: Hub = app.extensions["hub"]
    return made


@pytest.fixture
def calls(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that the hub makes, but its reports, which come when their time has come."""
    made: list[str] = []
    call = hub._database.call

    def remember(function: str, /, **arguments: Any) -> Any:
        if function != "report_process":
            made.append(function)
        return call(function, **arguments)

    monkeypatch.setattr(hub._database, "call", remember)
    return made


@pytest.fixture
def full(alice: Agent, rows: Any) -> Agent:
    """An agent who is here, and takes no ticket."""
    rows("update agents set max_tickets = 0")
    return alice


def waiting(hub: Hub, cast: Cast) -> tuple[Visitor, Connection]:
    """A customer who waits, and their page."""
    visitor, page = cast.visitor(), Connection()
    visitor.start()
    assert hub.add(page)
    hub.show(page, visitor.chat["session_id"], "customer", Shown(seq=2))
    page.take_waiting()
    return visitor, page


def told(page: Connection) -> str:
    """What a page is sent."""
    return json.dumps([json.loads(frame) for frame in page.take_waiting()])


def conversation_of(hub: Hub, visitor: Visitor) -> Conversation:
    return hub._conversations[visitor.chat["session_id"]]


def serve(first: Visitor, agent: Agent) -> None:
    agent.call("assign_ticket", number=first.chat["number"], assignee_id=agent.id)


def test_all_who_move_up_are_told_by_one_call(hub: Hub, cast: Cast, full: Agent, calls: list[str]) -> None:
    (first, _), (_, second), (_, third) = [waiting(hub, cast) for _ in range(3)]
    serve(first, full)
    calls.clear()
    hub._refresh()
    assert "First in line" in told(second)
    assert "Number 2 in line" in told(third)
    assert calls == ["waiting_line"]


def test_who_has_not_moved_is_told_nothing(hub: Hub, cast: Cast, full: Agent) -> None:
    (_, first), (second, _) = [waiting(hub, cast) for _ in range(2)]
    serve(second, full)
    hub._refresh()
    assert told(first) == "[]"


def test_who_stands_behind_the_counted_places_is_told_when_theirs_comes(
    hub: Hub, cast: Cast, full: Agent, rows: Any
) -> None:
    rows(
        "with chats as (insert into user_sessions (is_anonymous) select true from generate_series(1, 101) returning *)"
        " insert into tickets (session_id, awaiting_since) select session_id, now() - interval '1 hour' from chats"
    )
    _, page = waiting(hub, cast)
    rows("delete from tickets where number = 1001")
    hub._refresh()
    assert told(page) == "[]"
    rows("delete from tickets where number = 1002")
    hub._refresh()
    assert "Number 100 in line" in told(page)


def test_all_who_wait_are_told_when_the_last_agent_leaves_and_the_first_one_comes(
    hub: Hub, cast: Cast, full: Agent, calls: list[str]
) -> None:
    pages = [waiting(hub, cast)[1] for _ in range(2)]
    calls.clear()
    full.call("set_availability", availability="away")
    hub._refresh()
    assert all("No one is online" in told(page) for page in pages)
    full.call("set_availability", availability="available")
    hub._refresh()
    assert all("in line" in told(page) for page in pages)
    assert calls == ["waiting_line", "waiting_line"]


def test_a_place_that_comes_while_the_conversation_is_read_is_read_with_it(
    hub: Hub, cast: Cast, full: Agent, calls: list[str]
) -> None:
    (first, _), (second, page) = [waiting(hub, cast) for _ in range(2)]
    conversation = conversation_of(hub, second)
    serve(first, full)
    with conversation._lock:
        gevent.spawn(hub._refresh).join()
        assert told(page) == "[]"
    conversation._work()
    assert "First in line" in told(page)


def test_a_line_that_could_not_be_read_is_read_again(
    hub: Hub, cast: Cast, full: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, _), (_, page) = [waiting(hub, cast) for _ in range(2)]
    serve(first, full)
    again: list[str] = []
    monkeypatch.setattr(hub._chores, "soon", lambda seconds, task: again.append(task.__name__))
    with monkeypatch.context() as patched:
        patched.setattr(hub._database, "call", unavailable)
        with pytest.raises(Unavailable):
            hub._refresh()
    assert again == ["_refresh"]
    hub._refresh()
    assert "First in line" in told(page)


def unavailable(function: str, /, **arguments: Any) -> Any:
    raise Unavailable("database_busy")


def test_where_nobody_waits_no_line_is_read(hub: Hub, cast: Cast, alice: Agent, calls: list[str]) -> None:
    waiting(hub, cast)  # not for long
    calls.clear()
    hub._refresh()
    assert calls == []


def test_who_has_whom_is_known_for_as_long_as_a_page_shows_it(hub: Hub, cast: Cast, full: Agent) -> None:
    visitor, page = waiting(hub, cast)
    register: Register = hub._register
    assert register.has_waiting
    serve(visitor, full)
    conversation = conversation_of(hub, visitor)
    conversation._is_stale["state"] = True
    conversation._work()
    assert register.with_agent(full.id) == {visitor.chat["session_id"]}
    assert not register.has_waiting
    hub.remove(page)
    conversation._is_stale["state"] = True
    conversation._work()
    assert register.with_agent(full.id) == set()
    assert (register._by_told, register._by_agent, register._agents) == ({}, {}, {})


def test_a_held_conversation_keeps_no_place(hub: Hub, cast: Cast, full: Agent, database: Database, rows: Any) -> None:
    visitor, page = waiting(hub, cast)
    rows("update tickets set held = 'link'")
    conversation = conversation_of(hub, visitor)
    conversation._is_stale["state"] = True
    conversation._work()
    told(page)
    rows("update tickets set held = null")  # its own event is still to come
    hub._refresh()
    assert told(page) == "[]"
