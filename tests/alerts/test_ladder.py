"""Who is told that somebody writes, and when that ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from supportchat.database import Database, Invalid, NotFound
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


class Ladder:
    """What a process does for alerts, and what there is of them."""

    def __init__(self, database: Database, rows: Any) -> None:
        self._database = database
        self._rows = rows
        self.advance()

    def advance(self) -> Any:
        """Bring the alerts up to date."""
        return self._database.call("advance_alerts")

    def told(self) -> list[tuple[str, str, int]]:
        """Who is told by now: name, why, and up to which line."""
        self.advance()
        told: list[tuple[str, str, int]] = self._rows(
            "select split_part(email, '@', 1), why, lines from agent_alerts join agents on id = agent_id order by 1"
        )
        return told

    def take(self) -> list[Any]:
        """Bring the alerts up to date, and take what is to be sent."""
        self.advance()
        pushes: list[Any] = self._database.call("take_pushes")
        return pushes

    def note(self, push: Any, outcome: str, **more: Any) -> None:
        """Say what became of a notification."""
        self._database.call(
            "note_pushes", results=[{"id": push["id"], "kind": push["kind"], "outcome": outcome, **more}]
        )

    def wait(self, minutes: int) -> None:
        """Have some minutes pass."""
        self._rows("update agent_alerts set passes_at = passes_at - make_interval(mins => %s)", minutes)
        self._rows("update agent_pushes set due_at = due_at - make_interval(mins => %s)", minutes)


@pytest.fixture
def ladder(database: Database, rows: Any) -> Ladder:
    """The alerts of a desk at which nothing has happened."""
    return Ladder(database, rows)


def give_device(agent: Agent, name: str = "phone", host: str = "push.example.com") -> Any:
    """Have a device of an agent notified."""
    return agent.call(
        "add_device",
        endpoint=f"https://{host}/{agent.name}-{name}",
        p256dh="k",
        auth="a",
        origin="https://desk.example.com",
        token_hash=agent.token_hash,
    )


def read(agent: Agent, number: int, seq: int = 99) -> None:
    agent.call("record_receipt", number=number, delivered=seq, read=seq)


def test_whoever_has_the_ticket_is_told_and_told_of_further_lines(ladder: Ladder, cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    vera.start()
    assert ladder.told() == [("alice", "mine", 1)]
    vera.post("Are you there?")
    assert ladder.told() == [("alice", "mine", 2)]


def test_while_nobody_has_it_all_are_told_who_take_new_tickets_and_want_to_know(
    ladder: Ladder, cast: Cast, bob: Agent, carol: Agent
) -> None:
    bob.call("change_alerts", values={"scope": "mine"})
    cast.visitor().start()
    assert ladder.told() == [("alice", "waiting", 1), ("carol", "waiting", 1)]
    carol.call("set_availability", availability="away")
    cast.visitor().start()
    assert ladder.told() == [("alice", "waiting", 1), ("alice", "waiting", 1), ("carol", "waiting", 1)]


def test_who_takes_it_ends_it_for_the_others(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    vera = cast.visitor()
    vera.start()
    assert len(ladder.told()) == 3
    bob.come().call("assign_ticket", number=vera.chat["number"], assignee_id=bob.id)
    assert ladder.told() == [("bob", "mine", 1)]


def test_the_first_read_ends_it_and_so_does_a_reply_and_the_end_of_the_chat(
    ladder: Ladder, cast: Cast, alice: Agent
) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]
    for end in (
        lambda: read(alice, number),
        lambda: alice.reply(number),
        lambda: alice.call("close_ticket", number=number),
    ):
        vera.post("Hello?")
        assert len(ladder.told()) == 1
        end()
        assert ladder.told() == []


def test_who_wants_to_know_of_all_is_told_of_colleagues_tickets_until_they_have_read(
    ladder: Ladder, cast: Cast, alice: Agent, carol: Agent
) -> None:
    carol.call("change_alerts", values={"scope": "all"})
    vera = cast.visitor()
    number = vera.start()["number"]
    assert ladder.told() == [("alice", "mine", 1), ("carol", "all", 1)]
    read(carol, number)
    assert ladder.told() == [("alice", "mine", 1)]


def test_nobody_is_told_of_a_held_ticket(ladder: Ladder, cast: Cast, alice: Agent, carol: Agent) -> None:
    carol.call("change_settings", values={"hold_links": "on"})
    vera = cast.visitor()
    number = vera.start("See https://example.com")["number"]
    assert ladder.told() == []
    alice.call("release_ticket", number=number)
    assert ladder.told() == [("alice", "mine", 1)]


def test_a_snoozed_ticket_tells_nobody_until_its_customer_writes(ladder: Ladder, cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]
    assert ladder.told() == [("alice", "mine", 1)]
    alice.call("snooze_ticket", number=number)
    assert ladder.told() == []
    vera.post("Hello?")
    assert ladder.told() == [("alice", "mine", 2)]


def test_when_its_agent_does_not_come_in_three_minutes_the_next_one_is_told_and_then_another(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, carol: Agent
) -> None:
    bob.come()
    bob.call("change_alerts", values={"scope": "mine"})
    give_device(carol)
    cast.visitor().start()
    first = ladder.told()[0][0]
    second = {"alice": "bob", "bob": "alice"}[first]
    ladder.wait(2)
    assert ladder.told() == [(first, "mine", 1)]
    ladder.wait(1)
    assert sorted(ladder.told()) == sorted([(first, "mine", 1), (second, "next", 1)])
    ladder.wait(3)
    assert [name for name, _, _ in ladder.told()] == ["alice", "bob", "carol"]
    ladder.wait(3)
    assert len(ladder.told()) == 3


def test_of_very_many_to_whom_nobody_comes_a_hundred_at_once_are_passed_on(
    ladder: Ladder, cast: Cast, rows: Any, alice: Agent, bob: Agent
) -> None:
    bob.come()
    rows("update agents set max_tickets = 200")
    for _ in range(101):
        cast.visitor().start()
    ladder.advance()
    assert rows("select count(*) from agent_alerts where why = 'mine'") == [(101,)]
    ladder.wait(3)
    assert ladder.advance()["next_in"] <= 0
    assert rows("select count(*) from agent_alerts where why = 'next'") == [(100,)]
    assert ladder.advance()["next_in"] > 0
    assert rows("select count(*) from agent_alerts where why = 'next'") == [(101,)]


def test_when_its_agent_comes_it_ends_for_the_next_one_too(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent
) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]
    bob.come()
    ladder.advance()
    ladder.wait(3)
    assert ladder.told() == [("alice", "mine", 1), ("bob", "next", 1)]
    read(alice, number)
    assert ladder.told() == []


def test_the_desk_says_after_how_long_the_next_one_is_told_or_never(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, carol: Agent
) -> None:
    bob.come()
    carol.call("change_settings", values={"alert_next_minutes": None})
    vera = cast.visitor()
    vera.start()
    ladder.advance()
    ladder.wait(60)
    assert len(ladder.told()) == 1
    with pytest.raises(Invalid):
        carol.call("change_settings", values={"alert_next_minutes": 61})


def test_devices_are_notified_at_once_and_those_of_whom_the_desk_is_open_to_after_a_while(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent
) -> None:
    give_device(alice)
    give_device(bob)
    cast.visitor().start()
    assert ladder.take() == []
    assert 19 < ladder.advance()["next_in"] <= 20
    ladder.wait(1)
    (push,) = ladder.take()
    assert push["endpoint"].endswith("alice-phone")
    assert (push["kind"], push["about"]["number"], push["about"]["message"]) == ("alert", 1001, "Hello")
    assert ladder.take() == []
    bob.call("change_alerts", values={"scope": "all"})
    cast.visitor().start()
    assert [push["endpoint"] for push in ladder.take()] == ["https://push.example.com/bob-phone"]


def test_a_device_is_notified_once_until_its_agent_has_read(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    give_device(bob)
    vera = cast.visitor()
    number = vera.start()["number"]
    (push,) = ladder.take()
    ladder.note(push, "sent")
    vera.post("Hello?")
    assert ladder.take() == []
    read(bob, number)
    (end,) = ladder.take()
    assert (end["id"], end["kind"]) == (push["id"], "end")
    ladder.note(end, "sent")
    vera.post("Hello?")
    (again,) = ladder.take()
    assert (again["kind"], again["id"] != push["id"]) == ("alert", True)


def test_what_was_not_sent_yet_when_it_ends_is_never_sent(ladder: Ladder, cast: Cast, alice: Agent) -> None:
    give_device(alice)
    number = cast.visitor().start()["number"]
    ladder.advance()
    read(alice, number)
    assert ladder.take() == []
    ladder.wait(60)
    assert ladder.take() == []


def test_what_ends_while_it_is_on_its_way_is_taken_back(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    give_device(bob)
    number = cast.visitor().start()["number"]
    (push,) = ladder.take()
    read(bob, number)
    ladder.advance()
    ladder.note(push, "sent")
    assert [push["kind"] for push in ladder.take()] == ["end"]


def test_nothing_that_is_not_shown_is_sent_to_apples_devices(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    give_device(bob, host="web.push.apple.com")
    number = cast.visitor().start()["number"]
    (push,) = ladder.take()
    ladder.note(push, "sent")
    read(bob, number)
    assert ladder.take() == []


def test_in_quiet_hours_devices_are_notified_once_they_are_over(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    give_device(bob)
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    hours = {name: f"{now + timedelta(hours=by):%H:%M}" for name, by in (("quiet_from", -1), ("quiet_until", 1))}
    bob.call("change_alerts", values={**hours, "time_zone": "Asia/Tokyo"})
    cast.visitor().start()
    assert ladder.take() == []
    assert 3500 < ladder.advance()["next_in"] <= 3600


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2026-11-27T12:00Z", "2026-11-27T12:00Z"),
        ("2026-11-27T22:30Z", "2026-11-28T06:00Z"),  # 23:30 in Berlin
        ("2026-11-28T05:30Z", "2026-11-28T06:00Z"),
        ("2026-03-29T00:30Z", "2026-03-29T05:00Z"),  # the clocks go forward
    ],
)
def test_quiet_hours_are_of_the_zone_of_the_agent_and_go_past_midnight(rows: Any, moment: str, ends: str) -> None:
    [[is_right]] = rows(
        "select _supportchat.quiet_until((null, 'all', true, true, true, false, '22:00', '07:00', 'Europe/Berlin')"
        "::alert_choices, %s) = %s::timestamptz",
        moment,
        ends,
    )
    assert is_right


def test_settings_that_make_no_sense_are_refused(alice: Agent) -> None:
    for values in (
        {"scope": "none"},
        {"quiet_from": "22:00", "quiet_until": None},
        {"quiet_from": "29:00", "quiet_until": "30:00"},
        {"time_zone": "Nowhere/Land"},
        {"sound": None},
    ):
        with pytest.raises(Invalid):
            alice.call("change_alerts", values=values)
    alice.call("change_alerts", values={"sound": False})
    assert alice.call("show_alerts")["settings"]["sound"] is False


def test_what_a_process_that_died_had_taken_is_taken_by_another_and_given_up_at_last(
    ladder: Ladder, cast: Cast, bob: Agent
) -> None:
    give_device(bob)
    cast.visitor().start()
    for _ in range(5):
        (push,) = ladder.take()
        assert ladder.take() == []
        ladder.wait(1)
    ladder.note(push, "later", problem="503", seconds=1)
    ladder.wait(60)
    assert ladder.take() == []
    assert bob.call("show_alerts")["devices"][0]["problem"] == "503"


def test_a_device_that_its_push_service_does_not_know_is_forgotten(ladder: Ladder, cast: Cast, bob: Agent) -> None:
    give_device(bob)
    cast.visitor().start()
    (push,) = ladder.take()
    ladder.note(push, "gone")
    assert bob.call("show_alerts")["devices"] == []


def test_an_arrival_counts_once_for_who_knows_its_id(ladder: Ladder, database: Database, bob: Agent) -> None:
    device = give_device(bob)
    bob.call("test_device", device_id=device)
    (push,) = ladder.take()
    assert push["kind"] == "test"
    assert database.call("push_arrived", push_id=push["id"]) is True
    assert database.call("push_arrived", push_id=push["id"]) is False
    assert bob.call("show_alerts")["devices"][0]["test"]["arrived_at"]


def test_devices_are_their_agents_alone(alice: Agent, bob: Agent) -> None:
    device = give_device(alice)
    for function in ("test_device", "delete_device"):
        with pytest.raises(NotFound):
            bob.call(function, device_id=device)
    bob.call("add_device", endpoint="https://push.example.com/alice-phone", p256dh="k", auth="a", origin="x")
    assert alice.call("show_alerts")["devices"] == []


def test_a_disabled_agents_devices_and_alerts_end_at_once(
    ladder: Ladder, cast: Cast, alice: Agent, carol: Agent, rows: Any
) -> None:
    give_device(alice)
    cast.visitor().start()
    ladder.advance()
    carol.call("disable_person", person_id=alice.id)
    assert rows("select count(*) from agent_devices") == [(0,)]
    assert rows("select count(*) from agent_pushes") == [(0,)]
    assert ladder.told() == [("bob", "waiting", 1), ("carol", "waiting", 1)]


def test_a_logout_forgets_the_device_and_logging_out_elsewhere_all_others(database: Database, alice: Agent) -> None:
    give_device(alice)
    other = "e" * 64
    database.call("open_agent_session", agent_id=alice.id, token_hash=other)
    alice.call("add_device", endpoint="https://push.example.com/x", p256dh="k", auth="a", origin="x", token_hash=other)
    alice.call("end_agent_sessions", token_hash=alice.token_hash)
    [kept] = alice.call("show_alerts")["devices"]
    database.call("close_agent_session", token_hash=alice.token_hash)
    assert alice.call("show_alerts")["devices"] == []
    assert kept


def test_an_erased_chat_leaves_no_alert(ladder: Ladder, cast: Cast, bob: Agent, carol: Agent, rows: Any) -> None:
    give_device(bob)
    number = cast.visitor().start()["number"]
    ladder.advance()
    carol.call("erase_customer", number=number)
    assert rows("select (select count(*) from agent_alerts) + (select count(*) from agent_pushes)") == [(0,)]


def test_what_was_written_before_the_desk_knew_alerts_raises_none(database: Database, cast: Cast, rows: Any) -> None:
    cast.visitor().start()
    assert Ladder(database, rows).told() == []
    cast.visitor().start()
    ladder = Ladder(database, rows)
    assert len(ladder.told()) == 3


def test_an_event_waits_for_what_may_still_come_before_it(
    ladder: Ladder, database_url: str, cast: Cast, alice: Agent
) -> None:
    with psycopg.connect(database_url) as slow:
        slow.execute("select pg_current_xact_id()")
        cast.visitor().start()
        assert ladder.told() == []
        assert ladder.advance()["is_held_up"]
        slow.rollback()
    assert len(ladder.told()) == 1


def test_one_process_at_a_time_brings_the_alerts_up_to_date(ladder: Ladder, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("select advance_alerts()")
        assert ladder.advance() == {"due": False, "next_in": None, "is_held_up": True}


def mention(agent: Agent, number: int, name: str = "Bob Ortiz", text: str = "please look") -> None:
    agent.call("add_note", number=number, client_message_id=new_id(), note=f"@{name} {text}")


def test_whom_a_note_mentions_is_told_until_they_have_read_it(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent
) -> None:
    number = cast.visitor().start()["number"]
    read(alice, number)
    mention(alice, number)
    assert ladder.told() == [("bob", "mentioned", 0)]
    bob.call("read_mentions", number=number, note_no=1)
    assert ladder.told() == []


@pytest.mark.parametrize("state", ["closed", "snoozed", "held"])
def test_a_mention_is_told_of_whatever_state_the_ticket_is_in(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, rows: Any, state: str
) -> None:
    bob.call("set_availability", availability="away")
    bob.call("change_alerts", values={"scope": "mine"})
    number = cast.visitor().start()["number"]
    if state == "closed":
        alice.call("close_ticket", number=number)
    elif state == "snoozed":
        alice.call("snooze_ticket", number=number)
    else:
        rows("update tickets set held = 'link'")
    mention(alice, number)
    assert ladder.told() == [("bob", "mentioned", 0)]


def test_who_has_the_ticket_is_told_of_a_mention_too_and_told_of_the_customer_until_that_is_read(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent
) -> None:
    give_device(alice)
    number = cast.visitor().start("Hello?", customer_name="Vera Lindt")["number"]
    assert ladder.told() == [("alice", "mine", 1)]
    ladder.wait(1)
    [push] = ladder.take()
    ladder.note(push, "sent")
    mention(bob, number, "Alice Kern")
    assert ladder.told() == [("alice", "mine", 1)]
    ladder.wait(1)
    [again] = ladder.take()
    assert (again["about"]["mention"]["agent"]["name"], again["id"] != push["id"]) == ("Bob Ortiz", True)
    alice.call("read_mentions", number=number, note_no=1)
    assert ladder.told() == [("alice", "mine", 1)]


def test_who_was_told_of_a_mention_is_told_of_the_customer_when_that_becomes_theirs(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent
) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]
    mention(alice, number)
    vera.post("And?")
    assert ladder.told() == [("alice", "mine", 2), ("bob", "mentioned", 0)]
    bob.come().call("assign_ticket", number=number, assignee_id=bob.id, expected_id=alice.id)
    assert ladder.told() == [("bob", "mine", 2)]


def test_each_note_that_mentions_is_told_and_the_same_one_once(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, rows: Any
) -> None:
    give_device(bob)
    number = cast.visitor().start()["number"]
    read(alice, number)
    mention(alice, number)
    [push] = ladder.take()
    ladder.note(push, "sent")
    assert ladder.take() == []
    mention(alice, number, text="still")
    [another] = ladder.take()
    assert another["about"]["mention"]["note"] == "@Bob Ortiz still"


def test_a_mention_waits_for_the_end_of_quiet_hours(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, rows: Any
) -> None:
    give_device(bob)
    here = datetime.now(ZoneInfo("UTC"))
    around = {
        "quiet_from": (here - timedelta(hours=1)).strftime("%H:%M"),
        "quiet_until": (here + timedelta(hours=1)).strftime("%H:%M"),
    }
    bob.call("change_alerts", values=around)
    number = cast.visitor().start()["number"]
    mention(alice, number)
    assert ladder.take() == []
    [(is_later,)] = rows("select due_at > now() + interval '30 minutes' from agent_pushes")
    assert is_later


def test_a_mention_is_no_reason_not_to_be_the_next_one_told(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, carol: Agent
) -> None:
    carol.call("set_availability", availability="away")
    number = cast.visitor().start()["number"]
    bob.come()
    mention(carol, number)
    assert ladder.told() == [("alice", "mine", 1), ("bob", "mentioned", 0)]
    ladder.wait(4)
    assert ladder.told() == [("alice", "mine", 1), ("bob", "next", 1)]


def test_an_erasure_ends_the_alert_of_a_mention(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, carol: Agent
) -> None:
    number = cast.visitor().start()["number"]
    mention(alice, number)
    assert ("bob", "mentioned", 0) in ladder.told()
    carol.call("erase_customer", number=number)
    assert ladder.told() == []


def test_whoever_is_disabled_is_not_told_of_a_mention(
    ladder: Ladder, cast: Cast, alice: Agent, bob: Agent, carol: Agent
) -> None:
    number = cast.visitor().start()["number"]
    read(alice, number)
    mention(alice, number)
    carol.call("disable_person", person_id=bob.id)
    assert ladder.told() == []
