"""Who gets a ticket, who loses it, and what is said when nobody can have it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database
from supportchat.database.scripts import script_text
from tests.cast import Agent, Cast, Visitor, new_id


@pytest.fixture
def process(database: Database, rows: Any) -> str:
    """A server process that has reported for a minute: without one, nothing goes back to the queue."""
    process_id = new_id()
    report(database, process_id)
    rows("update server_processes set started_at = now() - interval '1 minute' where process_id = %s", process_id)
    return process_id


def report(database: Database, process_id: str) -> None:
    database.call("report_process", process_id=process_id, sockets=0, came=[], left=[], token_hashes=[])


def started(cast: Cast, count: int) -> list[Visitor]:
    visitors = [cast.visitor() for _ in range(count)]
    for number, visitor in enumerate(visitors):
        visitor.start(f"Chat {number}")
    return visitors


def owners(visitors: list[Visitor]) -> list[str]:
    return [(visitor.chat["agent"] or {}).get("name", "") for visitor in visitors]


def leave(rows: Any, agent: Agent) -> None:
    rows("update agents set lease_expires_at = now() where id = %s", agent.id)


def test_tickets_go_to_the_least_loaded_then_to_who_waited_longest(cast: Cast, alice: Agent, bob: Agent) -> None:
    bob.come()
    names = owners(started(cast, 4))
    assert sorted(names) == ["Alice Kern", "Alice Kern", "Bob Ortiz", "Bob Ortiz"]
    assert names[0] != names[1]
    assert names[2] != names[3]


def test_nobody_gets_more_than_their_limit(cast: Cast, alice: Agent) -> None:
    visitors = started(cast, 5)
    assert owners(visitors) == ["Alice Kern"] * 3 + [""] * 2
    assert visitors[3].chat["queue_position"] == 1
    assert visitors[4].chat["queue_position"] == 2
    assert visitors[4].lines[-1]["detail"]["code"] == "everybody_full"


def test_a_reopened_ticket_that_had_no_answer_waits_again_and_is_returned_when_its_agent_leaves(
    cast: Cast, database: Database, alice: Agent, rows: Any, process: str
) -> None:
    answered, unanswered = started(cast, 2)
    alice.reply(answered.chat["number"])
    for visitor in (answered, unanswered):
        alice.call("close_ticket", number=visitor.chat["number"])
        alice.call("reopen_ticket", number=visitor.chat["number"])
    leave(rows, alice)
    assert database.call("sweep_assignment")["returned"] == 1
    assert owners([answered, unanswered]) == ["Alice Kern", ""]


def test_who_is_away_gets_none(cast: Cast, alice: Agent) -> None:
    alice.call("set_availability", availability="away")
    [vera] = started(cast, 1)
    assert vera.chat["status"] == "waiting"
    assert vera.lines[-1]["detail"]["code"] == "everybody_away"


def test_who_is_not_here_gets_none(cast: Cast, bob: Agent) -> None:
    [vera] = started(cast, 1)
    assert vera.chat["status"] == "waiting"
    assert vera.lines[-1]["detail"]["code"] == "nobody_here"


def test_why_a_ticket_waits_can_always_be_read(rows: Any) -> None:
    assert rows("select _supportchat.unassigned_reason() ->> 'code'") == [("nobody_here",)]
    rows("update agents set is_active = false")
    assert rows("select _supportchat.unassigned_reason() ->> 'code'") == [("no_agents",)]


def test_the_queue_drains_oldest_first_when_somebody_becomes_available(cast: Cast, alice: Agent) -> None:
    alice.call("set_availability", availability="away")
    visitors = started(cast, 4)
    assert owners(visitors) == [""] * 4
    alice.call("set_availability", availability="available")
    assert owners(visitors) == ["Alice Kern"] * 3 + [""]
    assert visitors[3].chat["queue_position"] == 1


def test_a_closed_ticket_makes_room_for_who_waits(cast: Cast, alice: Agent) -> None:
    visitors = started(cast, 4)
    alice.call("close_ticket", number=visitors[0].chat["number"])
    assert visitors[3].chat["agent"]["id"] == alice.id


def test_the_sweep_serves_the_queue_when_somebody_comes(cast: Cast, bob: Agent, database: Database) -> None:
    [vera] = started(cast, 1)
    bob.come()
    assert database.call("sweep_assignment") == {"returned": 0, "assigned": 1, "held_due": False}
    assert vera.chat["agent"]["id"] == bob.id


def test_an_agent_who_leaves_loses_unanswered_tickets_only(
    cast: Cast, alice: Agent, database: Database, rows: Any, process: str
) -> None:
    answered, unanswered = started(cast, 2)
    alice.reply(answered.chat["number"])
    leave(rows, alice)
    assert database.call("sweep_assignment") == {"returned": 1, "assigned": 0, "held_due": False}
    assert answered.chat["agent"]["id"] == alice.id
    assert unanswered.chat["status"] == "waiting"
    assert unanswered.events() == ["assigned", "returned"]


def test_who_claims_a_ticket_without_an_open_page_keeps_it_for_ten_minutes(
    cast: Cast, bob: Agent, database: Database, rows: Any, process: str
) -> None:
    [vera] = started(cast, 1)
    database.call("open_agent_session", agent_id=bob.id, token_hash=bob.token_hash)
    bob.call("assign_ticket", number=vera.chat["number"], assignee_id=bob.id)
    assert database.call("sweep_assignment")["returned"] == 0
    assert vera.chat["agent"]["id"] == bob.id
    rows("update agent_sessions set last_seen_at = now() - interval '11 minutes'")
    assert database.call("sweep_assignment")["returned"] == 1


def test_a_ticket_that_was_assigned_while_the_lease_was_ending_goes_back_at_once(
    cast: Cast, alice: Agent, database: Database, rows: Any, process: str
) -> None:
    [vera] = started(cast, 1)
    leave(rows, alice)
    # The choice was made while the lease still held, and the ticket given after a wait for a lock.
    rows(
        "update tickets set assigned_at = lease_expires_at + interval '3 seconds'"
        " from agents where agents.id = assigned_agent_id"
    )
    assert database.call("sweep_assignment")["returned"] == 1
    assert vera.chat["status"] == "waiting"


def test_a_returned_ticket_keeps_its_place_before_younger_ones(
    cast: Cast, alice: Agent, bob: Agent, database: Database, rows: Any, process: str
) -> None:
    [first] = started(cast, 1)
    leave(rows, alice)
    [second] = started(cast, 1)
    database.call("sweep_assignment")
    assert (first.chat["queue_position"], second.chat["queue_position"]) == (1, 2)


def test_an_agent_who_comes_back_in_time_loses_nothing(cast: Cast, alice: Agent, database: Database) -> None:
    started(cast, 1)
    alice.come()
    assert database.call("sweep_assignment") == {"returned": 0, "assigned": 0, "held_due": False}


def test_an_outage_takes_no_ticket_from_agents_whose_pages_have_had_no_time_to_come_back(
    cast: Cast, alice: Agent, database: Database, rows: Any, process: str
) -> None:
    started(cast, 1)
    leave(rows, alice)
    rows("update server_processes set live_until = now() - interval '15 seconds'")
    assert database.call("sweep_assignment")["returned"] == 0  # before anybody has reported
    report(database, process)
    report(database, new_id())
    assert database.call("sweep_assignment")["returned"] == 0
    rows("update server_processes set started_at = now() - interval '21 seconds' where process_id = %s", process)
    assert database.call("sweep_assignment")["returned"] == 1


def test_a_process_that_reports_in_time_has_run_since_it_started(database: Database, rows: Any, process: str) -> None:
    rows("update server_processes set live_until = now() + interval '1 second'")
    report(database, process)
    assert rows("select started_at < now() - interval '50 seconds' from server_processes") == [(True,)]


def test_two_claims_have_one_winner_and_the_other_is_told_who(cast: Cast, bob: Agent, carol: Agent) -> None:
    [vera] = started(cast, 1)
    number = vera.chat["number"]

    def claim(agent: Agent) -> str:
        try:
            agent.call("assign_ticket", number=number, assignee_id=agent.id)
        except Conflict as conflict:
            return conflict.detail
        return "won"

    with ThreadPoolExecutor(2) as pool:
        results = set(pool.map(claim, [bob, carol]))
    winner = vera.chat["agent"]["name"]
    assert results == {"won", winner}


def test_a_repeated_claim_of_the_owner_changes_nothing(cast: Cast, bob: Agent) -> None:
    [vera] = started(cast, 1)
    for _ in range(2):
        bob.call("assign_ticket", number=vera.chat["number"], assignee_id=bob.id)
    assert vera.events().count("assigned") == 1


def test_a_hand_over_goes_to_a_colleague_who_is_here(cast: Cast, alice: Agent, bob: Agent) -> None:
    [vera] = started(cast, 1)
    arguments = {"number": vera.chat["number"], "assignee_id": bob.id, "expected_id": alice.id}
    with pytest.raises(Conflict, match="agent_not_here"):
        alice.call("assign_ticket", **arguments)
    bob.come()
    alice.call("assign_ticket", **arguments)
    assert vera.chat["agent"]["id"] == bob.id
    assert vera.lines[-1]["detail"]["from"]["id"] == alice.id


def test_a_hand_over_of_what_somebody_else_took_is_refused(cast: Cast, alice: Agent, bob: Agent, carol: Agent) -> None:
    bob.come()
    [vera] = started(cast, 1)
    owner = next(agent for agent in (alice, bob) if agent.id == vera.chat["agent"]["id"])
    other = bob if owner is alice else alice
    carol.call("assign_ticket", number=vera.chat["number"], assignee_id=carol.id, expected_id=owner.id)
    with pytest.raises(Conflict, match="assigned_to_other") as refused:
        owner.call("assign_ticket", number=vera.chat["number"], assignee_id=other.id, expected_id=owner.id)
    assert refused.value.detail == "Carol Tan"


def test_starts_and_closes_at_once_do_not_deadlock_or_lose_anybody(
    cast: Cast, alice: Agent, bob: Agent, database: Database, rows: Any
) -> None:
    bob.come()
    visitors = [cast.visitor() for _ in range(24)]

    def live(visitor: Visitor) -> None:
        visitor.start()
        visitor.post("And another thing")
        database.call("close_chat", visitor=visitor.key)
        visitor.post("Wait, one more")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(live, visitors))
    database.call("sweep_assignment")
    assert rows("select count(*) from tickets where status = 'open'") == [(6,)]
    assert rows("select count(*) from tickets where status = 'waiting'") == [(18,)]
    assert database.call("stuck_tickets") == []


def test_every_change_leaves_an_event_with_who_and_when(cast: Cast, alice: Agent, rows: Any) -> None:
    [vera] = started(cast, 1)
    alice.call("close_ticket", number=vera.chat["number"])
    assert rows("select kind, actor, agent_id::text from events where ticket_id is not null order by id") == [
        ("ticket.opened", "customer", None),
        ("ticket.assigned", "system", None),
        ("ticket.closed", "agent", alice.id),
    ]


def test_a_state_that_is_not_allowed_is_refused_by_the_table_itself(cast: Cast, alice: Agent, rows: Any) -> None:
    [vera] = started(cast, 1)
    alice.call("close_ticket", number=vera.chat["number"])
    with pytest.raises(Exception, match="transition_not_allowed"):
        rows("update tickets set status = 'open'")


def test_a_ticket_that_was_given_back_does_not_come_straight_back(
    cast: Cast, alice: Agent, bob: Agent, database: Database
) -> None:
    number = cast.visitor().start()["number"]
    alice.call("unassign_ticket", number=number)
    assert database.call("sweep_assignment")["assigned"] == 0
    assert alice.call("ticket_of_agent", number=number)["reason"]["code"] == "nobody_else"
    assert database.call("stuck_tickets") == []
    bob.come()
    assert database.call("sweep_assignment")["assigned"] == 1
    assert bob.call("ticket_of_agent", number=number)["mine"]
    bob.call("unassign_ticket", number=number)
    assert database.call("sweep_assignment")["assigned"] == 1  # alice may be asked again by now


def test_what_was_given_back_before_the_chat_ended_is_forgotten_when_the_customer_comes_again(
    cast: Cast, database: Database, alice: Agent, rows: Any
) -> None:
    [vera] = started(cast, 1)
    alice.call("unassign_ticket", number=vera.chat["number"])
    database.call("close_chat", visitor=vera.key)
    assert rows("select given_back_by from tickets") == [(None,)]
    rows("update tickets set given_back_by = %s", alice.id)  # as an earlier version left it behind
    vera.post("One more thing")
    assert owners([vera]) == ["Alice Kern"]


def test_who_says_that_they_are_available_again_is_given_what_they_gave_back(
    cast: Cast, database: Database, alice: Agent
) -> None:
    [vera] = started(cast, 1)
    alice.call("unassign_ticket", number=vera.chat["number"])
    alice.call("set_availability", availability="available")  # as they were already
    assert owners([vera]) == [""]
    alice.call("set_availability", availability="away")
    alice.call("set_availability", availability="available")
    assert owners([vera]) == ["Alice Kern"]


def test_what_waits_although_somebody_else_could_take_it_is_stuck(
    cast: Cast, database: Database, alice: Agent, bob: Agent, rows: Any
) -> None:
    waiting, given_back = (visitor.chat["number"] for visitor in started(cast, 2))
    for number in (waiting, given_back):
        alice.call("unassign_ticket", number=number)
    rows("alter table tickets disable trigger user")
    rows("update tickets set updated_at = now() - interval '1 minute'")
    rows("update tickets set given_back_by = null where number = %s", waiting)
    assert database.call("stuck_tickets") == [waiting]
    bob.come()
    assert database.call("stuck_tickets") == [waiting, given_back]
    rows("update agents set max_tickets = 0")
    assert database.call("stuck_tickets") == []


def test_of_many_stuck_tickets_the_most_urgent_is_named(database: Database, alice: Agent, rows: Any) -> None:
    rows("alter table tickets disable trigger user")
    rows(
        "with chats as ("
        " insert into user_sessions (is_anonymous) select true from generate_series(1, 101) returning session_id"
        ") insert into tickets (session_id, awaiting_since, updated_at)"
        " select session_id, now(), now() - interval '1 minute' from chats"
    )
    [(latest,)] = rows("select max(number) from tickets")
    rows("update tickets set urgency = 1 where number = %s", latest)
    assert latest in database.call("stuck_tickets")


def test_places_are_counted_up_to_101(cast: Cast, database: Database, rows: Any) -> None:
    [vera] = started(cast, 1)
    rows(
        "with chats as (insert into user_sessions (is_anonymous) select true from generate_series(1, 100) returning *)"
        " insert into tickets (session_id, awaiting_since) select session_id, now() - interval '1 hour' from chats"
    )
    others = started(cast, 2)
    assert [visitor.chat["queue_position"] for visitor in (vera, *others)] == [101, 101, 101]
    told = database.call("conversations", session_ids=[visitor.chat["session_id"] for visitor in others])
    assert [chat["queue_position"] for chat in told] == [101, 101]
    line = database.call("waiting_line")
    assert (len(line["session_ids"]), line["behind"], line["somebody_here"]) == (100, 101, False)
    assert vera.chat["session_id"] not in line["session_ids"]
    rows("delete from tickets where number = 1002")
    assert database.call("waiting_line")["session_ids"][99] == vera.chat["session_id"]
    assert vera.chat["queue_position"] == 100
    rows("update tickets set awaiting_since = null where number = 1001")  # who has an answer comes last
    assert vera.chat["queue_position"] == 101


def test_many_tickets_go_to_the_agents_that_would_get_them_one_by_one(
    cast: Cast, alice: Agent, bob: Agent, carol: Agent, database: Database, rows: Any
) -> None:
    started(cast, 2)
    bob.come()
    carol.come()
    rows("update agents set max_tickets = 4 where id = %s", carol.id)
    rows(
        "update tickets set assigned_at = now() - interval '1 day', assigned_agent_id = %s where number = 1001", bob.id
    )
    places = [agent_id for (agent_id,) in rows("select _supportchat.free_places(9)::text")]
    assert len(places) == 8
    assert places == [visitor.chat["agent"]["id"] for visitor in started(cast, 8)]
    assert rows("select _supportchat.free_places(9)") == []


def test_a_long_queue_is_handed_out_in_portions(cast: Cast, database: Database, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 0")
    started(cast, 52)
    rows("update agents set max_tickets = 100")
    assert [database.call("sweep_assignment")["assigned"] for _ in range(4)] == [25, 25, 2, 0]


def test_many_tickets_of_who_leaves_go_back_in_portions(
    cast: Cast, database: Database, alice: Agent, rows: Any, process: str
) -> None:
    rows("update agents set max_tickets = 100")
    started(cast, 52)
    leave(rows, alice)
    assert [database.call("sweep_assignment")["returned"] for _ in range(4)] == [25, 25, 2, 0]


def test_of_many_tickets_of_who_leaves_the_most_urgent_goes_back_first(
    cast: Cast, database: Database, alice: Agent, rows: Any, process: str
) -> None:
    rows("update agents set max_tickets = 100")
    *_, last = started(cast, 26)
    alice.call("set_priority", number=last.chat["number"], priority=1)
    leave(rows, alice)
    assert database.call("sweep_assignment")["returned"] == 25
    assert last.chat["status"] == "waiting"


def test_who_came_first_is_served_first_also_before_the_next_sweep(cast: Cast, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 0")
    early, late = started(cast, 2)
    rows("update agents set max_tickets = 1 where id = %s", alice.id)
    [latest] = started(cast, 1)
    assert owners([early, late, latest]) == ["Alice Kern", "", ""]
    assert latest.chat["queue_position"] == 2
    rows("update agents set max_tickets = 2 where id = %s", alice.id)
    latest.post("Hello?")
    assert owners([early, late, latest]) == ["Alice Kern", "Alice Kern", ""]


def test_what_was_given_back_keeps_nobody_behind_it_waiting(
    cast: Cast, database: Database, alice: Agent, rows: Any
) -> None:
    rows("update agents set max_tickets = 100")
    visitors = started(cast, 3)
    for visitor in visitors:
        alice.call("unassign_ticket", number=visitor.chat["number"])
    [other] = started(cast, 1)
    database.call("sweep_assignment")
    assert owners([*visitors, other]) == ["", "", "", "Alice Kern"]


def test_who_waits_for_an_answer_stands_before_what_was_answered_and_given_back(
    cast: Cast, database: Database, alice: Agent, bob: Agent, rows: Any
) -> None:
    answered = started(cast, 2)
    alice.call("set_availability", availability="away")
    [waiting] = started(cast, 1)
    for visitor in answered:
        alice.reply(visitor.chat["number"])
        alice.call("unassign_ticket", number=visitor.chat["number"])
    queue = [waiting, *answered]
    assert [visitor.chat["queue_position"] for visitor in queue] == [1, 2, 3]
    shown = bob.call("list_tickets", view="unassigned")["rows"]
    assert [row["number"] for row in shown] == [visitor.chat["number"] for visitor in queue]
    rows("update agents set max_tickets = 1")
    bob.come()
    database.call("sweep_assignment")
    assert owners(queue) == ["Bob Ortiz", "", ""]


def test_who_logs_out_is_given_nothing_more(cast: Cast, database: Database, alice: Agent) -> None:
    database.call("close_agent_session", token_hash=alice.token_hash)
    assert owners(started(cast, 1)) == [""]


def test_who_logs_out_of_one_of_two_sessions_is_still_here(cast: Cast, database: Database, alice: Agent) -> None:
    at_home = cast.agent("alice").come()
    database.call("close_agent_session", token_hash=at_home.token_hash)
    assert owners(started(cast, 1)) == ["Alice Kern"]


def as_of(rows: Any, minutes: int) -> None:
    """Let the tickets have been as they are for so long."""
    rows("alter table tickets disable trigger guard_ticket")
    for column in ("updated_at", "awaiting_since", "closed_at"):
        rows(f"update tickets set {column} = {column} - make_interval(mins => %s)", minutes)
    rows("alter table tickets enable trigger guard_ticket")


def test_chats_that_were_answered_and_are_quiet_keep_nobody_waiting(
    cast: Cast, database: Database, alice: Agent, rows: Any
) -> None:
    quiet = started(cast, 3)
    for visitor in quiet:
        alice.reply(visitor.chat["number"])
    [newcomer] = started(cast, 1)
    as_of(rows, 4)
    assert database.call("sweep_assignment")["assigned"] == 0
    assert database.call("list_agents")[0]["load"] == 3
    as_of(rows, 2)
    assert database.call("sweep_assignment")["assigned"] == 1
    assert owners([*quiet, newcomer]) == ["Alice Kern"] * 4
    assert database.call("list_agents")[0]["load"] == 1
    quiet[0].post("Something else")
    assert database.call("list_agents")[0]["load"] == 2


def test_a_chat_in_which_the_agent_goes_on_writing_is_not_quiet(
    cast: Cast, database: Database, alice: Agent, rows: Any
) -> None:
    [vera] = started(cast, 1)
    alice.reply(vera.chat["number"])
    version, replied = vera.chat["version"], rows("select first_reply_at from tickets")
    as_of(rows, 6)
    alice.reply(vera.chat["number"], "I am still looking")
    assert database.call("list_agents")[0]["load"] == 1
    assert (vera.chat["version"], rows("select first_reply_at from tickets")) == (version, replied)


def test_chats_that_wait_for_an_answer_take_a_place_however_long_they_wait(
    cast: Cast, database: Database, alice: Agent, rows: Any
) -> None:
    started(cast, 4)
    as_of(rows, 60)
    assert database.call("sweep_assignment")["assigned"] == 0


def test_a_word_of_thanks_after_the_end_goes_to_who_answered_and_takes_no_place(
    cast: Cast, database: Database, alice: Agent, bob: Agent
) -> None:
    [vera] = started(cast, 1)
    alice.reply(vera.chat["number"])
    alice.call("close_ticket", number=vera.chat["number"])
    others = started(cast, 3)
    bob.come()
    vera.post("Thanks!")
    assert owners([vera, *others]) == ["Alice Kern"] * 4  # above her limit, although bob has nothing to do
    assert alice.call("list_tickets")["rows"][0]["awaiting_since"] is not None
    assert {agent["name"]: agent["load"] for agent in database.call("list_agents")}["Alice Kern"] == 3
    assert alice.call("ticket_of_agent", number=vera.chat["number"])["closed_at"] is None


@pytest.mark.mode("postgres")
def test_an_update_of_the_desk_does_not_change_an_afterword(
    cast: Cast, alice: Agent, rows: Any, database_url: str
) -> None:
    [vera] = started(cast, 1)
    alice.reply(vera.chat["number"])
    alice.call("close_ticket", number=vera.chat["number"])
    vera.post("Thanks!")
    before = rows("select t::text from tickets t")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(script_text("supabase_schema.sql").encode())
    assert rows("select t::text from tickets t") == before


@pytest.mark.parametrize("kind", ["late", "never answered", "agent gone", "agent away"])
def test_what_is_no_afterword_is_handed_out_as_any_chat(
    cast: Cast, database: Database, alice: Agent, bob: Agent, rows: Any, kind: str
) -> None:
    [vera] = started(cast, 1)
    if kind != "never answered":
        alice.reply(vera.chat["number"])
    alice.call("close_ticket", number=vera.chat["number"])
    if kind == "late":
        as_of(rows, 11)
    started(cast, 3)
    bob.come()
    if kind == "agent gone":
        leave(rows, alice)
    elif kind == "agent away":
        alice.call("set_availability", availability="away")
    vera.post("It is broken again")
    assert owners([vera]) == ["Bob Ortiz"]


def test_an_afterword_that_nobody_can_take_waits_and_goes_back_as_any_other(
    cast: Cast, database: Database, alice: Agent, rows: Any, process: str
) -> None:
    [vera] = started(cast, 1)
    alice.reply(vera.chat["number"])
    alice.call("close_ticket", number=vera.chat["number"])
    vera.post("Thanks!")
    leave(rows, alice)
    assert database.call("sweep_assignment")["returned"] == 1
    alice.call("close_ticket", number=vera.chat["number"])
    vera.post("Are you there?")
    assert (vera.chat["status"], vera.chat["queue_position"]) == ("waiting", 1)


def test_the_only_agent_who_goes_and_comes_back_is_no_alarm(
    cast: Cast, database: Database, alice: Agent, rows: Any, process: str
) -> None:
    [vera] = started(cast, 1)
    leave(rows, alice)
    database.call("sweep_assignment")
    assert vera.lines[-1]["detail"]["wanted"] is False
    alice.come()
    database.call("sweep_assignment")
    assert (vera.lines[-1]["event"], vera.lines[-1]["detail"]["again"]) == ("assigned", True)


def test_a_customer_is_told_that_we_look_for_somebody_when_somebody_can_take_it(
    cast: Cast, database: Database, alice: Agent, bob: Agent, rows: Any, process: str
) -> None:
    [vera] = started(cast, 1)
    bob.come()
    leave(rows, alice)
    database.call("sweep_assignment")
    returned, assigned = vera.lines[-2:]
    assert returned["detail"]["wanted"] is True
    assert assigned["detail"]["agent"]["name"] == "Bob Ortiz"
    assert "again" not in assigned["detail"]
