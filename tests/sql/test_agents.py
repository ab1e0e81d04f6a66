"""Login sessions, leases, and the processes that report them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database, Invalid, NotFound
from tests.cast import Agent, Cast, new_id


def test_an_address_belongs_to_one_agent_in_any_case(database: Database) -> None:
    with pytest.raises(Conflict, match="email_taken"):
        database.call("create_agent", name="Eve", email="ALICE@example.com", password_hash="x")


def test_no_row_of_agents_holds_a_secret(rows: Any) -> None:
    columns = {
        name for (name,) in rows("select column_name from information_schema.columns where table_name = 'agents'")
    }
    assert "email" in columns
    assert not any("password" in name or "token" in name or "hash" in name for name in columns)


def test_a_session_is_an_agent_until_it_is_closed(alice: Agent, database: Database) -> None:
    assert database.call("agent_of_session", token_hash=alice.token_hash)["name"] == "Alice Kern"
    database.call("close_agent_session", token_hash=alice.token_hash)
    assert database.call("agent_of_session", token_hash=alice.token_hash) is None


@pytest.mark.parametrize(("column", "age"), [("created_at", "12 hours 1 second"), ("last_seen_at", "31 minutes")])
def test_a_session_ends_by_age_and_by_idleness(
    alice: Agent, database: Database, rows: Any, column: str, age: str
) -> None:
    rows(f"update agent_sessions set {column} = now() - interval '{age}'")
    assert database.call("agent_of_session", token_hash=alice.token_hash) is None


def test_an_open_page_keeps_a_session_from_idling_out(alice: Agent, database: Database, rows: Any) -> None:
    rows("update agent_sessions set last_seen_at = now() - interval '29 minutes'")
    report = database.call(
        "report_process", process_id=new_id(), sockets=1, came=[], left=[], token_hashes=[alice.token_hash]
    )
    assert report["good"] == [alice.token_hash]
    assert rows("select now() - last_seen_at < interval '1 minute' from agent_sessions") == [(True,)]


def test_a_deactivated_agent_is_nobody(alice: Agent, database: Database, rows: Any) -> None:
    rows("update agents set is_active = false where id = %s", alice.id)
    assert database.call("agent_of_session", token_hash=alice.token_hash) is None
    assert rows("select _supportchat.credentials_of('alice@example.com')") == [(None,)]
    report = database.call(
        "report_process", process_id=new_id(), sockets=1, came=[], left=[], token_hashes=[alice.token_hash]
    )
    assert report == {"good": [], "came": 0, "known": False}


def test_a_report_renews_the_lease_and_says_who_came(bob: Agent, database: Database, rows: Any) -> None:
    database.call("open_agent_session", agent_id=bob.id, token_hash=bob.token_hash)
    report = {"process_id": new_id(), "sockets": 1, "came": [], "left": [], "token_hashes": [bob.token_hash]}
    assert database.call("report_process", **report)["came"] == 1
    assert database.call("report_process", **report)["came"] == 0
    assert rows("select lease_expires_at > now() + interval '40 seconds' from agents where id = %s", bob.id) == [
        (True,)
    ]


def test_a_customer_is_here_while_a_process_reports_the_socket(cast: Cast, database: Database, rows: Any) -> None:
    vera = cast.visitor()
    session_id, process_id = vera.start()["session_id"], new_id()
    assert not vera.chat["customer_here"]
    database.call("report_process", process_id=process_id, sockets=1, came=[session_id], left=[], token_hashes=[])
    assert vera.chat["customer_here"]
    rows("update server_processes set live_until = now() - interval '1 second'")
    database.call("sweep_assignment")
    assert not vera.chat["customer_here"]


def test_availability_takes_two_values(alice: Agent) -> None:
    with pytest.raises(Invalid, match="availability_unknown"):
        alice.call("set_availability", availability="asleep")


def test_two_processes_that_report_the_same_logins_do_not_wait_in_a_circle(
    alice: Agent, bob: Agent, database: Database, database_url: str, rows: Any
) -> None:
    rows("update agents set lease_expires_at = null")
    first, second = sorted([alice.id, bob.id])
    # The later one stands first in the table, so that a scan would come to it first.
    rows("update agents set name = name where id = %s", second)
    rows("update agents set name = name where id = %s", first)
    database.call("open_agent_session", agent_id=bob.id, token_hash=bob.token_hash)
    hashes = [alice.token_hash, bob.token_hash]
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from agents where id = %s for update", [first])
        report = pool.submit(
            database.call, "report_process", process_id=new_id(), sockets=1, came=[], left=[], token_hashes=hashes
        )
        while rows(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ) != [(1,)]:
            assert not report.done()
        other.execute("select from agents where id = %s for update nowait", [second])
        other.rollback()
        assert report.result()["came"] == 2


@pytest.mark.parametrize("table", ["agents", "agent_sessions"])
def test_what_somebody_changes_by_hand_does_not_hold_a_report_up(
    alice: Agent, bob: Agent, database: Database, database_url: str, rows: Any, table: str
) -> None:
    rows("update agents set lease_expires_at = now() + interval '20 seconds'")
    database.call("open_agent_session", agent_id=bob.id, token_hash=bob.token_hash)
    rows("update agent_sessions set last_seen_at = now() - interval '2 minutes'")
    hashes = [alice.token_hash, bob.token_hash]
    report = {"process_id": new_id(), "sockets": 1, "came": [], "left": [], "token_hashes": hashes}
    column, value = ("id", alice.id) if table == "agents" else ("token_hash", alice.token_hash)
    with psycopg.connect(database_url) as other:
        other.execute(f"select from {table} where {column} = %s for update".encode(), [value])
        assert sorted(database.call("report_process", **report)["good"]) == sorted(hashes)
    assert database.call("report_process", **report)["came"] == 0
    assert rows("select count(*) from agents where lease_expires_at > now() + interval '40 seconds'") == [(2,)]
    assert rows("select count(*) from agent_sessions where last_seen_at < now() - interval '1 minute'") == [(0,)]


def test_a_login_does_not_wait_for_an_ended_session_that_somebody_looks_at(
    bob: Agent, database: Database, database_url: str, rows: Any
) -> None:
    for token_hash in ("looked at", "ended"):
        database.call("open_agent_session", agent_id=bob.id, token_hash=token_hash)
    rows("update agent_sessions set created_at = now() - interval '13 hours' where agent_id = %s", bob.id)
    with psycopg.connect(database_url) as other:
        other.execute("select from agent_sessions where token_hash = 'looked at' for update")
        database.call("open_agent_session", agent_id=bob.id, token_hash="new")
    assert rows("select token_hash from agent_sessions order by 1") == [("looked at",), ("new",)]


def test_a_new_password_ends_every_session_of_its_agent_and_no_other(
    cast: Cast, database: Database, alice: Agent, bob: Agent, rows: Any
) -> None:
    at_home = cast.agent("alice").come()
    bob.come()
    answer = database.call("reset_password", email="ALICE@example.com", password_hash="new")
    assert answer["name"] == "Alice Kern"
    assert rows("select _supportchat.credentials_of('alice@example.com') ->> 'password_hash'") == [("new",)]
    hashes = [alice.token_hash, at_home.token_hash, bob.token_hash]
    assert [token for token in hashes if database.call("agent_of_session", token_hash=token)] == [bob.token_hash]
    assert rows("select lease_expires_at > now() from agents where name = 'Alice Kern'") == [(False,)]


def test_who_came_without_a_password_from_an_older_version_gets_one(database: Database, rows: Any) -> None:
    rows("delete from agent_credentials")
    database.call("reset_password", email="bob@example.com", password_hash="first")
    assert rows("select _supportchat.credentials_of('bob@example.com') ->> 'password_hash'") == [("first",)]


def test_a_password_of_nobody_and_of_who_has_left_is_not_reset(database: Database, rows: Any) -> None:
    with pytest.raises(NotFound, match="agent_unknown"):
        database.call("reset_password", email="nobody@example.com", password_hash="x")
    rows("update agents set is_active = false where name = 'Bob Ortiz'")
    with pytest.raises(Conflict, match="agent_deactivated"):
        database.call("reset_password", email="bob@example.com", password_hash="x")


def test_an_agent_has_the_language_they_chose_until_they_choose_none(alice: Agent) -> None:
    assert alice.call("set_language", language="de")["language"] == "de"
    assert alice.call("set_language", language=None)["language"] is None
    with pytest.raises(Invalid, match="language_unknown"):
        alice.call("set_language", language="German")


def test_single_keys_do_something_until_an_agent_switches_them_off(alice: Agent) -> None:
    assert alice.call("set_language", language=None)["single_keys"]
    assert not alice.call("set_keys", single_keys=False)["single_keys"]
    assert alice.call("set_keys", single_keys=True)["single_keys"]


# Logins that are under way


def stored(rows: Any) -> str:
    [(found,)] = rows(
        "select password_hash from agent_credentials c join agents a on a.id = c.agent_id where name = 'Bob Ortiz'"
    )
    return str(found)


def shut_out_by(how: str, carol: Agent, bob: Agent, database: Database) -> None:
    """Change what lets Bob in, in one of the ways that there are."""
    if how == "own change":
        bob.call("change_password", password_hash="new", token_hash=bob.come().token_hash, browser="b")
    elif how == "command":
        database.call("reset_password", email="bob@example.com", password_hash="new")
    elif how == "link":
        carol.call("make_password_link", person_id=bob.id, token_hash="d" * 64)
        database.call("use_password_link", token_hash="d" * 64, password_hash="new")
    else:
        carol.call("disable_person", person_id=bob.id)
        carol.call("enable_person", person_id=bob.id)


WAYS = ("own change", "command", "link", "disabled")


@pytest.mark.parametrize("how", WAYS[:3])
def test_a_password_that_was_checked_before_it_changed_opens_nothing(
    bob: Agent, carol: Agent, database: Database, rows: Any, how: str
) -> None:
    checked = stored(rows)
    shut_out_by(how, carol, bob, database)
    assert database.call("open_agent_session", agent_id=bob.id, token_hash="t", password_hash=checked) is None
    assert rows("select count(*) from agent_sessions where token_hash = 't'") == [(0,)]


def test_a_login_that_is_under_way_when_its_agent_is_disabled_opens_nothing(
    bob: Agent, carol: Agent, database: Database, rows: Any
) -> None:
    carol.call("disable_person", person_id=bob.id)
    assert database.call("open_agent_session", agent_id=bob.id, token_hash="t", password_hash=stored(rows)) is None
    assert rows("select count(*) from agent_sessions where token_hash = 't'") == [(0,)]


def test_a_login_by_a_provider_opens_nothing_once_it_was_disconnected(bob: Agent, database: Database) -> None:
    identity = {"issuer": "https://id.example", "subject": "7"}
    bob.call("connect_identity", **identity)
    login = {"agent_id": bob.id, **identity}
    assert database.call("open_agent_session", token_hash="t", **login) == {"needs_code": False}
    bob.call("disconnect_identity", issuer=identity["issuer"])
    assert database.call("open_agent_session", token_hash="u", **login) is None


@pytest.mark.parametrize(
    "statement",
    [
        "update agent_credentials set password_hash = 'new' where agent_id = %s",
        "update agents set is_active = false where id = %s",
    ],
)
def test_a_login_waits_for_whoever_changes_what_lets_its_agent_in(
    bob: Agent, database: Database, database_url: str, rows: Any, statement: str
) -> None:
    checked = stored(rows)
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from agents where id = %s for no key update", [bob.id])
        login = pool.submit(database.call, "open_agent_session", agent_id=bob.id, token_hash="t", password_hash=checked)
        while rows(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ) != [(1,)]:
            assert not login.done()
        other.execute(statement.encode(), [bob.id])
        other.commit()
        assert login.result() is None


@pytest.mark.parametrize("how", WAYS)
def test_a_login_that_waits_for_its_second_step_ends_with_what_its_first_step_has_shown(
    bob: Agent, carol: Agent, database: Database, rows: Any, how: str
) -> None:
    bob.come().call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["x"])
    assert database.call("open_agent_session", agent_id=bob.id, token_hash="t", browser="b") == {"needs_code": True}
    assert database.call("pending_login", token_hash="t", browser="b")["agent_id"] == bob.id
    shut_out_by(how, carol, bob, database)
    assert rows("select count(*) from pending_logins") == [(0,)]
    with pytest.raises(NotFound, match="login_expired"):
        database.call("finish_login", pending="t", browser="b", token_hash="u", new_browser="n", step=2)


def test_a_second_step_is_bound_to_its_browser_also_where_nobody_was_known_before(
    bob: Agent, database: Database
) -> None:
    bob.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["x"])
    database.call("open_agent_session", agent_id=bob.id, token_hash="t", browser="b")
    assert database.call("pending_login", token_hash="t", browser="") is None
    assert database.call("pending_login", token_hash="t", browser="b")["agent_id"] == bob.id


@pytest.mark.parametrize("how", ["own change", "command"])
def test_a_link_for_a_password_ends_when_the_password_is_changed_otherwise(
    bob: Agent, carol: Agent, database: Database, how: str
) -> None:
    carol.call("make_password_link", person_id=bob.id, token_hash="e" * 64)
    shut_out_by(how, carol, bob, database)
    with pytest.raises(NotFound, match="link_unknown"):
        database.call("use_password_link", token_hash="e" * 64, password_hash="another")
