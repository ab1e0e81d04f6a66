"""Receipts that come by sockets: written together, each page's newest, and none lost by a failure."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from supportchat.database import Database, Unavailable
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import Hub
from supportchat.realtime.receipts import Receipts
from supportchat.server.buckets import Limit
from tests.cast import Agent, Cast, Visitor


class Desk:
    """A hub whose receipts are written when a test says so, and what it asks of the database for them."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.written: list[list[dict[str, Any]]] = []
        self.waits: list[float] = []
        self.failures: list[Exception] = []
        hub.receipts = Receipts(self, lambda seconds, task: self.waits.append(seconds), Limit(0, 0))  # type: ignore[arg-type]
        self._call = hub._database.call

    def call(self, function: str, /, **arguments: Any) -> Any:
        if self.failures:
            raise self.failures.pop()
        self.written.append(arguments["receipts"])
        return self._call(function, **arguments)

    def open(self, visitor: Visitor, agent: Agent | None = None) -> Connection:
        page = Connection(agent_id=agent.id if agent else "", token_hash=agent.token_hash if agent else visitor.key)
        assert self.hub.add(page)
        self.hub.show(page, visitor.chat["session_id"], "agent" if agent else "customer", Shown(seq=2))
        return page

    def say(self, page: Connection, visitor: Visitor, mark: int, **other: Any) -> None:
        self.hub.acknowledge(page, {"delivered": mark, "read": mark, "epoch": visitor.chat["epoch"], **other})


@pytest.fixture
def desk(app: Flask) -> Desk:
    """The desk."""
    return Desk(app.extensions["hub"])


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's. Two lines are there already."""
    visitor = cast.visitor()
    visitor.start("Hello")
    return visitor


def marks(visitor: Visitor) -> tuple[int, int]:
    return visitor.chat["customer_read_seq"], visitor.chat["agent_read_seq"]


def test_what_all_pages_say_in_a_moment_is_one_call_with_the_newest_of_each(
    desk: Desk, vera: Visitor, alice: Agent
) -> None:
    customer, agent = desk.open(vera), desk.open(vera, alice)
    desk.say(customer, vera, 1)
    desk.say(agent, vera, 1)
    desk.say(customer, vera, 2)
    desk.hub.receipts.write_receipts()
    assert [len(written) for written in desk.written] == [2]
    assert marks(vera) == (2, 1)
    desk.hub.receipts.write_receipts()
    assert len(desk.written) == 1


def test_what_could_not_be_written_is_tried_again_unless_its_page_has_said_more(desk: Desk, vera: Visitor) -> None:
    page, other = desk.open(vera), desk.open(vera)
    desk.failures = [Unavailable("database_unavailable")]
    desk.say(page, vera, 1)
    desk.say(other, vera, 1)
    with pytest.raises(Unavailable):
        desk.hub.receipts.write_receipts()
    desk.say(page, vera, 2)
    desk.hub.receipts.write_receipts()
    assert sorted(receipt["read"] for receipt in desk.written[0]) == [1, 2]
    assert marks(vera)[0] == 2
    assert max(desk.waits) >= 2  # not at once: the database has trouble


def test_what_somebody_else_writes_into_is_tried_again(desk: Desk, vera: Visitor, database_url: str) -> None:
    page = desk.open(vera)
    desk.say(page, vera, 2)
    with psycopg.connect(database_url) as other:
        other.execute("update user_sessions set customer_name = 'Vera'")
        desk.hub.receipts.write_receipts()
    assert marks(vera)[0] == 0
    desk.hub.receipts.write_receipts()
    assert marks(vera)[0] == 2


@pytest.mark.parametrize("said", [None, 7, [], {}, {"epoch": 5}, {"epoch": "0" * 12, "delivered": 2, "read": 2}])
def test_what_makes_no_sense_or_is_of_another_conversation_is_ignored(desk: Desk, vera: Visitor, said: Any) -> None:
    desk.hub.acknowledge(desk.open(vera), said)
    desk.hub.acknowledge(Connection(token_hash="x"), {"delivered": 2, "read": 2, "epoch": vera.chat["epoch"]})
    desk.hub.receipts.write_receipts()
    assert desk.written == []


def test_numbers_that_are_none_count_as_nothing(desk: Desk, vera: Visitor, alice: Agent) -> None:
    desk.say(desk.open(vera, alice), vera, 2, read="2", delivered=2**40)
    desk.hub.receipts.write_receipts()
    assert [(receipt["delivered"], receipt["read"]) for [receipt] in desk.written] == [(0, 0)]


def test_a_customer_who_says_what_is_known_costs_no_call(desk: Desk, vera: Visitor, database: Database) -> None:
    database.call("record_receipt", visitor=vera.key, delivered=2, read=2)
    desk.say(desk.open(vera), vera, 2)
    desk.hub.receipts.write_receipts()
    assert desk.written == []


def test_receipts_by_sockets_have_their_limit(desk: Desk, vera: Visitor) -> None:
    desk.hub.receipts._limit = Limit(2, 86400)
    page = desk.open(vera)
    for mark in (1, 2, 2):
        desk.say(page, vera, mark, read=0, delivered=mark)
    desk.say(page, vera, 2)
    desk.hub.receipts.write_receipts()
    assert [(receipt["delivered"], receipt["read"]) for [receipt] in desk.written] == [(2, 0)]
