"""What an agent can do with a ticket."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supportchat.database import Conflict, Database, Invalid, NotFound
from tests.cast import Agent, Cast, Visitor, new_id
from tests.conftest import Place


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's."""
    visitor = cast.visitor()
    visitor.start("Help!", customer_name="Vera Lindt")
    assert visitor.chat["agent"]["id"] == alice.id
    return visitor


def note(agent: Agent, number: int, text: str = "Careful", **arguments: Any) -> Any:
    return agent.call("add_note", number=number, note=text, **{"client_message_id": new_id(), **arguments})["note"]


def test_a_reply_reaches_the_conversation(vera: Visitor, alice: Agent) -> None:
    alice.reply(vera.chat["number"], "Of course")
    last = vera.lines[-1]
    assert (last["sender"], last["message"], last["agent"]["name"]) == ("agent", "Of course", "Alice Kern")


def test_what_a_colleague_has_sent_is_nobody_elses_first_answer(cast: Cast, alice: Agent, bob: Agent) -> None:
    vera, victor, once = cast.visitor(), cast.visitor(), new_id()
    vera.start()
    number = vera.chat["number"]
    owner, other = (alice, bob) if vera.chat["agent"]["id"] == alice.id else (bob, alice)
    for act, field in (("post_reply", "message"), ("add_note", "note")):
        same = {"number": number, "client_message_id": once, field: "The same words"}
        owner.call(act, **same)
        owner.call(act, **same)
        with pytest.raises(Invalid) as refused:
            other.call(act, **same)
        assert refused.value.code == "client_message_id_reused"
    vera.post("My words", client_message_id=once)
    victor.start("My words", client_message_id=once)
    assert [line["message"] for line in victor.lines if line["sender"] == "user"] == ["My words"]


def test_only_who_has_the_ticket_can_reply(vera: Visitor, bob: Agent) -> None:
    with pytest.raises(Conflict, match="assigned_to_other") as refused:
        bob.reply(vera.chat["number"])
    assert refused.value.detail == "Alice Kern"


def test_a_closed_ticket_takes_no_reply(vera: Visitor, alice: Agent) -> None:
    alice.call("close_ticket", number=vera.chat["number"])
    with pytest.raises(Conflict, match="ticket_closed"):
        alice.reply(vera.chat["number"])


def test_a_repeated_reply_is_stored_once_even_after_the_ticket_moved_on(vera: Visitor, alice: Agent, rows: Any) -> None:
    once, number = new_id(), vera.chat["number"]
    alice.reply(number, client_message_id=once)
    alice.call("unassign_ticket", number=number)
    alice.reply(number, client_message_id=once)
    assert rows("select count(*) from chat_messages where sender = 'agent'") == [(1,)]


def test_a_reply_marks_the_conversation_as_answered_and_read(vera: Visitor, alice: Agent, rows: Any) -> None:
    assert rows("select awaiting_since is not null, first_reply_at from tickets") == [(True, None)]
    alice.reply(vera.chat["number"])
    assert rows("select awaiting_since, first_reply_at is not null from tickets") == [(None, True)]
    assert vera.chat["agent_read_seq"] == vera.chat["last_seq"]
    vera.post("Thanks, but")
    assert rows("select awaiting_since is not null from tickets") == [(True,)]


def test_messages_leave_the_version_of_a_ticket_alone_and_other_changes_count_it(
    vera: Visitor, alice: Agent, database: Database, rows: Any
) -> None:
    number, version = vera.chat["number"], vera.chat["version"]
    moments = set()
    for say in (vera.post, lambda text: alice.reply(number, text), vera.post):
        say("And so on")
        moments.add(rows("select updated_at from tickets")[0])
    assert vera.chat["version"] == version
    assert len(moments) == 3
    alice.call("unassign_ticket", number=number)
    assert vera.chat["version"] == version + 1
    alice.call("assign_ticket", number=number, assignee_id=alice.id)
    alice.call("close_ticket", number=number)
    assert vera.chat["version"] == version + 3


def test_a_note_stands_after_the_last_message_and_is_in_no_message(vera: Visitor, alice: Agent) -> None:
    before = vera.lines
    written = note(alice, vera.chat["number"])
    assert (written["after_seq"], written["note_no"]) == (before[-1]["seq"], 1)
    assert vera.lines == before


def test_notes_are_for_any_agent_on_any_ticket(vera: Visitor, bob: Agent, database: Database) -> None:
    note(bob, vera.chat["number"], "I know her")
    notes = database.call("notes_after", session_id=vera.chat["session_id"], after=0)
    assert [(n["note"], n["agent"]["name"]) for n in notes] == [("I know her", "Bob Ortiz")]


