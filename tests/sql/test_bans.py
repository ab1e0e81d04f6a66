"""Who may not write for a time: a browser, or whoever comes from a network."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from supportchat.database import Conflict, Database, Forbidden, Invalid
from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")

HOME = "192.0.2.7"


@pytest.fixture
def vera(cast: Cast) -> Visitor:
    """A customer with a chat that nobody has taken."""
    visitor = cast.visitor()
    visitor.start("Buy now", address=HOME)
    return visitor


def ban(agent: Agent, visitor: Visitor, what: str = "browser", **arguments: Any) -> Any:
    return agent.call("ban_customer", number=visitor.chat["number"], what=what, **arguments)


def test_a_banned_browser_can_neither_write_nor_start_a_chat_but_reads_what_it_has(
    vera: Visitor, carol: Agent, database: Database, rows: Any
) -> None:
    assert vera.chat["banned"] is False
    ban(carol, vera, days=1, reason="Sells watches")
    with pytest.raises(Forbidden, match="banned"):
        vera.post("Again")
    with pytest.raises(Forbidden, match="banned"):
        vera.start("Again", address="198.51.100.1")
    database.call("close_chat", visitor=vera.key)
    with pytest.raises(Forbidden, match="banned"):
        vera.start("Again")
    assert (vera.chat["banned"], vera.lines[0]["message"]) == (True, "Buy now")
    assert database.call("who_is_here", visitor=vera.key)["banned"] is True
    assert rows("select count(*) from chat_messages where message = 'Again'") == [(0,)]


def test_what_was_stored_before_the_ban_is_answered_again(vera: Visitor, carol: Agent) -> None:
    once = new_id()
    vera.post("Before", client_message_id=once)
    ban(carol, vera)
    assert vera.post("Before", client_message_id=once)["duplicate"] is True


def test_others_in_the_network_of_a_banned_browser_are_not_affected(vera: Visitor, carol: Agent, cast: Cast) -> None:
    ban(carol, vera)
    assert cast.visitor().start("Me too", address=HOME)["banned"] is False


def test_nobody_from_a_banned_network_starts_a_chat_or_goes_on_with_one(
    vera: Visitor, carol: Agent, cast: Cast, database: Database
) -> None:
    neighbour, elsewhere = cast.visitor(), cast.visitor()
    neighbour.start(address=HOME)
    ban(carol, vera, "network")
    for visitor in (vera, neighbour):
        assert visitor.chat["banned"] is True
        with pytest.raises(Forbidden, match="banned"):
            visitor.post("Again")
    with pytest.raises(Forbidden, match="banned"):
        cast.visitor().start(address=HOME)
    assert database.call("who_is_here", address=HOME)["banned"] is True
    assert database.call("who_is_here", address="192.0.2.8")["banned"] is False
    elsewhere.start(address="192.0.2.8")
    elsewhere.post("Still here")


def test_a_ban_ends_by_itself_and_a_new_one_takes_the_place_of_the_old(vera: Visitor, carol: Agent, rows: Any) -> None:
    ban(carol, vera, days=1)
    ban(carol, vera)
    [listed] = carol.call("list_bans")["bans"]
    assert (listed["expires_at"], rows("select banned_until::text from visitors")) == (None, [("infinity",)])
    ban(carol, vera, days=1)
    rows("update bans set expires_at = now() - interval '1 second'")
    rows("update visitors set banned_until = now() - interval '1 second'")
    assert carol.call("list_bans")["bans"] == []
    vera.post("Back again")


@pytest.mark.parametrize("what", ["browser", "network"])
def test_who_may_ends_a_ban_and_the_audit_log_has_both(vera: Visitor, carol: Agent, rows: Any, what: str) -> None:
    ticket = ban(carol, vera, what, days=7, reason="Sells watches")
    [known] = ticket["bans"]
    [listed] = carol.call("list_bans")["bans"]
    assert listed == known
    assert (known["what"], known["number"], known["reason"], known["by"]["id"]) == (
        what, vera.chat["number"], "Sells watches", carol.id,
    )  # fmt: skip
    for _ in range(2):
        carol.call("end_ban", ban_id=known["id"])
    vera.post("Back again")
    assert carol.call("ticket_of_agent", number=vera.chat["number"])["bans"] == []
    assert rows("select kind, about ->> 'what', agent_id::text from audit_log where kind ~ '^ban' order by id") == [
        ("ban.made", what, carol.id), ("ban.ended", what, carol.id),
    ]  # fmt: skip
    assert rows("select count(*) from audit_log where about::text ~ 'watches'") == [(0,)]


def test_a_ban_and_its_end_are_told_to_every_page_of_the_chat(vera: Visitor, carol: Agent, rows: Any) -> None:
    before = vera.chat["version"]
    [made] = ban(carol, vera)["bans"]
    assert vera.chat["version"] == before + 1
    carol.call("end_ban", ban_id=made["id"])
    assert vera.chat["version"] == before + 2
    history = carol.call("ticket_of_agent", number=vera.chat["number"])["history"]
    assert [event["event"] for event in history][-2:] == ["banned", "unbanned"]


def test_the_pages_that_are_open_in_a_banned_network_are_told(
    vera: Visitor, carol: Agent, cast: Cast, rows: Any
) -> None:
    neighbour = cast.visitor()
    neighbour.start(address=HOME)
    carol.come()
    rows("insert into customers_here select %s, process_id from server_processes", neighbour.chat["session_id"])
    before = neighbour.chat["version"]
    ban(carol, vera, "network")
    assert neighbour.chat["version"] == before + 1


def test_only_who_may_ban_sees_the_network(vera: Visitor, alice: Agent, carol: Agent) -> None:
    for agent, address in ((alice, None), (carol, HOME)):
        ticket = agent.call("ticket_of_agent", number=vera.chat["number"])
        assert ticket["customer"]["address"] == address


def test_what_is_not_known_cannot_be_banned(cast: Cast, carol: Agent) -> None:
    visitor = cast.visitor()
    visitor.start()
    with pytest.raises(Conflict, match="nothing_to_ban"):
        ban(carol, visitor, "network")
    for wrong in ({"what": "phone"}, {"days": 0}, {"days": 100_000}):
        with pytest.raises(Invalid, match="value_refused"):
            ban(carol, visitor, **wrong)


def test_bans_and_starts_at_the_same_moment_do_not_wait_for_each_other_in_a_circle(
    vera: Visitor, carol: Agent, database: Database
) -> None:
    number = vera.chat["number"]

    def act(turn: int) -> None:
        if turn % 2:
            carol.call("ban_customer", number=number, what="browser")
            for each in carol.call("list_bans")["bans"]:
                carol.call("end_ban", ban_id=each["id"])
        else:
            with contextlib.suppress(Forbidden):
                vera.start("Me")

    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(act, range(30)))) == 30
