"""Who is let in, who is shut out, and that somebody always can do so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database, DatabaseError, Forbidden, Invalid, NotFound
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


def audited(rows: Any, kind: str) -> list[Any]:
    return [about for (about,) in rows("select about from audit_log where kind = %s order by id", kind)]


# The last admin


def test_the_last_admin_keeps_their_role_and_their_access(carol: Agent, rows: Any) -> None:
    for function, more in (("change_person", {"role": "lead"}), ("disable_person", {})):
        with pytest.raises(Conflict, match="last_admin"):
            carol.call(function, person_id=carol.id, **more)
    assert rows("select role, is_active from agents where name = 'Carol Tan'") == [("admin", True)]


def test_an_admin_without_a_password_is_not_counted(carol: Agent, bob: Agent, rows: Any) -> None:
    rows("update agents set role = 'admin' where name = 'Bob Ortiz'")
    rows("delete from agent_credentials where agent_id = %s", bob.id)
    with pytest.raises(Conflict, match="last_admin"):
        carol.call("change_person", person_id=carol.id, role="agent")


@pytest.mark.parametrize("function", ["change_person", "disable_person"])
def test_of_two_admins_who_shut_each_other_out_at_once_one_stays(
    carol: Agent, bob: Agent, rows: Any, function: str
) -> None:
    carol.call("change_person", person_id=bob.id, role="admin")
    more = {"role": "agent"} if function == "change_person" else {}
    start = Barrier(2)

    def shut_out(who: Agent, whom: Agent) -> str:
        start.wait()
        try:
            who.call(function, person_id=whom.id, **more)
        except DatabaseError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(shut_out, (carol, bob), (bob, carol)))
    # Whoever came second has no right any more by then.
    assert sorted(said) == ["done", "right_missing"]
    assert rows("select count(*) from agents where role = 'admin' and is_active") == [(1,)]


def test_the_last_two_cannot_leave_by_themselves_at_once(
    database_url: str, carol: Agent, bob: Agent, rows: Any
) -> None:
    carol.call("change_person", person_id=bob.id, role="admin")
    leave = "select public.change_person(%s, %s, p_role => 'agent')"
    with psycopg.connect(database_url) as first, ThreadPoolExecutor(1) as pool:
        first.execute(leave, [carol.id, carol.id])
        second = pool.submit(bob.call, "change_person", person_id=bob.id, role="agent")
        first.commit()
        with pytest.raises(Conflict, match="last_admin"):
            second.result()


# Disabling


def test_whoever_is_disabled_is_logged_out_and_their_tickets_go_back_to_the_queue(
    cast: Cast, alice: Agent, carol: Agent, database: Database, rows: Any
) -> None:
    answered, waiting = cast.visitor(), cast.visitor()
    for visitor in (answered, waiting):
        visitor.start()
    alice.reply(answered.chat["number"])
    done = carol.call("disable_person", person_id=alice.id)
    assert done == {"name": "Alice Kern", "returned": 2}
    assert [visitor.chat["status"] for visitor in (answered, waiting)] == ["waiting", "waiting"]
    assert waiting.lines[-1]["detail"]["reason"] == "agent_disabled"
    assert database.call("agent_of_session", token_hash=alice.token_hash) is None
    assert rows("select _supportchat.credentials_of('alice@example.com')") == [(None,)]
    assert rows("select count(*) from events where kind = 'session.revoked'") == [(1,)]
    assert audited(rows, "person.disabled") == [{"person": alice.id, "tickets": 2}]


def test_the_tickets_of_who_is_disabled_go_to_who_is_here(cast: Cast, alice: Agent, bob: Agent, carol: Agent) -> None:
    vera = cast.visitor()
    vera.start()
    bob.come()
    carol.call("disable_person", person_id=alice.id)
    assert vera.chat["agent"]["id"] == bob.id


def test_an_agent_with_hundreds_of_tickets_is_disabled_within_the_time_of_a_call(
    alice: Agent, carol: Agent, rows: Any, cast: Cast
) -> None:
    cast.visitor().start()
    rows("insert into user_sessions (session_id) select gen_random_uuid() from generate_series(1, 300)")
    rows(
        "insert into tickets (session_id, status, assigned_agent_id, awaiting_since)"
        " select session_id, 'open', %s, now() from user_sessions s"
        " where not exists (select from tickets t where t.session_id = s.session_id)",
        alice.id,
    )
    assert carol.call("disable_person", person_id=alice.id)["returned"] == 301
    assert rows("select count(*) from tickets where status = 'open'") == [(0,)]


def test_nobody_is_given_a_ticket_after_they_were_disabled(cast: Cast, alice: Agent, carol: Agent) -> None:
    carol.call("disable_person", person_id=alice.id)
    vera = cast.visitor()
    vera.start()
    assert vera.chat["agent"] is None
    with pytest.raises(Forbidden):
        alice.call("assign_ticket", number=vera.chat["number"], assignee_id=alice.id)
    with pytest.raises(Invalid, match="agent_not_found"):
        carol.call("assign_ticket", number=vera.chat["number"], assignee_id=alice.id)


def test_a_claim_that_waits_while_its_agent_is_disabled_is_refused(
    cast: Cast, database_url: str, alice: Agent, carol: Agent
) -> None:
    alice.call("set_availability", availability="away")
    vera = cast.visitor()
    number = vera.start()["number"]
    with psycopg.connect(database_url) as admin, ThreadPoolExecutor(1) as pool:
        admin.execute("select public.disable_person(%s, %s)", [carol.id, alice.id])
        claim = pool.submit(alice.call, "assign_ticket", number=number, assignee_id=alice.id)
        admin.commit()
        with pytest.raises(Forbidden):
            claim.result()
    assert vera.chat["agent"] is None


def test_whoever_is_enabled_logs_in_with_the_password_they_had(alice: Agent, carol: Agent, rows: Any) -> None:
    carol.call("disable_person", person_id=alice.id)
    assert carol.call("enable_person", person_id=alice.id) == {"name": "Alice Kern", "has_way_in": True}
    assert rows("select disabled_at from agents where name = 'Alice Kern'") == [(None,)]
    for _ in range(2):  # nothing happens twice
        carol.call("enable_person", person_id=alice.id)
    assert len(audited(rows, "person.enabled")) == 1


# Changing and inviting


def test_a_name_a_role_and_a_limit_change_alone_and_are_audited(alice: Agent, carol: Agent, rows: Any) -> None:
    for change in ({"name": "Alice K."}, {"role": "lead"}, {"max_tickets": 9}, {"name": "Alice K."}):
        carol.call("change_person", person_id=alice.id, **change)
    assert rows("select name, role, max_tickets from agents where email = 'alice@example.com'") == [
        ("Alice K.", "lead", 9)
    ]
    assert audited(rows, "person.renamed") == [{"person": alice.id, "from": "Alice Kern", "to": "Alice K."}]
    assert audited(rows, "person.role_changed") == [{"person": alice.id, "from": "agent", "to": "lead"}]
    assert audited(rows, "person.limit_changed") == [{"person": alice.id, "from": 3, "to": 9}]


def test_a_higher_limit_takes_who_waits(cast: Cast, alice: Agent, carol: Agent) -> None:
    carol.call("change_person", person_id=alice.id, max_tickets=0)
    vera = cast.visitor()
    vera.start()
    assert vera.chat["agent"] is None
    carol.call("change_person", person_id=alice.id, max_tickets=1)
    assert str(vera.chat["agent"]).count(alice.id) == 1


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "x" * 81}, {"role": "owner"}, {"max_tickets": -1}])
def test_what_nobody_may_be_is_refused(alice: Agent, carol: Agent, change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        carol.call("change_person", person_id=alice.id, **change)


def test_nobody_is_found_by_an_unknown_id(carol: Agent) -> None:
    for function in ("change_person", "disable_person", "enable_person"):
        with pytest.raises(NotFound, match="person_not_found"):
            carol.call(function, person_id=new_id())


def test_an_address_is_invited_once_at_a_time_and_not_when_it_has_an_account(
    carol: Agent, alice: Agent, database: Database
) -> None:
    for token in ("a", "b"):
        carol.call("invite_person", token_hash=token * 64, email=f"{'E' if token == 'b' else 'e'}ve@example.com")
    assert [database.call("show_link", token_hash=token * 64) is None for token in ("a", "b")] == [True, False]
    with pytest.raises(Conflict, match="email_taken"):
        carol.call("invite_person", token_hash="c" * 64, email="ALICE@example.com")
    carol.call("disable_person", person_id=alice.id)
    with pytest.raises(Conflict, match="email_of_disabled"):
        carol.call("invite_person", token_hash="c" * 64, email="alice@example.com")


USES: dict[str, Callable[..., dict[str, Any]]] = {
    "set_up": lambda: {"name": "Eve", "email": "eve2@example.com", "password_hash": "x"},
    "accept_invitation": lambda: {"name": "Eve", "password_hash": "x"},
    "use_password_link": lambda: {"password_hash": "x"},
}


def test_a_link_works_for_its_own_purpose_only_and_once(carol: Agent, database: Database) -> None:
    carol.call("invite_person", token_hash="a" * 64, email="eve@example.com")
    for function in ("set_up", "use_password_link"):
        with pytest.raises(NotFound, match="link_unknown"):
            database.call(function, token_hash="a" * 64, **USES[function]())
    database.call("accept_invitation", token_hash="a" * 64, **USES["accept_invitation"]())
    with pytest.raises(NotFound, match="link_unknown"):
        database.call("accept_invitation", token_hash="a" * 64, **USES["accept_invitation"]())


def test_a_link_that_is_used_twice_at_once_works_once(carol: Agent, database: Database, rows: Any) -> None:
    carol.call("invite_person", token_hash="a" * 64, email="eve@example.com")
    start = Barrier(2)

    def accept(name: str) -> str:
        start.wait()
        try:
            database.call("accept_invitation", token_hash="a" * 64, name=name, password_hash="x")
        except DatabaseError as error:
            return error.code
        return "joined"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(accept, ("Eve", "Adam"))) == ["joined", "link_unknown"]
    assert rows("select count(*) from agents where email = 'eve@example.com'") == [(1,)]


def test_a_setup_link_used_by_two_makes_one_admin(database: Database, rows: Any) -> None:
    rows("update agents set is_active = false where role = 'admin'")
    assert database.call("offer_setup", token_hash="a" * 64) == {"offered": True}

    def set_up(name: str) -> str:
        try:
            database.call("set_up", token_hash="a" * 64, name=name, email=f"{name}@example.com", password_hash="x")
        except DatabaseError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(set_up, ("eve", "adam"))) == ["done", "link_unknown"]
    assert rows("select count(*) from agents where role = 'admin' and is_active") == [(1,)]


# Demo accounts


def test_demo_accounts_are_closed_for_good_but_not_once_they_have_a_password_of_their_own(
    cast: Cast, carol: Agent, database: Database, rows: Any
) -> None:
    for name in ("Demo", "Kept"):
        email = f"{name.lower()}@example.com"
        database.call("create_agent", name=name, email=email, password_hash="x", role="admin", is_demo=True)
    database.call("reset_password", email="kept@example.com", password_hash="y")
    assert database.call("close_demo_accounts") == ["demo@example.com"]
    assert database.call("close_demo_accounts") == []
    assert rows("select name, is_active, is_demo from agents where name in ('Demo', 'Kept') order by name") == [
        ("Demo", False, True),
        ("Kept", True, False),
    ]
    [(demo,)] = rows("select id::text from agents where name = 'Demo'")
    assert carol.call("enable_person", person_id=demo)["has_way_in"] is False
    assert rows("select _supportchat.credentials_of('demo@example.com')") == [(None,)]


# The audit log


@pytest.mark.parametrize(
    "statement",
    ["update audit_log set kind = 'x'", "delete from audit_log", "truncate audit_log"],
)
def test_the_audit_log_cannot_be_changed(carol: Agent, alice: Agent, rows: Any, statement: str) -> None:
    carol.call("change_person", person_id=alice.id, role="lead")
    with pytest.raises(psycopg.DatabaseError, match="audit_is_append_only"):
        rows(statement)
    assert audited(rows, "person.role_changed")


def test_no_setting_written_by_hand_empties_the_audit_log(carol: Agent, rows: Any) -> None:
    for name, value in (("audit_days", "0"), ("audit_days", "null"), ("retention_days", "-1")):
        with pytest.raises(psycopg.DatabaseError, match="desk_settings_value_check"):
            rows("insert into desk_settings (name, value) values (%s, %s::jsonb)", name, value)
    rows("alter table desk_settings drop constraint desk_settings_value_check")
    rows("insert into desk_settings (name, value) values ('audit_days', '0'), ('retention_days', '0')")
    with pytest.raises(psycopg.DatabaseError, match="audit_is_append_only"):
        rows("delete from audit_log")


def test_no_entry_of_the_audit_log_is_dated_back(rows: Any) -> None:
    rows("insert into audit_log (kind, created_at) values ('old', '2020-01-01')")
    assert rows("select created_at > now() - interval '1 hour' from audit_log where kind = 'old'") == [(True,)]


def test_what_is_older_than_the_log_is_kept_goes_with_a_login(bob: Agent, database: Database, rows: Any) -> None:
    rows("alter table audit_log disable trigger guard_audit")
    rows("insert into audit_log (kind, created_at) values ('old', now() - interval '2 years 1 day'), ('young', now())")
    rows("alter table audit_log enable trigger guard_audit")
    database.call("open_agent_session", agent_id=bob.id, token_hash="new")
    assert rows("select kind from audit_log where kind in ('old', 'young')") == [("young",)]


def test_logins_and_logouts_are_audited(bob: Agent, database: Database, rows: Any) -> None:
    database.call("open_agent_session", agent_id=bob.id, token_hash="new", address="192.0.2.1")
    for _ in range(2):
        database.call("close_agent_session", token_hash="new")
    said = rows("select kind, agent_id::text, address from audit_log where kind ~ '^log' order by id")
    assert said == [("login.ok", bob.id, "192.0.2.1"), ("logout", bob.id, None)]


def test_refused_logins_are_added_up_for_each_account_and_for_each_address(database: Database, rows: Any) -> None:
    for number in range(25):
        database.call("refuse_login", email="Bob@example.com", address=f"192.0.2.{number}")
        database.call("refuse_login", email=f"nobody{number}@example.com", address="192.0.2.1")
    assert audited(rows, "login.refused") == [{"attempts": 1}] * 2 + [{"attempts": 10}] * 2
    rows("update refused_logins set began_at = now() - interval '61 minutes'")
    database.call("refuse_login", email="bob@example.com", address="192.0.2.1")
    assert audited(rows, "login.refused")[4:] == [{"attempts": 1}]
    assert rows("select count(*) from refused_logins") == [(1,)]