def test_a_repeated_note_is_stored_once(vera: Visitor, alice: Agent, rows: Any) -> None:
    once = new_id()
    for _ in range(2):
        note(alice, vera.chat["number"], client_message_id=once)
    assert rows("select count(*) from ticket_notes") == [(1,)]
    with pytest.raises(Invalid, match="client_message_id_reused"):
        note(alice, vera.chat["number"], "Another", client_message_id=once)


def test_closing_and_reopening(vera: Visitor, alice: Agent, bob: Agent) -> None:
    number = vera.chat["number"]
    alice.call("close_ticket", number=number)
    assert vera.chat["status"] == "closed"
    bob.call("reopen_ticket", number=number)
    assert vera.chat["status"] == "open"
    assert vera.chat["agent"]["id"] == bob.id
    assert vera.events() == ["assigned", "closed", "reopened", "assigned"]


def test_nobody_closes_the_ticket_of_a_colleague(vera: Visitor, bob: Agent) -> None:
    with pytest.raises(Conflict, match="assigned_to_other"):
        bob.call("close_ticket", number=vera.chat["number"])


def test_reopening_what_a_colleague_has_open_says_who(vera: Visitor, bob: Agent) -> None:
    with pytest.raises(Conflict, match="assigned_to_other") as refused:
        bob.call("reopen_ticket", number=vera.chat["number"])
    assert refused.value.detail == "Alice Kern"


@pytest.mark.parametrize("function", ["reopen_ticket", "assign_ticket"])
def test_who_looks_for_its_agent_is_told_that_it_has_none_any_more(
    vera: Visitor, alice: Agent, bob: Agent, function: str
) -> None:
    number = vera.chat["number"]
    alice.call("unassign_ticket", number=number)
    arguments = {"assignee_id": bob.id, "expected_id": alice.id} if function == "assign_ticket" else {}
    with pytest.raises(Conflict, match="ticket_unassigned"):
        bob.call(function, number=number, **arguments)


def test_what_the_customer_has_left_behind_is_not_reopened(vera: Visitor, alice: Agent) -> None:
    alice.call("close_ticket", number=1001)
    vera.start("Another thing")
    alice.call("close_ticket", number=1002)
    with pytest.raises(Conflict, match="customer_moved_on") as refused:
        alice.call("reopen_ticket", number=1001)
    assert refused.value.detail == "1002"
    alice.call("reopen_ticket", number=1002)
    assert vera.chat["status"] == "open"


def test_a_ticket_returned_by_its_agent_waits_again(vera: Visitor, alice: Agent) -> None:
    alice.call("unassign_ticket", number=vera.chat["number"])
    assert vera.chat["status"] == "waiting"
    assert vera.events()[-1] == "returned"


def test_the_queue_counts_and_lists_by_view(vera: Visitor, cast: Cast, alice: Agent, bob: Agent) -> None:
    alice.call("set_availability", availability="away")
    cast.visitor().start("I wait")
    mine = alice.call("list_tickets", view="mine")
    assert mine["counts"] == {"mine": 1, "unassigned": 1, "all": 2, "snoozed": 0}
    assert [row["customer_name"] for row in mine["rows"]] == ["Vera Lindt"]
    assert len(alice.call("list_tickets", view="unassigned")["rows"]) == 1
    assert len(alice.call("list_tickets", view="all")["rows"]) == 2
    assert bob.call("list_tickets", view="mine")["rows"] == []


@pytest.mark.parametrize("view", ["mine", "all"])
def test_who_has_waited_longest_stands_first_then_the_latest_activity(
    cast: Cast, alice: Agent, rows: Any, view: str
) -> None:
    numbers = []
    for _ in range(5):
        visitor = cast.visitor()
        numbers.append(visitor.start()["number"])
        alice.call("assign_ticket", number=numbers[-1], assignee_id=alice.id)
    for number in (numbers[1], numbers[0]):
        alice.reply(number)
    rows(f"update tickets set awaiting_since = now() - interval '1 hour' where number = {numbers[3]}")
    expected = [numbers[3], numbers[2], numbers[4], numbers[0], numbers[1]]
    assert [row["number"] for row in alice.call("list_tickets", view=view)["rows"]] == expected
    assert [row["number"] for row in alice.call("list_tickets", view=view, limit=3)["rows"]] == expected[:3]


