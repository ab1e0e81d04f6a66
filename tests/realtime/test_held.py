"""Held replies are sent when their time has come, whichever process is left to do it."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest
from flask import Flask

from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import Hub
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def hub(app: Flask) -> Hub:
    """The hub of a process that has no timer for what another one has taken."""
    made: Hub = app.extensions["hub"]
    return made


@pytest.fixture
def overdue(cast: Cast, alice: Agent, rows: Any) -> str:
    """A reply whose time came while its process was gone; returns its id."""
    cast.agent("carol").call("change_settings", values={"undo_send_seconds": 5})
    number, once = cast.visitor().start()["number"], new_id()
    alice.call("assign_ticket", number=number, assignee_id=alice.id)
    alice.reply(number, "Late", client_message_id=once, may_hold=True)
    rows("update held_replies set due_at = due_at - interval '1 minute'")
    return once


def sent(rows: Any) -> list[Any]:
    with gevent.Timeout(10):
        while rows("select count(*) from held_replies") != [(0,)]:
            gevent.sleep(0.02)
    return list(rows("select message from chat_messages where sender = 'agent'"))


@pytest.mark.usefixtures("overdue")
def test_the_sweep_of_a_process_sends_what_another_one_has_left(hub: Hub, alice: Agent, rows: Any) -> None:
    hub.add(Connection(agent_id=alice.id, token_hash=alice.token_hash))
    hub.sweep()
    assert sent(rows) == [("Late",)]


@pytest.mark.usefixtures("overdue")
def test_a_process_that_nobody_looks_at_sends_it_with_its_report(hub: Hub, rows: Any) -> None:
    hub.sweep()
    assert rows("select count(*) from held_replies") == [(1,)]
    hub.report()
    assert sent(rows) == [("Late",)]


def test_only_the_pages_of_its_agent_hear_of_a_held_reply(hub: Hub, alice: Agent, bob: Agent) -> None:
    pages = [Connection(agent_id=agent.id, token_hash=agent.token_hash) for agent in (alice, bob)]
    for page in pages:
        hub.add(page)
        hub.show(page, None, "agent", Shown(view="mine"))
        page.take_waiting()
    once = new_id()
    event: Any = {"event": "held.changed", "agent_id": alice.id, "number": 1001, "reply": once, "state": "held"}
    hub.on_event(event)
    [frame] = [json.loads(frame) for frame in pages[0].take_waiting()]
    assert frame == {"event": "held_changed", "number": 1001, "reply": once, "state": "held"}
    assert pages[1].take_waiting() == []


def test_a_call_that_fails_is_left_to_the_next_sweep(hub: Hub, caplog: Any) -> None:
    hub.held.send_in(0, "no conversation")
    with gevent.Timeout(10):
        while "has to wait for the next sweep" not in caplog.text:
            gevent.sleep(0.02)
