"""What was tried on held replies, undo, mentions and search. See docs/security.md, E1 and on."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database
from supportchat.search.query import parsed
from tests.alerts.test_ladder import Ladder, give_device
from tests.cast import Agent, Cast, new_id
from tests.sql.test_held import Held, carol, desk

__all__ = ["carol", "desk"]  # fixtures

pytestmark = pytest.mark.mode("postgres")


# E1: an agent who leaves after they have sent a reply that is held


def test_row_e1_who_logs_out_has_sent_what_was_held(desk: Held, bob: Agent, rows: Any) -> None:
    desk.alice.come()
    bob.come()
    rows("update server_processes set started_at = now() - interval '1 minute'")
    desk.hold()
    desk.database.call("close_agent_session", token_hash=desk.alice.token_hash)
    rows("update agents set lease_expires_at = now() where id = %s", desk.alice.id)
    desk.database.call("sweep_assignment")
    desk.wait()
    assert desk.said == ["Hello?", "An answer"]
    assert rows("select status, assigned_agent_id::text from tickets") == [("open", desk.alice.id)]


# E2: the clock of the database goes back


def test_row_e2_a_clock_that_goes_back_keeps_no_reply(desk: Held, rows: Any) -> None:
    desk.hold("One")
    rows("update held_replies set due_at = due_at + interval '1 hour', held_at = held_at + interval '1 hour'")
    desk.hold("Two")
    assert desk.database.call("sweep_assignment")["held_due"] is True
    desk.database.call("release_replies")
    desk.wait()
    assert desk.said == ["Hello?", "One", "Two"]


# E3: undo


@pytest.mark.parametrize("forged", [{"number": 1001}, {"number": 1001, "version": None}])
def test_row_e3_nothing_is_undone_without_a_version(cast: Cast, alice: Agent, bob: Agent, forged: Any) -> None:
    cast.visitor().start()
    alice.call("set_priority", number=1001, priority=1)
    bob.call("tag_ticket", number=1001, add=["Parts"])
    [refused] = alice.call("undo_tickets", act="priority", changes=[forged])["refused"]
    assert refused["code"] == "changed_since"


def test_row_e3_a_ticket_stays_with_who_has_a_reply_held_there(desk: Held, bob: Agent) -> None:
    bob.come()
    ticket = desk.alice.call("assign_ticket", number=desk.number, assignee_id=bob.id, expected_id=desk.alice.id)
    bob.reply(desk.number, "Bob's answer", may_hold=True)
    change = {"number": desk.number, "version": ticket["version"]}
    [refused] = desk.alice.call("undo_tickets", act="assign", changes=[change])["refused"]
    desk.wait()
    assert (refused["code"], desk.said[-1]) == ("changed_since", "Bob's answer")


def test_row_e3_a_ticket_whose_close_is_undone_waits_as_it_did(cast: Cast, alice: Agent, rows: Any) -> None:
    state = "select status, held, snoozed_until::text, awaiting_since from tickets order by number"
    cast.visitor().start("Hello")
    cast.visitor().start("See http://example.com")
    cast.visitor().start("Later")
    cast.visitor().start("Later, and nobody's")
    rows(
        "update tickets set status = 'waiting', assigned_agent_id = null, snoozed_until = 'infinity'"
        " where number = 1004"
    )
    rows("update tickets set awaiting_since = awaiting_since - interval '2 hours'")
    rows("update tickets set held = 'link', status = 'waiting', assigned_agent_id = null where number = 1002")
    alice.call("snooze_ticket", number=1003)
    before = rows(state)
    done = alice.call("change_tickets", numbers=[1001, 1002, 1003, 1004], act="close")
    assert alice.call("undo_tickets", act="close", changes=done["changes"])["refused"] == []
    assert rows(state) == before


@pytest.mark.parametrize("until", ["now() + interval '3 days'", "'infinity'"])
def test_row_e3_a_ticket_that_was_snoozed_otherwise_is_so_again(
    cast: Cast, alice: Agent, rows: Any, until: str
) -> None:
    cast.visitor().start()
    rows(f"update tickets set snoozed_until = {until}")
    before = rows("select snoozed_until::text from tickets")
    [(later,)] = rows("select (now() + interval '1 hour')::text")
    done = alice.call("change_tickets", numbers=[1001], act="snooze", value=later)
    assert alice.call("undo_tickets", act="snooze", changes=done["changes"])["refused"] == []
    assert rows("select snoozed_until::text from tickets") == before


# E4: how much there is of what was not sent


def test_row_e4_of_any_number_of_replies_that_were_not_sent_fifty_are_shown(desk: Held, rows: Any) -> None:
    rows(
        "insert into held_replies (session_id, client_message_id, agent_id, message, seen_seq, refused)"
        " select session_id, gen_random_uuid(), %s, n::text, 1, 'undone' from user_sessions, generate_series(1, 200) n",
        desk.alice.id,
    )
    desk.hold("The newest")
    shown = desk.alice.call("held_replies", number=desk.number)
    assert (len(shown), shown[-1]["message"]) == (50, "The newest")


# E5: operators of a search that mean nothing


@pytest.mark.parametrize("typed", ["is:nonsense", "is:nonsense is:open"])
def test_row_e5_a_state_that_is_none_is_left_out_as_the_page_says(typed: str) -> None:
    query = parsed(f"hello {typed}")
    assert ("is:nonsense" in query.unknown, "nonsense" in query.states) == (True, False)


def test_row_e5_a_day_that_is_none_takes_none_away() -> None:
    assert parsed("before:2026-11-30 before:nonsense").before == "2026-11-30T00:00:00Z"


# E6: notifications that wait for the end of quiet hours


@pytest.mark.parametrize("end", ["two-factor", "demoted"])
def test_row_e6_who_may_not_see_the_desk_any_more_is_sent_nothing_that_waited(
    database: Database, cast: Cast, rows: Any, alice: Agent, carol: Agent, end: str
) -> None:
    ladder = Ladder(database, rows)
    give_device(alice)
    cast.visitor().start("A secret")
    alice.call("add_note", number=1001, client_message_id=new_id(), note="@Carol Tan")
    ladder.advance()
    ladder.wait(1)
    if end == "demoted":
        rows("delete from role_rights where role = 'agent' and right_name = 'answer'")
    else:
        carol.call("change_settings", values={"two_factor_required": "everyone"})
    assert database.call("take_pushes") == []
    assert rows("select count(*) from agent_pushes") == [(0,)]
