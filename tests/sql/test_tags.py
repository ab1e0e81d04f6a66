"""Tags of tickets, and how urgent they are."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Conflict, Forbidden, Invalid, NotFound
from tests.cast import Agent, Cast, Visitor

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def number(cast: Cast, alice: Agent) -> int:
    """The ticket of a customer whom alice answers."""
    vera = cast.visitor()
    vera.start("Hello")
    found: int = vera.chat["number"]
    return found


def names(ticket: Any) -> list[str]:
    return [tag["name"] for tag in ticket["tags"]]


def test_a_ticket_gets_tags_by_name_and_loses_them_by_id(alice: Agent, number: int) -> None:
    ticket = alice.call("tag_ticket", number=number, add=["Heating", " #CM  410 "])
    assert names(ticket) == ["CM 410", "Heating"]
    ticket = alice.call("tag_ticket", number=number, remove=[ticket["tags"][0]["id"]])
    assert names(ticket) == ["Heating"]
    [row] = alice.call("list_tickets")["rows"]
    assert names(row) == ["Heating"]


@pytest.mark.parametrize("again", ["heating", "HEATING", "Héating", "#heating"])
def test_one_tag_is_the_same_whatever_its_case_and_accents(alice: Agent, number: int, again: str) -> None:
    alice.call("tag_ticket", number=number, add=["Heating"])
    assert names(alice.call("tag_ticket", number=number, add=[again])) == ["Heating"]


def test_the_history_says_which_tags_and_the_log_has_their_ids_only(alice: Agent, number: int, rows: Any) -> None:
    ticket = alice.call("tag_ticket", number=number, add=["Heating"])
    assert ticket["history"][-1]["detail"] == {"added": ["Heating"], "removed": []}
    [(detail,)] = rows("select detail from events where kind = 'ticket.tagged'")
    assert detail == {"added": [ticket["tags"][0]["id"]], "removed": []}


def test_what_changes_nothing_is_not_logged(alice: Agent, number: int, rows: Any) -> None:
    for _ in range(2):
        alice.call("tag_ticket", number=number, add=["Heating"])
    assert rows("select count(*) from events where kind = 'ticket.tagged'") == [(1,)]


@pytest.mark.parametrize(
    ("add", "code"), [(["…"], "tag_empty"), (["x" * 41], "tag_too_long"), (["x"] * 21, "ticket_tags_too_many")]
)
def test_a_name_that_is_none_is_refused(alice: Agent, number: int, add: list[str], code: str) -> None:
    with pytest.raises(Invalid, match=code):
        alice.call("tag_ticket", number=number, add=add)


def test_a_tag_is_completed_by_the_beginning_of_any_of_its_words(alice: Agent, number: int, cast: Cast) -> None:
    alice.call("tag_ticket", number=number, add=["Heating sensor", "Sensible", "Parts"])
    cast.visitor().start("Me too")
    alice.call("tag_ticket", number=1002, add=["Sensible"])
    found = alice.call("complete_tag", text="SENS")
    assert [tag["name"] for tag in found] == ["Sensible", "Heating sensor"]


def test_a_renamed_tag_has_its_new_name_everywhere(alice: Agent, carol: Agent, number: int) -> None:
    [tag] = alice.call("tag_ticket", number=number, add=["Heating"])["tags"]
    assert carol.call("rename_tag", tag_id=tag["id"], name="Warmth") == {"name": "Warmth", "merged": False}
    assert names(alice.call("ticket_of_agent", number=number)) == ["Warmth"]


def test_a_tag_that_gets_the_name_of_another_becomes_one_with_it(alice: Agent, carol: Agent, number: int) -> None:
    tags = alice.call("tag_ticket", number=number, add=["Heat", "Heating"])["tags"]
    assert carol.call("rename_tag", tag_id=tags[0]["id"], name="heating") == {"name": "heating", "merged": True}
    assert alice.call("list_tags") == [{**tags[1], "tickets": 1}]
    assert names(alice.call("ticket_of_agent", number=number)) == ["Heating"]


def test_only_who_curates_renames_and_deletes_tags(alice: Agent, carol: Agent, number: int) -> None:
    [tag] = alice.call("tag_ticket", number=number, add=["Heating"])["tags"]
    for function, more in (("rename_tag", {"name": "Cold"}), ("delete_tag", {})):
        with pytest.raises(Forbidden):
            alice.call(function, tag_id=tag["id"], **more)
    carol.call("delete_tag", tag_id=tag["id"])
    assert names(alice.call("ticket_of_agent", number=number)) == []
    with pytest.raises(NotFound, match="tag_not_found"):
        carol.call("delete_tag", tag_id=tag["id"])


def test_the_copy_of_a_customers_data_has_the_tags_and_an_erasure_takes_them_away(
    alice: Agent, carol: Agent, number: int, rows: Any
) -> None:
    alice.call("tag_ticket", number=number, add=["Heating"])
    assert carol.call("export_customer", number=number)[0]["tags"] == ["Heating"]
    carol.call("erase_customer", number=number)
    assert rows("select count(*) from ticket_tags") == [(0,)]
    with pytest.raises(Conflict, match="ticket_erased"):
        alice.call("tag_ticket", number=number, add=["Heating"])


# Priority


def queue(agent: Agent, order: str, view: str = "mine", limit: int = 100) -> list[int]:
    agent.call("set_queue_order", order=order)
    return [row["number"] for row in agent.call("list_tickets", view=view, limit=limit)["rows"]]


def start(cast: Cast, count: int) -> list[Visitor]:
    visitors = [cast.visitor() for _ in range(count)]
    for visitor in visitors:
        visitor.start()
    return visitors


def test_what_is_urgent_is_on_top_of_the_longest_wait(cast: Cast, alice: Agent, number: int) -> None:
    start(cast, 2)
    alice.call("set_priority", number=1002, priority=2)
    alice.call("set_priority", number=1003, priority=1)
    assert queue(alice, "longest") == [1003, 1001, 1002]
    assert queue(alice, "newest") == [1003, 1002, 1001]
    assert queue(alice, "priority") == [1003, 1002, 1001]


@pytest.mark.parametrize("view", ["unassigned", "all"])
def test_a_queue_that_is_cut_begins_with_the_same_tickets(
    cast: Cast, alice: Agent, bob: Agent, view: str, rows: Any
) -> None:
    alice.call("set_availability", availability="away")
    start(cast, 6)
    for number, priority in ((1002, 4), (1004, 2), (1006, 1)):
        alice.call("set_priority", number=number, priority=priority)
    rows("update tickets set awaiting_since = null where number = 1003")
    for order, expected in {
        "longest": [1006, 1001, 1002, 1004, 1005, 1003],
        "newest": [1006, 1005, 1004, 1002, 1001, 1003],
        "priority": [1006, 1004, 1001, 1005, 1002, 1003],
    }.items():
        assert queue(alice, order, view) == expected
        for limit in range(1, 6):
            cut = alice.call("list_tickets", view=view, limit=limit)["rows"]
            assert [row["number"] for row in cut] == expected[:limit], (order, limit)


@pytest.mark.parametrize("view", ["unassigned", "all"])
@pytest.mark.parametrize("order", ["longest", "newest", "priority"])
def test_a_queue_of_every_kind_of_ticket_is_cut_where_its_order_says(
    cast: Cast, alice: Agent, rows: Any, view: str, order: str
) -> None:
    alice.call("set_availability", availability="away")
    start(cast, 48)
    rows("alter table tickets disable trigger user")
    rows(
        "update tickets set urgency = 1 + number %% 4,"
        " status = case when number %% 5 = 0 then 'open' else 'waiting' end,"
        " assigned_agent_id = case when number %% 5 = 0 then %s::uuid end,"
        " awaiting_since = case when number %% 3 > 0 then now() - (number * 31 %% 47) * interval '1 minute' end,"
        " updated_at = now() - (number * 17 %% 43) * interval '1 minute',"
        " woke_at = case when number %% 13 = 0 then now() - (number %% 7) * interval '1 minute' end,"
        " snoozed_until = case when number %% 7 = 0 and number %% 13 > 0 then now() + interval '1 hour' end",
        alice.id,
    )
    whole = queue(alice, order, view)
    assert len(whole) > 30
    for limit in range(1, len(whole)):
        assert queue(alice, order, view, limit) == whole[:limit], limit


def test_the_most_urgent_is_given_away_first_and_stands_first_in_line(cast: Cast, alice: Agent) -> None:
    alice.call("set_availability", availability="away")
    first, second, third = start(cast, 3)
    alice.call("set_priority", number=1003, priority=1)
    alice.call("set_priority", number=1001, priority=4)
    assert [visitor.chat["queue_position"] for visitor in (third, second, first)] == [1, 2, 3]
    alice.call("change_name", name="Alice")
    alice.call("set_availability", availability="available")
    assert all(visitor.chat["status"] == "open" for visitor in (first, second, third))
    assigned = alice.call("list_tickets", view="all")
    assert len(assigned["rows"]) == 3


def test_with_one_place_the_most_urgent_gets_it(cast: Cast, alice: Agent, rows: Any) -> None:
    alice.call("set_availability", availability="away")
    first, second = start(cast, 2)
    rows("update agents set max_tickets = 1")
    alice.call("set_priority", number=1002, priority=2)
    alice.call("set_availability", availability="available")
    assert (first.chat["status"], second.chat["status"]) == ("waiting", "open")


def test_a_priority_that_is_none_is_refused(alice: Agent, number: int) -> None:
    for priority in (0, 5, None):
        with pytest.raises(Invalid):
            alice.call("set_priority", number=number, priority=priority)
    with pytest.raises(Invalid):
        alice.call("set_queue_order", order="oldest")
    alice.call("close_ticket", number=number)
    with pytest.raises(Conflict, match="ticket_closed"):
        alice.call("set_priority", number=number, priority=1)