def test_what_is_unread_in_ones_own_tickets_is_known_in_every_view(vera: Visitor, cast: Cast, alice: Agent) -> None:
    vera.post("Second")
    alice.call("set_availability", availability="away")
    cast.visitor().start("I wait")
    for view in ("mine", "unassigned", "all"):
        queue = alice.call("list_tickets", view=view)
        assert [(own["number"], own["customer_lines"], own["read_lines"]) for own in queue["unread"]] == [(1001, 2, 0)]
        assert queue["counts"]["unassigned"] == 1


def test_the_tickets_that_an_agent_closed_last_are_found_under_mine(vera: Visitor, alice: Agent, bob: Agent) -> None:
    alice.call("close_ticket", number=vera.chat["number"])
    assert [row["number"] for row in alice.call("list_tickets", view="mine")["closed"]] == [vera.chat["number"]]
    assert bob.call("list_tickets", view="mine")["closed"] == []


def unread(agent: Agent, number: int) -> int:
    """Return what the page of an agent makes of a row."""
    [row] = [row for row in agent.call("list_tickets", view="all")["rows"] if row["number"] == number]
    count: int = row["customer_lines"] - row["marks"].get(agent.id, 0)
    return count


def test_unread_are_the_customers_messages_after_ones_own_mark(vera: Visitor, alice: Agent, bob: Agent) -> None:
    number = vera.chat["number"]
    vera.post("Second")
    assert (unread(alice, number), unread(bob, number)) == (2, 2)
    alice.reply(number)
    note(bob, number)
    assert (unread(alice, number), unread(bob, number)) == (0, 2)
    vera.post("Third")
    bob.call("record_receipt", number=number, delivered=9, read=9)
    assert (unread(alice, number), unread(bob, number)) == (1, 0)


def test_a_mark_in_the_middle_leaves_the_customers_messages_behind_it_unread(vera: Visitor, alice: Agent) -> None:
    number = vera.chat["number"]
    for text in ("Second", "Third"):
        vera.post(text)
    alice.call("record_receipt", number=number, delivered=4, read=3)
    assert unread(alice, number) == 1
    alice.call("record_receipt", number=number, delivered=4, read=1)
    assert unread(alice, number) == 1


@pytest.mark.mode("postgres")
def test_a_mark_that_moves_tells_whose_it_is_and_where_it_stands(
    vera: Visitor, alice: Agent, bob: Agent, place: Place
) -> None:
    number = vera.chat["number"]
    listener = psycopg.connect(place.conninfo, autocommit=True)
    listener.execute("listen supportchat")
    alice.call("record_receipt", number=number, delivered=2, read=2)
    bob.call("record_receipt", number=number, delivered=2, read=2)  # the agents' side has read it already
    bob.call("record_receipt", number=number, delivered=2, read=1)
    with listener:
        told = [json.loads(notification.payload) for notification in listener.notifies(timeout=5, stop_after=2)]
    marks = [
        (event["agent_id"], event["detail"]["read_lines"]) for event in told if event["event"] == "receipt.recorded"
    ]
    assert marks == [(alice.id, 1), (bob.id, 1)]


def test_the_row_of_a_conversation_is_that_of_the_list(vera: Visitor, cast: Cast, alice: Agent, bob: Agent) -> None:
    alice.reply(vera.chat["number"], "One moment")
    closed = cast.visitor()
    closed.start("And I?", customer_name="Victor")
    alice.call("close_ticket", number=closed.chat["number"])
    queue = bob.call("list_tickets", view="all")
    changes = bob._database.call("queue_changes", session_ids=[vera.chat["session_id"], closed.chat["session_id"]])
    assert [(agent["id"], agent["load"]) for agent in changes["agents"]] == [(alice.id, 1)]
    assert sorted(changes["rows"], key=lambda row: row["number"]) == queue["rows"] + queue["closed"]
    assert [row["last"]["message"] for row in queue["rows"] + queue["closed"]] == ["One moment", "And I?"]


