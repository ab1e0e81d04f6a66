"""The log: everything that has happened is read once, whatever else goes on in the database."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supportchat.database import Database
from supportchat.realtime.kinds import KINDS
from supportchat.realtime.log import MOST_EVENTS, Log
from tests.cast import Agent, Cast, Visitor, new_id

WRITE = "insert into events (kind, detail) values ('agent.changed', %s) returning id"


@pytest.fixture
def log(database: Database) -> Log:
    """A reader that has looked once."""
    made = Log(database)
    assert made.read() is None
    return made


def kinds(log: Log) -> list[str]:
    return [event["event"] for event in log.read() or []]


def test_each_event_is_read_once_and_in_the_order_in_which_it_happened(log: Log, cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    vera.start()
    log.read()
    vera.post("One")
    alice.call("record_receipt", number=vera.chat["number"], delivered=3, read=3)
    alice.call("close_ticket", number=vera.chat["number"])
    assert kinds(log) == ["message.posted", "receipt.recorded", "ticket.changed", "message.posted", "ticket.closed"]
    assert kinds(log) == []


@pytest.mark.mode("postgres")
def test_what_was_being_written_at_a_look_comes_once_it_is_committed_and_holds_nothing_back(
    log: Log, database_url: str
) -> None:
    with (
        psycopg.connect(database_url) as endless,
        psycopg.connect(database_url) as slow,
        psycopg.connect(database_url, autocommit=True) as quick,
    ):
        endless.execute("select pg_current_xact_id()")  # somebody else's, elsewhere in the cluster
        slow.execute(WRITE, ['{"is": "slow"}'])
        for number in range(3):
            quick.execute(WRITE, [f'{{"is": {number}}}'])
            assert [event["detail"]["is"] for event in log.read() or []] == [number]
        slow.commit()
        assert [event["detail"]["is"] for event in log.read() or []] == ["slow"]
        assert log.read() == []


def test_what_a_hint_has_told_is_not_read_again(log: Log, cast: Cast) -> None:
    vera = cast.visitor()
    vera.start()
    log.read()
    vera.post("One")
    page = log._database.call("events_after", cursor=log._cursor)
    (posted,) = page["events"]
    assert log.is_new(posted)
    assert not log.is_new(posted)
    assert log.read() == []


def test_too_much_at_once_is_a_gap_and_so_is_another_history(log: Log, rows: Any) -> None:
    many = "insert into events (kind) select 'agent.changed' from generate_series(1, %s)"
    rows(many, MOST_EVENTS - 1)
    assert len(log.read() or []) == MOST_EVENTS - 1
    rows(many, MOST_EVENTS)
    assert log.read() is None
    assert log.read() == []
    rows(
        "create or replace function public.database_epoch() returns text language sql stable set search_path = ''"
        " as $$ select 'another' $$"
    )
    assert log.read() is None
    assert log.read() == []


def test_the_hub_knows_every_kind_that_is_logged(log: Log, cast: Cast, alice: Agent, bob: Agent, rows: Any) -> None:
    vera = cast.visitor()
    vera.start()
    have_a_day(log._database, vera, alice, bob)
    cast.agent("carol").call("change_site", key="main", values={"name": "The shop"})
    cast.agent("carol").call("erase_customer", number=vera.chat["number"])
    victor = cast.visitor()
    victor.start()
    log._database.call("record_pages", visitor=victor.key, visit={"pages": []})
    log._database.call("identify_customer", visitor=victor.key, fresh="f" * 64, site="main", sub="victor")
    happened = set(kinds(log))
    rows("delete from agent_sessions")
    assert rows("delete from user_sessions returning true") == [(True,), (True,)]
    assert happened | set(kinds(log)) == set(KINDS)


def have_a_day(database: Database, vera: Visitor, alice: Agent, bob: Agent) -> None:
    number = vera.chat["number"]
    owner = alice if vera.chat["agent"]["id"] == alice.id else bob
    owner.come()
    owner.call("record_receipt", number=number, delivered=1, read=1)
    owner.call("unassign_ticket", number=number)
    owner.call("assign_ticket", number=number, assignee_id=owner.id, expected_id=None)
    owner.call("close_ticket", number=number)
    owner.call("mark_spam", number=number)
    owner.call("reopen_ticket", number=number)
    shut_out(database, vera, owner)
    owner.call("add_note", number=number, client_message_id=new_id(), note="Careful, @Carol Tan")
    Agent(database, "carol").call("read_mentions", number=number, note_no=1)
    [tag] = owner.call("tag_ticket", number=number, add=["Parts"])["tags"]
    Agent(database, "carol").call("delete_tag", tag_id=tag["id"])
    owner.call("set_priority", number=number, priority=1)
    owner.call("snooze_ticket", number=number)
    owner.call("unsnooze_ticket", number=number)
    database.call(
        "report_process", process_id=new_id(), sockets=1, came=[vera.chat["session_id"]], left=[], token_hashes=[]
    )


def shut_out(database: Database, vera: Visitor, owner: Agent) -> None:
    carol, number = Agent(database, "carol"), vera.chat["number"]
    owner.call("mark_spam", number=number)
    vera.post("I write again")
    owner.call("release_ticket", number=number)
    [ban] = carol.call("ban_customer", number=number, what="browser")["bans"]
    carol.call("end_ban", ban_id=ban["id"])


def test_no_event_of_the_log_holds_a_text_or_a_name(cast: Cast, alice: Agent, rows: Any) -> None:
    vera = cast.visitor()
    vera.start("Something private", customer_name="Vera Maier")
    alice.reply(vera.chat["number"], "Something else that is private")
    alice.call("tag_ticket", number=vera.chat["number"], add=["A private tag"])
    alice.call("add_note", number=vera.chat["number"], client_message_id=new_id(), note="@Bob Ortiz, keep it private")
    written = rows("select coalesce(string_agg(e::text, ' '), '') from events e")[0][0]
    assert "private" not in written
    assert "Vera" not in written
    assert "Alice" not in written
    assert "Bob" not in written


def test_events_go_after_a_day_but_for_those_of_a_ticket(database: Database, cast: Cast, rows: Any) -> None:
    cast.visitor().start()
    kept = rows("select count(*) from events where ticket_id is not null")
    rows("update events set created_at = now() - interval '25 hours'")
    database.call("sweep_assignment")
    assert rows("select count(*) from events where ticket_id is null") == [(0,)]
    assert rows("select count(*) from events where ticket_id is not null") == kept
