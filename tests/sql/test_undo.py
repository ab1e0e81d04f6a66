"""What was done with tickets a moment ago is taken back, unless somebody has done something with them since."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Invalid
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


class Tickets:
    """Three tickets: Alice's, Bob's, and one that nobody has. Carol may do all things with them."""

    def __init__(self, cast: Cast, rows: Any, alice: Agent, bob: Agent) -> None:
        self.rows = rows
        for agent in (alice, bob):
            agent.come()
            agent.call("set_availability", availability="away")
        self.numbers = [int(cast.visitor().start()["number"]) for _ in range(3)]
        for agent, number in zip((alice, bob), self.numbers, strict=False):
            agent.call("assign_ticket", number=number, assignee_id=agent.id)

    @property
    def states(self) -> list[Any]:
        """Status, agent, priority, tags, and whether it is snoozed, of each."""
        return list(
            self.rows(
                "select t.status, (select split_part(name, ' ', 1) from agents where id = t.assigned_agent_id),"
                " t.urgency, t.snoozed_until is not null, _supportchat.tags_of_ticket(t.id)"
                " from tickets t order by number"
            )
        )

    def undo(self, agent: Agent, act: str, done: Any) -> Any:
        """Take back what change_tickets has done."""
        return agent.call("undo_tickets", act=act, changes=done["changes"])


@pytest.fixture
def tickets(cast: Cast, rows: Any, alice: Agent, bob: Agent) -> Tickets:
    return Tickets(cast, rows, alice, bob)


@pytest.fixture
def carol(cast: Cast) -> Agent:
    return cast.agent("carol").come()


@pytest.mark.parametrize(
    ("act", "value"), [("close", None), ("tag", "Parts"), ("assign", "carol"), ("priority", "1"), ("snooze", None)]
)
def test_what_was_done_with_many_tickets_is_taken_back_as_it_was(
    tickets: Tickets, carol: Agent, act: str, value: str | None
) -> None:
    carol.call("set_availability", availability="away")
    before = tickets.states
    value = carol.id if value == "carol" else value
    done = carol.call("change_tickets", numbers=tickets.numbers, act=act, value=value)
    assert (len(done["changes"]), tickets.states != before) == (3, True)
    assert tickets.undo(carol, act, done) == {"done": tickets.numbers, "refused": []}
    assert tickets.states == before
    assert [why["code"] for why in tickets.undo(carol, act, done)["refused"]] == ["changed_since"] * 3


@pytest.mark.parametrize(
    "was", ["snoozed_until = now() + interval '2 hours'", "snoozed_until = 'infinity'", "woke_at = now()"]
)
@pytest.mark.parametrize("act", ["close", "assign", "snooze", "return"])
def test_a_ticket_that_was_snoozed_or_back_is_so_again_when_what_was_done_is_taken_back(
    tickets: Tickets, carol: Agent, rows: Any, act: str, was: str
) -> None:
    state = (
        "select status, assigned_agent_id, snoozed_until::text, woke_at::text, urgency, awaiting_since::text, held,"
        " given_back_by from tickets order by number"
    )
    carol.call("set_availability", availability="away")
    numbers = tickets.numbers[:2] if act == "return" else tickets.numbers
    rows(f"update tickets set {was} where number = any (%s)", numbers)
    rows("update tickets set urgency = 2, held = 'link', given_back_by = %s where status = 'waiting'", carol.id)
    before = rows(state)
    if act == "return":
        done = {"changes": [carol.call("unassign_ticket", number=number) for number in numbers]}
    else:
        [(later,)] = rows("select (now() + interval '1 hour')::text")
        value = {"assign": carol.id, "snooze": later}.get(act)
        done = carol.call("change_tickets", numbers=numbers, act=act, value=value)
    assert rows(state) != before
    carol._database.call("sweep_assignment")
    changes = [{"number": change["number"], "version": change["version"]} for change in done["changes"]]
    assert tickets.undo(carol, act, {"changes": changes})["refused"] == []
    carol._database.call("sweep_assignment")
    assert rows(state) == before


def test_a_snooze_that_ended_while_a_ticket_was_closed_has_brought_it_back(
    tickets: Tickets, alice: Agent, rows: Any
) -> None:
    number = tickets.numbers[0]
    rows("update tickets set snoozed_until = now() + interval '1 hour' where number = %s", number)
    done = alice.call("change_tickets", numbers=[number], act="close")
    rows(
        "update events set detail = detail || jsonb_build_object('snoozed_until', now() - interval '1 second')"
        " where kind = 'ticket.closed'"
    )
    assert tickets.undo(alice, "close", done)["done"] == [number]
    assert rows("select snoozed_until is null, woke_at < now() from tickets where number = %s", number) == [
        (True, True)
    ]


def test_a_customer_whose_ticket_was_closed_by_mistake_waits_for_as_long_as_before(
    tickets: Tickets, carol: Agent, rows: Any
) -> None:
    rows("update tickets set awaiting_since = awaiting_since - number * interval '1 minute' returning 1")
    waits = "select awaiting_since from tickets order by number"
    before = rows(waits)
    done = carol.call("change_tickets", numbers=tickets.numbers, act="close", value=None)
    tickets.undo(carol, "close", done)
    assert rows(waits) == before


def test_what_changed_nothing_is_not_taken_back(tickets: Tickets, carol: Agent) -> None:
    carol.call("tag_ticket", number=tickets.numbers[0], add=["Parts"])
    done = carol.call("change_tickets", numbers=tickets.numbers[:2], act="tag", value="Parts")
    assert [change["number"] for change in done["changes"]] == tickets.numbers[1:2]


def test_what_a_colleague_did_since_stays(tickets: Tickets, alice: Agent, bob: Agent, carol: Agent) -> None:
    first, second, third = tickets.numbers
    done = carol.call("change_tickets", numbers=tickets.numbers, act="priority", value="1")
    alice.call("set_priority", number=first, priority=4)
    bob.call("tag_ticket", number=second, add=["Parts"])
    undone = tickets.undo(carol, "priority", done)
    assert (undone["done"], [why["number"] for why in undone["refused"]]) == ([third], [first, second])
    assert [priority for _, _, priority, _, _ in tickets.states] == [4, 1, 3]


def test_a_ticket_that_was_assigned_stays_with_who_has_replied(tickets: Tickets, bob: Agent, carol: Agent) -> None:
    number = tickets.numbers[2]
    done = carol.call("change_tickets", numbers=[number], act="assign", value=bob.id)
    bob.reply(number)
    assert tickets.undo(carol, "assign", done)["refused"][0]["code"] == "changed_since"


def test_removed_tags_come_back_and_added_ones_go(tickets: Tickets, alice: Agent) -> None:
    number = tickets.numbers[0]
    [parts] = alice.call("tag_ticket", number=number, add=["Parts"])["tags"]
    ticket = alice.call("tag_ticket", number=number, add=["Heating"], remove=[parts["id"]])
    change = {"number": number, "version": ticket["version"]}
    assert alice.call("undo_tickets", act="tag", changes=[change])["done"] == [number]
    assert [tag["name"] for tag in alice.call("ticket_of_agent", number=number)["tags"]] == ["Parts"]


def test_a_returned_ticket_is_taken_back_also_from_who_has_just_been_given_it(
    tickets: Tickets, alice: Agent, bob: Agent
) -> None:
    number = tickets.numbers[0]
    bob.call("set_availability", availability="available")
    for _ in range(2):
        ticket = alice.call("unassign_ticket", number=number)
        change = [{"number": number, "version": ticket["version"]}]
        alice._database.call("sweep_assignment")
        assert tickets.states[0][1] == "Bob"
        assert alice.call("undo_tickets", act="return", changes=change)["done"] == [number]
        assert tickets.states[0][1] == "Alice"
    alice.call("unassign_ticket", number=number)
    alice._database.call("sweep_assignment")
    bob.call("add_note", number=number, client_message_id=new_id(), note="I am at it")
    assert alice.call("undo_tickets", act="return", changes=change)["refused"][0]["code"] == "changed_since"


def test_nobody_takes_back_what_somebody_else_did(tickets: Tickets, alice: Agent, bob: Agent, carol: Agent) -> None:
    done = carol.call("change_tickets", numbers=tickets.numbers, act="close")
    assert tickets.undo(bob, "close", done)["done"] == []
    for bad in ({"act": "erase", "changes": []}, {"act": "tag", "changes": [{}] * 51}, {"act": "tag", "changes": {}}):
        with pytest.raises(Invalid):
            alice.call("undo_tickets", **bad)
