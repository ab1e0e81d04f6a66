"""What was tried on an agent's day: saved replies, search, tags, snooze, keys and alerts. See docs/security.md, D1 and on."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.alerts.test_ladder import Ladder, give_device
from tests.cast import Agent, Cast, email_of
from tests.people.cast import link_for

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
