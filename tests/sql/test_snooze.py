"""Tickets that are out of sight for a while, and come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supportchat.database import Conflict, Database, Invalid
from tests.cast import Agent, Cast, Visitor

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose ticket is alice's."""
    visitor = cast.visitor()
    visitor.start("Hello")
    return visitor


def later(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


def let_time_pass(database: Database, rows: Any) -> None:
    rows("update tickets set snoozed_until = now() - interval '1 second' where isfinite(snoozed_until)")
    database.call("sweep_assignment")


def numbers(agent: Agent, view: str) -> list[int]:
    return [row["number"] for row in agent.call("list_tickets", view=view)["rows"]]


def ticket(agent: Agent, number: int = 1001) -> Any:
    return agent.call("ticket_of_agent", number=number)


def test_a_snoozed_ticket_is_in_its_own_view_and_in_no_other(vera: Visitor, alice: Agent) -> None:
    snoozed = alice.call("snooze_ticket", number=1001, until=later(hours=1))
    assert [numbers(alice, view) for view in ("mine", "all", "snoozed")] == [[], [], [1001]]
    assert snoozed["queue"]["counts"] == {"mine": 0, "unassigned": 0, "all": 0, "snoozed": 1}
    assert (snoozed["ticket"]["snoozed"], snoozed["ticket"]["status"]) == (True, "open")


def test_it_takes_no_place_of_its_agent(vera: Visitor, cast: Cast, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 1")
    victor = cast.visitor()
    victor.start("Me too")
    assert victor.chat["status"] == "waiting"
    alice.call("snooze_ticket", number=1001)
    assert victor.chat["agent"]["id"] == alice.id


def test_it_holds_no_place_in_line(cast: Cast, bob: Agent) -> None:
    first, second = cast.visitor(), cast.visitor()
    first.start()
    second.start()
    assert second.chat["queue_position"] == 2
    bob.call("snooze_ticket", number=1001, until=later(hours=1))
    assert (first.chat["queue_position"], second.chat["queue_position"]) == (None, 1)
    bob.come()
    bob.call("set_availability", availability="available")
    assert (first.chat["status"], second.chat["status"]) == ("waiting", "open")


def test_it_comes_back_on_top_with_a_mark_when_its_time_has_come(
    vera: Visitor, cast: Cast, alice: Agent, database: Database, rows: Any
) -> None:
    alice.reply(1001)
    cast.visitor().start()
    alice.call("snooze_ticket", number=1001, until=later(hours=1))
    database.call("sweep_assignment")
    assert numbers(alice, "mine") == [1002]
    let_time_pass(database, rows)
    assert numbers(alice, "mine") == [1001, 1002]
    assert ticket(alice)["woke_at"] is not None
    assert ticket(alice)["history"][-1]["detail"] == {"why": "time"}
    alice.reply(1001)
    assert ticket(alice)["woke_at"] is None


@pytest.mark.parametrize("until", [None, 1])
def test_the_customers_next_message_brings_it_back(vera: Visitor, alice: Agent, until: int | None) -> None:
    alice.call("snooze_ticket", number=1001, until=until and later(hours=until))
    vera.post("Are you there?")
    assert (ticket(alice)["snoozed"], ticket(alice)["history"][-1]["actor"]) == (False, "customer")
    assert numbers(alice, "mine") == [1001]


def test_a_waiting_one_is_given_away_once_its_customer_writes(cast: Cast, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 0")
    vera = cast.visitor()
    vera.start()
    alice.call("snooze_ticket", number=1001)
    rows("update agents set max_tickets = 1")
    alice.call("set_availability", availability="away")
    alice.call("set_availability", availability="available")
    assert vera.chat["status"] == "waiting"
    vera.post("Hello?")
    assert vera.chat["status"] == "open"


def test_until_the_customer_writes_no_time_brings_it_back(
    vera: Visitor, alice: Agent, database: Database, rows: Any
) -> None:
    alice.call("snooze_ticket", number=1001)
    let_time_pass(database, rows)
    assert ticket(alice)["snoozed"] is True
    assert ticket(alice)["snoozed_until"] is None


def test_it_stays_its_agents_when_they_leave(vera: Visitor, alice: Agent, database: Database, rows: Any) -> None:
    alice.call("snooze_ticket", number=1001)
    rows("update agents set lease_expires_at = now() - interval '1 minute'")
    rows("update server_processes set started_at = now() - interval '1 hour'")
    database.call("sweep_assignment")
    assert vera.chat["agent"]["id"] == alice.id


def test_whoever_gets_it_sees_it_at_once(vera: Visitor, alice: Agent, bob: Agent) -> None:
    bob.come()
    alice.call("snooze_ticket", number=1001)
    alice.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    assert numbers(bob, "mine") == [1001]


def test_it_is_brought_back_by_hand_without_a_mark(vera: Visitor, alice: Agent) -> None:
    alice.call("snooze_ticket", number=1001)
    woken = alice.call("unsnooze_ticket", number=1001)
    assert (woken["snoozed"], woken["woke_at"]) == (False, None)


def test_a_time_that_is_over_or_far_away_is_refused(vera: Visitor, alice: Agent) -> None:
    for until in (later(hours=-1), later(days=400)):
        with pytest.raises(Invalid, match="snooze_out_of_range"):
            alice.call("snooze_ticket", number=1001, until=until)


def test_somebody_elses_and_a_closed_one_are_not_snoozed(vera: Visitor, alice: Agent, bob: Agent) -> None:
    with pytest.raises(Conflict, match="assigned_to_other"):
        bob.call("snooze_ticket", number=1001)
    alice.call("snooze_ticket", number=1001)
    alice.call("close_ticket", number=1001)
    assert numbers(alice, "snoozed") == []
    with pytest.raises(Conflict, match="ticket_closed"):
        alice.call("snooze_ticket", number=1001)


def test_the_customer_is_told_nothing_of_it(vera: Visitor, alice: Agent) -> None:
    before = vera.chat
    alice.call("snooze_ticket", number=1001)
    after = vera.chat
    assert {name for name in before if before[name] != after[name]} == {"version"}
    assert "snoozed" not in vera.events()


def test_it_is_neither_stuck_nor_among_those_who_wait(cast: Cast, alice: Agent, database: Database, rows: Any) -> None:
    alice.call("set_availability", availability="away")
    cast.visitor().start()
    alice.call("snooze_ticket", number=1001)
    alice.call("set_availability", availability="available")
    rows("alter table tickets disable trigger user")
    rows("update tickets set updated_at = now() - interval '1 hour'")
    rows("update server_processes set swept_at = now(), started_at = now() - interval '1 hour'")
    assert database.call("stuck_tickets") == []
    assert database.call("desk_figures")["waiting"] == 0
