"""Persons, whom their site has named: their chats, their browsers, and their end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from supportchat.database import Conflict, Database, DatabaseError, Forbidden
from supportchat.database.postgres import PostgresDatabase
from tests.cast import Agent, Cast, Visitor
from tests.conftest import Place

pytestmark = pytest.mark.mode("postgres")


def name(database: Database, visitor: Visitor, sub: str, **more: Any) -> Any:
    """Have the main site say who uses a browser; from then on it has its new key."""
    fresh = Visitor(database).key
    answer = database.call("identify_customer", visitor=visitor.key, fresh=fresh, site="main", sub=sub, **more)
    if answer["moved"]:
        visitor.key = fresh
    return answer


def test_the_chats_of_a_browser_become_the_persons_with_those_they_have(database: Database, cast: Cast) -> None:
    phone, laptop = cast.visitor(), cast.visitor()
    first, second = phone.start("One")["number"], laptop.start("Two")["number"]
    name(database, phone, "vera")
    name(database, laptop, "vera")
    assert phone.chat == laptop.chat
    assert phone.chat["number"] == second
    earlier = cast.agent("alice").call("ticket_of_agent", number=second)["earlier"]
    assert [ticket["number"] for ticket in earlier] == [first]


def test_a_ban_is_one_of_the_person_on_every_device(database: Database, cast: Cast) -> None:
    carol, phone, laptop = cast.agent("carol"), cast.visitor(), cast.visitor()
    number = phone.start("Buy now")["number"]
    carol.call("ban_customer", number=number, what="browser")
    name(database, phone, "vera")
    name(database, laptop, "vera")
    for browser in (phone, laptop):
        with pytest.raises(Forbidden, match="banned"):
            browser.post("Again")
    fresh = cast.visitor()
    name(database, fresh, "vera")
    assert database.call("who_is_here", visitor=fresh.key)["banned"]


@pytest.mark.parametrize("banned_first", [True, False])
def test_the_longer_of_two_bans_stays_when_chats_are_joined(
    database: Database, cast: Cast, rows: Any, banned_first: bool
) -> None:
    carol, known, other = cast.agent("carol"), cast.visitor(), cast.visitor()
    numbers = known.start("One")["number"], other.start("Two")["number"]
    name(database, known, "vera")
    for number, days in zip(numbers, (30, 3) if banned_first else (3, 30), strict=True):
        carol.call("ban_customer", number=number, what="browser", days=days)
    name(database, other, "vera")
    assert rows("select round(extract(epoch from expires_at - now()) / 86400)::integer from bans") == [(30,)]
    assert rows("select count(*) from visitors v join bans b on b.expires_at = v.banned_until") == [(1,)]


def test_erasing_everything_of_a_person_takes_all_their_devices(database: Database, cast: Cast, rows: Any) -> None:
    carol, phone, laptop = cast.agent("carol"), cast.visitor(), cast.visitor()
    phone.start("One")
    number = laptop.start("Two")["number"]
    name(database, phone, "vera", name="Vera Lindt")
    name(database, laptop, "vera", name="Vera Lindt")
    exported = carol.call("export_customer", number=number)
    assert [(chat["number"], chat["person"]["name"]) for chat in exported] == [
        (number - 1, "Vera Lindt"),
        (number, "Vera Lindt"),
    ]
    assert carol.call("preview_erasure", number=number)["customer"]["conversations"] == 2
    carol.call("erase_customer", number=number, everything=True)
    for table in ("persons", "person_keys", "visitors", "chat_messages"):
        assert rows(f"select count(*) from {table}") == [(0,)]
    assert phone.chat is None


def test_a_person_without_chats_is_forgotten_a_month_after_their_last_token(
    database: Database, cast: Cast, rows: Any
) -> None:
    for sub in ("old", "new", "chats"):
        visitor = cast.visitor()
        name(database, visitor, sub)
        if sub == "chats":
            visitor.start("Hello")
    rows("update persons set verified_at = now() - interval '31 days' where sub <> 'new'")
    of_chats = "(select visitor_id from persons where sub = 'chats')"
    rows(f"update person_keys set seen_at = now() - interval '181 days' where visitor_id = {of_chats}")
    database.call("forget_old_data")
    assert sorted(rows("select sub from persons")) == [("chats",), ("new",)]
    assert rows("select count(*) from person_keys") == [(1,)]


def test_a_person_has_twenty_browsers_and_the_oldest_goes_with_its_pages(
    database: Database, cast: Cast, rows: Any
) -> None:
    browsers = [cast.visitor() for _ in range(21)]
    for place, browser in enumerate(browsers):
        name(database, browser, "vera")
        rows(
            "update person_keys set seen_at = now() - make_interval(mins => %s) where token_hash = %s",
            60 - place,
            browser.key,
        )
    assert rows("select count(*) from person_keys") == [(20,)]
    revoked = rows("select detail ->> 'token_hash' from events where kind = 'session.revoked'")
    assert revoked == [(browsers[0].key,)]


def test_the_history_of_a_ticket_says_when_its_customer_was_named(database: Database, cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    number = vera.start("Hello")["number"]
    version = alice.call("ticket_of_agent", number=number)["version"]
    name(database, vera, "vera", name="Vera")
    ticket = alice.call("ticket_of_agent", number=number)
    assert [event["event"] for event in ticket["history"]].count("identified") == 1
    assert ticket["version"] > version
    name(database, vera, "vera", name="Vera Lindt")
    assert alice.call("ticket_of_agent", number=number)["customer"]["name"] == "Vera Lindt"


def test_a_browser_of_somebody_else_is_left_alone_until_it_is_meant(database: Database, cast: Cast) -> None:
    shared = cast.visitor()
    shared.start("Of Vera")
    name(database, shared, "vera")
    with pytest.raises(Conflict, match="other_person_here"):
        name(database, shared, "victor")
    name(database, shared, "victor", replaces=True)
    assert shared.chat is None


def test_whatever_comes_at_once_each_chat_has_one_person_and_each_person_one_place(
    place: Place, cast: Cast, rows: Any
) -> None:
    browsers = [cast.visitor() for _ in range(4)]
    for browser in browsers:
        browser.start("Hello")
    failed: list[DatabaseError] = []

    def say(browser: Visitor, sub: str) -> None:
        door = PostgresDatabase(place.conninfo, size=1)
        try:
            fresh = Visitor(door).key
            door.call("identify_customer", visitor=browser.key, fresh=fresh, site="main", sub=sub)
        except DatabaseError as error:
            failed.append(error)
        finally:
            door.close()

    threads = [threading.Thread(target=say, args=(each, sub)) for each in browsers for sub in ("vera", "victor")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rows("select count(*) from persons") == [(2,)]
    assert rows("select count(*) from user_sessions s join persons p on p.visitor_id = s.visitor_id") == [(4,)]
    assert rows("select count(*) from person_keys") == [(8,)]
    assert rows("select count(*) from visitors") == [(2,)]
