"""What was tried on an agent's day: saved replies, search, tags, snooze, keys and alerts. See docs/security.md, D1 and on."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.alerts.test_ladder import Ladder, give_device
from tests.cast import Agent, Cast, email_of
from tests.people.cast import link_for
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def ladder(database: Database, rows: Any) -> Ladder:
    """The alerts of a desk at which nothing has happened."""
    return Ladder(database, rows)


# D1: whoever is thrown out is notified no more


@pytest.mark.parametrize("act", ["a link", "the command", "two-factor removed"])
def test_row_d1_whoever_is_thrown_out_by_a_new_password_or_without_two_factor_is_notified_no_more(
    ladder: Ladder, cast: Cast, database: Database, alice: Agent, carol: Agent, rows: Any, act: str
) -> None:
    give_device(alice, "thief's")
    rows("update agent_devices set login_id = null")  # of a login that has ended by itself
    give_device(alice, "phone")
    alice.call("turn_on_two_factor", token_hash=alice.token_hash, secret="A" * 32, step=1, code_hashes=["c" * 64])
    cast.visitor().start()
    ladder.advance()
    if act == "a link":
        token = link_for(carol, "make_password_link", person_id=alice.id).removeprefix("/links/")
        database.call("use_password_link", token_hash=token_hash(token), password_hash="new")
    elif act == "the command":
        database.call("reset_password", email=email_of("alice"), password_hash="new")
    else:
        carol.call("remove_two_factor", person_id=alice.id)
    assert rows("select count(*) from agent_devices") == rows("select count(*) from agent_pushes") == [(0,)]
    assert rows("select count(*) from audit_log where kind = 'device.removed'") == [(2,)]


def test_row_d1_who_has_to_set_up_two_factor_first_is_told_of_nobody(
    ladder: Ladder, cast: Cast, alice: Agent, carol: Agent
) -> None:
    carol.call("change_settings", values={"two_factor_required": "everyone"})
    cast.visitor().start()
    assert ladder.told() == []
    carol.call("change_settings", values={"two_factor_required": "admins"})
    cast.visitor().start()
    assert {name for name, _, _ in ladder.told()} == {"alice"}


# D2: many tickets at once


def bulk(desk: Browser, act: str, *numbers: int, **fields: str) -> tuple[int, str]:
    data = {"act": act, "number": [str(number) for number in numbers], **fields}
    answer = desk.client.post("/tickets/bulk", data=data, headers={"Origin": ORIGIN, "HX-Request": "true"})
    return answer.status_code, answer.text


def test_row_d2_fifty_tickets_are_changed_at_once_and_no_more(web: Web, cast: Cast, alice: Agent, rows: Any) -> None:
    for _ in range(2):
        cast.visitor().start()
    desk = web.agent("alice")
    status, said = bulk(desk, "tag", *range(1001, 1051), tag="parts")
    assert (status, "Tagged 2 tickets." in said, "45 more could not be changed." in said) == (200, True, True)
    status, said = bulk(desk, "close", *range(1001, 1052))
    assert (status, "Choose up to 50 tickets at once." in said) == (422, True)
    assert bulk(desk, "close", *range(1001, 2002))[0] == 413
    assert rows("select distinct status from tickets") == [("open",)]


def test_row_d2_a_ticket_that_is_full_of_tags_keeps_no_other_from_getting_one(
    web: Web, cast: Cast, alice: Agent, rows: Any
) -> None:
    for _ in range(2):
        cast.visitor().start()
    alice.call("tag_ticket", number=1001, add=[f"tag {n}" for n in range(20)])
    status, said = bulk(web.agent("alice"), "tag", 1001, 1002, 1002, tag="parts")
    assert (status, "Tagged 1 ticket." in said, "#1001" in said) == (200, True, True)
    assert bulk(web.agent("alice"), "tag", 1001, 1002, tag="x" * 41)[0] == 422
    tagged = "select number from ticket_tags join tickets on id = ticket_id join desk_tags using (tag_id) where name = %s"
    assert rows(tagged, "parts") == [(1002,)]