def test_the_counts_of_all_desks_are_those_of_each(vera: Visitor, cast: Cast, alice: Agent, bob: Agent) -> None:
    cast.visitor().start("Two")
    cast.visitor().start("Three")
    bob.call("set_availability", availability="away")
    alice.call("set_availability", availability="away")
    cast.visitor().start("I wait")
    counts = alice._database.call("queue_counts")
    for agent in (alice, bob):
        shared = {name: counts[name] for name in ("unassigned", "all", "snoozed")}
        own = {"mine": counts["agents"].get(agent.id, 0), **shared}
        assert agent.call("list_tickets")["counts"] == own
    assert counts["reason"] == alice.call("list_tickets", view="all")["reason"]
    assert (counts["unassigned"], counts["all"], counts["reason"]["code"]) == (1, 4, "everybody_away")


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("view", ["mine", "unassigned", "all"])
def test_a_view_and_the_closed_ones_are_read_in_the_order_of_an_index(
    alice: Agent, rows: Any, view: str, place: Place
) -> None:
    """A million closed tickets would be too slow to make: no plan may sort, or read what is not shown."""
    rows(
        "with new as (insert into user_sessions (customer_name) select 'c' || n from generate_series(1, 6000) n"
        " returning session_id), numbered as (select session_id, row_number() over () as n from new)"
        " insert into tickets (session_id, status, assigned_agent_id, awaiting_since, closed_at)"
        " select session_id, case when n <= 5000 then 'closed' when n <= 5500 then 'open' else 'waiting' end,"
        f" case when n <= 5500 then case when n %% 100 = 0 then '{alice.id}' else"
        " (select id from agents where email = 'bob@example.com') end::uuid end,"
        " case when n > 5000 and n %% 2 = 0 then now() - n * interval '1 second' end,"
        " case when n <= 5000 then now() end from numbered"
    )
    with psycopg.connect(make_conninfo(place.conninfo, user="postgres"), autocommit=True) as connection:
        # Somebody else's snapshot may keep it from marking pages; then counts read the rows behind their index.
        visible = "select relallvisible >= relpages from pg_class where oid = 'public.tickets'::regclass"
        connection.execute("vacuum analyze")
        while connection.execute(visible).fetchone() != (True,):
            connection.execute("vacuum tickets")
        connection.execute("select pg_stat_reset_single_table_counters('public.tickets'::regclass)")
        connection.execute("select public.list_tickets(%s, %s, 20)", [alice.id, view])
        connection.execute("select pg_stat_force_next_flush()")
        [(scans, read)] = connection.execute(
            "select seq_scan, idx_tup_fetch from pg_stat_user_tables where relname = 'tickets'"
        ).fetchall()
    assert scans == 0
    assert read < 200


def test_closed_tickets_are_found_under_all(vera: Visitor, alice: Agent) -> None:
    alice.call("close_ticket", number=vera.chat["number"])
    queue = alice.call("list_tickets", view="all")
    assert queue["rows"] == []
    assert [row["number"] for row in queue["closed"]] == [vera.chat["number"]]
    assert queue["counts"]["all"] == 0


def test_a_ticket_knows_its_customer_history_and_earlier_tickets(
    vera: Visitor, alice: Agent, database: Database
) -> None:
    first = vera.chat["number"]
    database.call("close_chat", visitor=vera.key)
    vera.start("Again me", customer_name="Vera Lindt")
    ticket = alice.call("ticket_of_agent", number=vera.chat["number"])
    assert ticket["customer"]["name"] == "Vera Lindt"
    assert [event["event"] for event in ticket["history"]] == ["opened", "assigned"]
    assert [(other["number"], other["status"]) for other in ticket["earlier"]] == [(first, "closed")]


def test_a_number_without_a_ticket_is_not_found(alice: Agent) -> None:
    with pytest.raises(NotFound, match="ticket_not_found"):
        alice.call("ticket_of_agent", number=999)


def test_a_mark_looks_no_further_than_a_hundred_unread_messages(vera: Visitor, alice: Agent, rows: Any) -> None:
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, n, 'user', 'x' from user_sessions, generate_series(3, 150) n"
    )
    rows("update user_sessions set last_seq = 150, last_spoken_seq = 150, customer_lines = 149")
    assert unread(alice, 1001) == 149
    alice.call("record_receipt", number=1001, delivered=150, read=10)
    assert unread(alice, 1001) == 100
    alice.call("record_receipt", number=1001, delivered=150, read=149)
    assert unread(alice, 1001) == 1


def test_a_reply_that_has_not_seen_the_customers_last_words_is_not_stored(cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    number, seen = vera.start()["number"], vera.chat["last_seq"]
    once = new_id()
    alice.reply(number, "One", seen=seen, client_message_id=once)
    alice.reply(number, "Two", seen=seen)  # one's own lines need not be seen
    vera.post("Wait")
    vera.post("It works now")
    with pytest.raises(Invalid, match="messages_came") as refused:
        alice.reply(number, "Three", seen=seen)
    assert refused.value.detail == "2"
    assert alice.reply(number, "One", seen=seen, client_message_id=once)["duplicate"]
    alice.reply(number, "Three", seen=vera.chat["last_seq"])
    alice.reply(number, "Four")
    assert [line["message"] for line in vera.lines if line["sender"] == "agent"] == ["One", "Two", "Three", "Four"]
