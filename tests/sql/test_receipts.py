"""Receipts of many pages in one call."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supportchat.database import Database
from tests.cast import Agent, Cast, Visitor

Receipt = dict[str, Any]


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's."""
    visitor = cast.visitor()
    visitor.start("Hello")
    return visitor


def of_customer(whose: Visitor, mark: int, **other: Any) -> Receipt:
    chat = whose.chat
    return {
        "session_id": chat["session_id"],
        "epoch": chat["epoch"],
        "visitor": whose.key,
        "delivered": mark,
        "read": mark,
        **other,
    }


def of_agent(agent: Agent, visitor: Visitor, mark: int, **other: Any) -> Receipt:
    receipt = of_customer(visitor, mark, agent_id=agent.id, **{"token_hash": agent.token_hash, **other})
    return {name: value for name, value in receipt.items() if name != "visitor"}


def record(database: Database, *receipts: Receipt) -> list[str]:
    busy: list[str] = database.call("record_receipts", receipts=list(receipts))["busy"]
    return busy


def marks(visitor: Visitor) -> tuple[int, ...]:
    chat = visitor.chat
    sides = ("customer_delivered_seq", "customer_read_seq", "agent_delivered_seq", "agent_read_seq")
    return tuple(chat[name] for name in sides)


def test_what_is_said_together_is_as_if_each_had_said_it_alone(
    cast: Cast, vera: Visitor, alice: Agent, database: Database
) -> None:
    victor = cast.visitor()
    victor.start("Me too")
    assert record(database, of_customer(vera, 2, read=1), of_agent(alice, vera, 1), of_agent(alice, victor, 99)) == []
    assert marks(vera) == (2, 1, 1, 1)
    assert marks(victor) == (0, 0, victor.chat["last_seq"], victor.chat["last_seq"])
    own = {row["session_id"]: row["marks"] for row in alice.call("list_tickets", view="mine")["rows"]}
    assert own[vera.chat["session_id"]] == {alice.id: 1}


def test_what_a_page_may_not_say_spoils_nothing_of_what_others_say(
    cast: Cast, vera: Visitor, alice: Agent, bob: Agent, database: Database
) -> None:
    victor = cast.visitor()
    victor.start("Me too")
    before = marks(vera)
    assert not record(
        database,
        of_customer(vera, 2, visitor=victor.key),
        of_customer(vera, 2, epoch="0" * 12),
        of_customer(vera, 2, session_id="00000000-0000-4000-8000-000000000000"),
        of_agent(bob, vera, 2),  # has no login session
        of_agent(bob, vera, 2, token_hash=alice.token_hash),
        of_customer(victor, 1),
    )
    assert marks(vera) == before
    assert marks(victor)[:2] == (1, 1)


def test_an_agent_who_has_logged_out_says_nothing_any_more(vera: Visitor, alice: Agent, database: Database) -> None:
    receipt = of_agent(alice, vera, 2)
    database.call("close_agent_session", token_hash=alice.token_hash)
    record(database, receipt)
    assert marks(vera) == (0, 0, 0, 0)


def test_receipts_wait_for_nobody_who_writes_into_a_conversation(
    cast: Cast, vera: Visitor, database: Database, database_url: str
) -> None:
    victor = cast.visitor()
    victor.start("Me too")
    busy = vera.chat["session_id"]
    receipts = of_customer(vera, 2), of_customer(victor, 1)
    with psycopg.connect(database_url) as other:
        other.execute("update user_sessions set customer_name = 'Vera' where session_id = %s", [busy])
        assert record(database, *receipts) == [busy]
    assert (marks(vera)[:2], marks(victor)[:2]) == ((0, 0), (1, 1))
    assert record(database, *receipts) == []
    assert marks(vera)[:2] == (2, 2)
