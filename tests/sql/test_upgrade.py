"""A database that an older version left behind, brought up to date in both ways that people do it."""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from supportchat.database import FUNCTIONS
from supportchat.database.bundle import PASTE
from supportchat.database.migrations import advice, migrate, statements
from supportchat.database.names import look
from supportchat.database.postgres import PostgresDatabase
from supportchat.database.scripts import SCRIPTS, own_names, script_text
from supportchat.status.checks import Checks
from tests.cast import Agent, Cast, new_id
from tests.postgres import COPY
from tests.variants import first

from .conftest import MakeDatabase, superuser_of_project

HERE = Path(__file__).parent
TABLES = ("agents", "user_sessions", "chat_messages", "tickets")
Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]
Upgrades = Callable[[str, str], tuple[Rows, str]]


def read(conninfo: str) -> Rows:
    """Return every row of the four tables by its key, with the values as text."""
    found: Rows = {}
    with psycopg.connect(conninfo) as connection:
        connection.execute("set timezone = 'UTC'")
        for table in TABLES:
            rows = [row for (row,) in connection.execute(f"select to_jsonb(t) from {table} t".encode())]
            found[table] = {str(row.get("legacy_id", row.get("id"))): row for row in rows}
            assert len(found[table]) == len(rows)
    return found


def paste(conninfo: str) -> None:
    """Run everything as it is pasted into an SQL editor: as one text."""
    run_script(conninfo, PASTE)


def run_script(conninfo: str, name: str) -> None:
    """Run one file of `sql/` as one text, on a connection of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(script_text(name).encode())


WAYS: dict[str, Callable[[str], object]] = {"pasted": paste, "migrated": migrate}


@contextlib.contextmanager
def old_database(make: MakeDatabase, name: str) -> Iterator[str]:
    with make() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute((HERE / f"{name}.sql").read_bytes())
        yield conninfo


@pytest.fixture(scope="session")
def plain(cluster: str) -> MakeDatabase:
    """Makes databases without anything of Supabase's, of an ordinary owner; `template` names one to copy."""

    @contextlib.contextmanager
    def make(template: str = "template1") -> Iterator[str]:
        name = f"old_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} owner supportchat {}").format(
                    sql.Identifier(name), sql.Identifier(template), sql.SQL(COPY)
                )
            )
            yield f"{cluster.replace('user=postgres', 'user=supportchat')} dbname={name}"
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    return make


@pytest.fixture(scope="session", params=first(["platform", "plain"]))
def make(request: pytest.FixtureRequest) -> MakeDatabase:
    """Makes databases: with the roles of Supabase, and without."""
    made: MakeDatabase = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def upgrades(make: MakeDatabase) -> Iterator[Upgrades]:
    """A function that gives what an old version held, and the upgraded database, which no test may change."""
    with contextlib.ExitStack() as databases:

        @functools.cache
        def upgraded_once(version: str, way: str) -> tuple[Rows, str]:
            conninfo = databases.enter_context(old_database(make, version))
            before = read(conninfo)
            WAYS[way](conninfo)
            return before, conninfo

        yield upgraded_once


def copy_of(make: MakeDatabase, conninfo: str) -> contextlib.AbstractContextManager[str]:
    """Return what makes a copy of a database that is not in use."""
    return make(conninfo_to_dict(conninfo)["dbname"])


both_versions = pytest.mark.parametrize("version", ["legacy", "legacy_keys"])
both_ways = pytest.mark.parametrize("way", WAYS)
pasted_or_migrated = pytest.mark.parametrize("way", first(WAYS))


def kept(row: Row, column: str) -> list[Any]:
    """Return what a row holds of a column now, and what it remembers of it."""
    remembered = (row["legacy"] or {}).get(column)
    return [row[column], row.get(f"legacy_{column}"), remembered]


def same(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        # A time without a zone was meant in UTC; a date is its midnight.
        return new == old or new == old + "+00:00" or new == old + "T00:00:00+00:00"
    return bool(old == new)


@both_versions
@both_ways
def test_no_row_and_no_value_is_lost(upgrades: Upgrades, version: str, way: str) -> None:
    before, conninfo = upgrades(version, way)
    after = read(conninfo)
    for table in TABLES:
        assert after[table].keys() == before[table].keys()
        for key, row in before[table].items():
            for column, value in row.items():
                if value is not None:
                    assert any(same(value, now) for now in kept(after[table][key], column)), (table, key, column)


@both_versions
def test_both_ways_give_the_same(upgrades: Upgrades, version: str) -> None:
    one, other = (upgrades(version, way)[1] for way in WAYS)
    assert comparable(one) == comparable(other)
    assert applied(one) == applied(other)


def comparable(conninfo: str) -> Rows:
    rows = read(conninfo)
    for table in TABLES:
        for row in rows[table].values():
            row.pop("client_message_id", None)  # made anew in each database
            for column, value in row.items():
                if column.endswith(("_at", "_since")) and value and value > "2026":
                    row[column] = "the time of the upgrade"
    return rows


def applied(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo) as connection:
        return dict(connection.execute("select name, checksum from schema_scripts").fetchall())


@both_versions
@pasted_or_migrated
def test_a_second_run_changes_no_row(make: MakeDatabase, upgrades: Upgrades, version: str, way: str) -> None:
    with copy_of(make, upgrades(version, way)[1]) as conninfo:
        places = physical(conninfo)
        paste(conninfo)
        assert physical(conninfo) == places
        assert migrate(conninfo) == []


def physical(conninfo: str) -> dict[str, list[Any]]:
    """Return every row with the transaction that wrote it: a row that is written again with the same values shows."""
    with psycopg.connect(conninfo) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "select tablename from pg_tables where schemaname = 'public' order by 1"
            ).fetchall()
        ]
        return {
            name: connection.execute(
                sql.SQL("select xmin::text, t::text from {} t order by 2").format(sql.Identifier(name))
            ).fetchall()
            for name in names
        }


@pytest.fixture
def upgraded(make: MakeDatabase, upgrades: Upgrades) -> Iterator[str]:
    """The conninfo of an upgraded database of the first old version."""
    with copy_of(make, upgrades("legacy", "pasted")[1]) as conninfo:
        yield conninfo


@pytest.fixture
def door(upgraded: str) -> Iterator[PostgresDatabase]:
    """A door to it: as `service_role` where there is one."""
    role = " options='-c role=service_role'" if "user=postgres" in upgraded else ""
    made = PostgresDatabase(upgraded + role)
    yield made
    made.close()


@pytest.fixture
def old_rows(upgraded: str) -> Iterator[Any]:
    """A function that runs SQL in it and gives the rows."""
    with psycopg.connect(upgraded, autocommit=True) as connection:
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def test_messages_are_counted_by_time_and_then_by_id(old_rows: Any) -> None:
    lines = old_rows(
        "select seq, sender, message from chat_messages"
        " where session_id = 'c0000000-0000-0000-0000-000000000001' order by seq"
    )
    assert lines == [(1, "user", "First"), (2, "agent", "Hello"), (3, "system", "Thank you"), (4, "user", "And?")]
    gaps = old_rows(
        "select s.session_id from user_sessions s where s.last_seq <> (select count(*) from chat_messages m"
        " where m.session_id = s.session_id) or s.last_seq <> coalesce((select max(seq) from chat_messages m"
        " where m.session_id = s.session_id), 0)"
    )
    assert gaps == []


def test_tickets_are_numbered_by_time_and_the_next_one_goes_on(door: PostgresDatabase, old_rows: Any) -> None:
    numbers = [number for (number,) in old_rows("select number from tickets order by created_at, id")]
    assert numbers == list(range(1001, 1010))
    assert Cast(door).visitor().start()["number"] == 1010


def test_a_state_is_read_from_how_older_versions_spelt_it(old_rows: Any) -> None:
    states = dict(old_rows("select subject, status from tickets"))
    assert states == {
        "Vera": "open",  # in_progress, with an agent
        "Done": "closed",  # resolved
        "Another": "waiting",  # open, with nobody
        "Waits": "closed",  # an older one of the same conversation
        "A third": "closed",
        "Of a ghost": "waiting",  # open for an agent who is not there
        "By id": "waiting",
        "Of a deleted session": "closed",
        "Of no session": "closed",
    }


def test_orphans_are_kept_and_named(door: PostgresDatabase, upgraded: str) -> None:
    found = {(o["table"], o["column"]): (o["refers_to"], o["count"]) for o in door.call("orphan_rows")}
    assert found == {
        ("chat_messages", "session_id"): ("user_sessions", 3),
        ("tickets", "session_id"): ("user_sessions", 2),
        ("tickets", "assigned_agent_id"): ("agents", 1),
    }
    assert [o["table"] for o in door.call("orphan_rows", table="chat_messages")] == ["chat_messages"]
    said = advice(upgraded)
    assert len(said) == 3
    assert "chat_messages: 3 rows refer to missing rows of user_sessions" in said[0]


def test_the_script_shows_the_orphans_as_its_result(upgraded: str) -> None:
    for name in ("fix_foreign_keys.sql", "functions/status.sql", PASTE):
        with psycopg.connect(upgraded, autocommit=True) as connection:
            cursor = connection.execute(script_text(name).encode())
            while cursor.nextset():
                pass
            assert cursor.description is not None
            assert [column.name for column in cursor.description][:2] == ["table", "column"]
            assert len(cursor.fetchall()) == 3


def test_a_key_binds_every_row_once_the_orphans_are_gone(upgraded: str, old_rows: Any) -> None:
    unchecked = "select count(*) from pg_constraint where contype = 'f' and not convalidated"
    assert old_rows(unchecked) == [(3,)]
    with psycopg.connect(upgraded, autocommit=True) as connection:
        connection.execute(
            "delete from chat_messages where not exists"
            " (select from user_sessions s where s.session_id = chat_messages.session_id)"
        )
    paste(upgraded)
    assert old_rows(unchecked) == [(2,)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("chat_messages", "3 rows refer to missing rows of user_sessions"),
        ("tickets", "1 row refers to a missing row of agents"),
    ],
)
def test_status_warns_of_orphans_and_says_what_to_do(door: PostgresDatabase, table: str, said: str) -> None:
    checks = Checks(door, None, None)  # type: ignore[arg-type]
    found = checks._table(table)
    assert (found.state, found.script) == ("warn", "fix_foreign_keys.sql")
    assert said in found.text
    assert "Delete them" in found.fix
    assert checks._table("user_sessions")[0] == "ok"


def test_an_upgraded_conversation_goes_on(door: PostgresDatabase, old_rows: Any) -> None:
    door.call("create_agent", name="Ann Kern", email="ann@example.com", password_hash="x", role="admin")
    ann = joined(door)
    vera = "c0000000-0000-0000-0000-000000000001"
    assert ann.call("list_tickets", view="mine")["counts"] == {"mine": 1, "unassigned": 3, "all": 4, "snoozed": 0}
    [unread] = ann.call("list_tickets", view="mine")["unread"]
    assert (unread["number"], unread["customer_lines"], unread["read_lines"]) == (1001, 2, 0)
    ticket = ann.call("ticket_of_agent", number=1001)
    assert (ticket["session_id"], ticket["mine"], ticket["customer"]["name"]) == (vera, True, "Vera")
    ann.reply(1001, "Sorry for the wait")
    ann.call("add_note", number=1001, client_message_id=new_id(), note="Came with the upgrade")
    lines = door.call("messages_after", session_id=vera, after=0)
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["agent"]["name"] for line in lines if line["sender"] == "agent"] == ["Support", "Ann Kern"]
    assert ann.call("close_ticket", number=1001)["ticket"]["status"] == "closed"
    assert ann.call("reopen_ticket", number=1001)["mine"]
    # The customer comes back, with a browser that is known by now.
    cast = Cast(door)
    visitor = cast.visitor()
    visitor.start("Another chat")
    old_rows(
        "update user_sessions set visitor_id = case session_id"
        f" when '{vera}' then (select visitor_id from visitors) end returning 1"
    )
    assert visitor.post("I am back")["messages"][0]["seq"] > 5
    assert door.call("close_chat", visitor=visitor.key)["conversation"]["status"] == "closed"


def joined(door: PostgresDatabase) -> Agent:
    """Return the agent of the old version who has a password now, with the desk open."""
    return Agent(door, "ann").come()


def test_what_is_left_over_breaks_no_function(door: PostgresDatabase, old_rows: Any) -> None:
    door.call("create_agent", name="Ann Kern", email="ann@example.com", password_hash="x")
    ann = joined(door)
    for view in ("mine", "unassigned", "all"):
        queue = ann.call("list_tickets", view=view)
        assert all(row is not None for row in queue["rows"] + queue["closed"])
    for number, session_id in old_rows(
        "select t.number, s.session_id::text from tickets t left join user_sessions s using (session_id)"
    ):
        if session_id is None:
            with pytest.raises(Exception, match="ticket_not_found"):
                ann.call("ticket_of_agent", number=number)
        else:
            assert ann.call("ticket_of_agent", number=number)["session_id"] == session_id
    assert door.call("sweep_assignment")["assigned"] == 3
    assert door.call("stuck_tickets") == []
    for function in ("desk_figures", "verify_chat", "who_is_here", "list_agents"):
        assert door.call(function)
    for table in TABLES:
        found = door.call("check_table", table=table)
        assert (found["missing_columns"], found["missing_keys"], found["row_security"]) == ([], [], True)
    everything = [session_id for (session_id,) in old_rows("select session_id::text from user_sessions")]
    assert len(door.call("conversations", session_ids=everything)) == 5
    for session_id in everything:
        door.call("messages_before", session_id=session_id)
    for (number,) in old_rows("select number from tickets join user_sessions using (session_id)"):
        ann.call("record_receipt", number=number, delivered=9, read=9)


def test_an_old_agent_gets_a_password_by_being_made_again(door: PostgresDatabase) -> None:
    made = door.call("create_agent", name="Ann Kern", email="Ann@Example.com", password_hash="x", role="admin")
    assert made["id"] == "a0000000-0000-0000-0000-000000000001"
    with pytest.raises(Exception, match="email_taken"):
        door.call("create_agent", name="Eve", email="ann@example.com", password_hash="y")


def test_a_policy_that_goes_is_named(plain: MakeDatabase) -> None:
    said: list[str] = []
    with old_database(plain, "legacy") as conninfo:
        migrate(conninfo, said.append)
    assert [text for text in said if '"anyone may read" is dropped' in text]


def test_the_old_policies_checks_and_triggers_do_not_stand_in_the_way(old_rows: Any) -> None:
    assert old_rows("select distinct policyname from pg_policies where schemaname = 'public'") == [("server_only",)]
    states = dict(
        old_rows(
            "select c.relname || '.' || tgname, tgenabled::text from pg_trigger join pg_class c on c.oid = tgrelid"
            " where not tgisinternal and c.relnamespace = 'public'::regnamespace"
        )
    )
    ours = ["tickets.guard_ticket", "agents.end_sessions", "agent_sessions.log_end_of_session"]
    ours += ["user_sessions.log_end_of_conversation", "tickets.log_version", "agent_credentials.end_demo"]
    ours += ["audit_log.guard_audit", "audit_log.guard_audit_as_a_whole", "agents.end_alerts_of_agent"]
    ours += ["user_sessions.check_user_sessions", "user_sessions.check_channel", "chat_messages.check_chat_messages"]
    assert states == {"user_sessions.touch": "D", "tickets.touch": "O", **dict.fromkeys(ours, "O")}


def test_numbers_and_texts_as_keys_lead_to_the_same_conversations(make: MakeDatabase, upgrades: Upgrades) -> None:
    with copy_of(make, upgrades("legacy_keys", "migrated")[1]) as conninfo:
        with psycopg.connect(conninfo) as connection:
            lines = connection.execute(
                "select t.title, a.name, s.customer_name, string_agg(m.message, ',' order by m.seq) from tickets t"
                " left join agents a on a.id = t.assigned_agent_id join user_sessions s using (session_id)"
                " join chat_messages m using (session_id) group by t.number, 1, 2, 3 order by t.number"
            ).fetchall()
            assert lines == [
                ("Vera", "Ann", "Vera", "First,Second,Third"),
                ("Victor", "Ben", "Victor", "Hello"),
                ("", None, None, "May I help?"),
            ]
            # Two of one moment are counted by their old id.
            assert connection.execute("select legacy_id from tickets order by number").fetchall() == [
                (10,),
                (11,),
                (12,),
            ]
            assert connection.execute("select status from tickets order by number").fetchall() == [
                ("open",),
                ("closed",),
                ("waiting",),
            ]
        role = " options='-c role=service_role'" if "user=postgres" in conninfo else ""
        door = PostgresDatabase(conninfo + role)
        door.call("create_agent", name="Ann", email="ann@example.com", password_hash="x")
        ann = joined(door)
        ann.reply(1001)
        chat = Cast(door).visitor().start("New here", customer_name="Nora")
        assert chat["number"] == 1004
        door.close()


def old_desk(*, before: str = "", after: str = "", **changed: tuple[str, str]) -> str:
    """Return a small desk of an older version; `changed` names a table, and what in it is replaced by what.

    Every row has a label by which it can be told whatever becomes of its keys.
    """
    uuid_key = "id uuid primary key default gen_random_uuid()"
    common = "label text, created_at timestamptz default now()"
    session = "session_id uuid references user_sessions (session_id)"
    columns = {
        "agents": f"{uuid_key}, name text, email text, {common}",
        "user_sessions": f"session_id uuid primary key default gen_random_uuid(), customer_name text, {common}",
        "chat_messages": f"{uuid_key}, {session}, sender text not null, message text, {common}",
        "tickets": f"{uuid_key}, {session}, status text default 'open', {common}",
    }
    tables = []
    for table, text in columns.items():
        part, instead = changed.get(table, ("", ""))
        assert part in text
        tables.append(f"create table {table} ({text.replace(part, instead) if part else text});")
    chat = "'c0000000-0000-0000-0000-000000000001'"
    rows = (
        f"insert into user_sessions (session_id, customer_name, label) values ({chat}, '', 's1');"
        f"insert into chat_messages (session_id, sender, message, label) values ({chat}, 'customer', 'Hi', 'm1'),"
        f" ({chat}, 'bot', 'Ho', 'm2'); insert into tickets (session_id, label) values ({chat}, 't1'), (null, 't2');"
    )
    return " ".join([before, *tables, rows, after])


@contextlib.contextmanager
def made(make: MakeDatabase, statements: str, by: Callable[[str], str] = str) -> Iterator[str]:
    """Yield the conninfo of a database in which those were run, by the role that `by` makes of the owner's."""
    with make() as conninfo:
        with psycopg.connect(by(conninfo), autocommit=True) as connection:
            connection.execute(statements.encode())
        yield conninfo


@contextlib.contextmanager
def opened(conninfo: str) -> Iterator[PostgresDatabase]:
    role = " options='-c role=service_role'" if "user=postgres" in conninfo else ""
    door = PostgresDatabase(conninfo + role)
    yield door
    door.close()


def labelled(conninfo: str) -> Rows:
    with psycopg.connect(conninfo) as connection:
        connection.execute("set timezone = 'UTC'")
        return {
            table: {row["label"]: row for (row,) in connection.execute(f"select to_jsonb(t) from {table} t".encode())}
            for table in TABLES
        }


TOUCH = """
create function count_messages() returns trigger language plpgsql as $$
begin
    update user_sessions set label = 'touched' where session_id = new.session_id;
    return new;
end $$;
create trigger count_messages after insert on chat_messages for each row execute function count_messages();
"""


def test_an_old_trigger_that_names_no_schema_still_finds_its_tables(make: MakeDatabase) -> None:
    with made(make, old_desk() + TOUCH) as conninfo:
        migrate(conninfo)
        with opened(conninfo) as door:
            session_id = Cast(door).visitor().start("Hello")["session_id"]
        with psycopg.connect(conninfo) as connection:
            label = connection.execute("select label from user_sessions where session_id = %s", [session_id])
            assert label.fetchone() == ("touched",)


def test_a_trigger_of_somebody_else_is_reported(platform: MakeDatabase) -> None:
    said: list[str] = []
    with made(platform, old_desk()) as conninfo:
        with psycopg.connect(superuser_of_project(conninfo)) as superuser:
            superuser.execute(TOUCH.encode())
        migrate(conninfo, said.append)
        assert ["count_messages" in text and "search_path" in text for text in said] == [True]


def test_a_view_that_shows_a_browser_what_its_table_hides_is_left_alone_and_named(platform: MakeDatabase) -> None:
    views = (
        "create view told as select message from chat_messages; create view retold as select * from told;"
        " create materialized view counted as select count(*) from tickets; create view other as select 1 as one;"
        " grant all on told, retold, counted, other to public, anon, authenticated"
    )
    readable = (
        "select relname from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"
        " and (has_table_privilege('anon', oid, 'select, insert, update, delete')"
        " or has_table_privilege('authenticated', oid, 'select, insert, update, delete'))"
    )
    said: list[str] = []
    with made(platform, old_desk(after=views)) as conninfo, psycopg.connect(conninfo, autocommit=True) as owner:
        migrate(conninfo, said.append)
        assert len(owner.execute(readable).fetchall()) == 4
        for text in said:
            owner.execute(text.partition("to close it: ")[2].rstrip(".").encode())
        assert owner.execute(readable).fetchall() == [("other",)]


def test_the_work_grows_with_the_rows_and_not_with_their_square(plain: MakeDatabase) -> None:
    many = (
        "insert into user_sessions (session_id, created_at)"
        " select md5(i::text)::uuid, null from generate_series(1, 300) i;"
        "insert into chat_messages (session_id, sender, message)"
        " select md5(i::text)::uuid, case when j % 2 = 0 then 'agent' else 'customer' end, 'x'"
        " from generate_series(1, 300) i, generate_series(1, 9) j;"
        "insert into tickets (session_id, status) select md5(i::text)::uuid, 'open' from generate_series(1, 300) i"
    )
    with made(plain, old_desk(after=many)) as conninfo, psycopg.connect(conninfo) as connection:
        connection.execute(look(own_names()).encode())
        connection.execute(statements("supabase_schema.sql").encode())
        counts = connection.execute("select relname, seq_tup_read from pg_stat_xact_user_tables").fetchall()
        read_of: dict[str, int] = dict(counts)
        assert 2_700 < read_of["chat_messages"] < 60 * 2_700
        assert 300 < read_of["tickets"] < 150 * 300


@pytest.mark.parametrize(
    "key",
    [
        "id uuid primary key references auth.users (id) on delete cascade",
        "user_id uuid primary key references auth.users (id)",
    ],
)
def test_agents_who_were_users_elsewhere_are_adopted_only_when_that_is_said(platform: MakeDatabase, key: str) -> None:
    changed = old_desk(agents=("id uuid primary key default gen_random_uuid()", key))
    said: list[str] = []
    with made(platform, "grant references on auth.users to postgres", superuser_of_project) as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(changed.encode())
            connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
            with pytest.raises(psycopg.Error, match=r"set supportchat\.adopt = 'yes';"):
                connection.execute(script_text("supabase_schema.sql").encode())
            connection.execute("rollback")
            connection.execute(f"set supportchat.adopt = 'yes';\n{script_text('supabase_schema.sql')}".encode())
            # The next paste may use the same connection.
            assert connection.execute("show supportchat.adopt").fetchone() == ("",)
        migrate(conninfo)
        with opened(conninfo) as door:
            assert door.call("create_agent", name="Ann", email="ann@example.com", password_hash="x")["name"] == "Ann"
    assert [text for text in said if "auth.users" in text]


BEFORE_THE_LOG = """
drop table events cascade;
create table ticket_events (
    id bigint generated always as identity primary key, ticket_id uuid not null references tickets on delete cascade,
    actor text not null, agent_id uuid references agents on delete set null, event text not null,
    detail jsonb not null default '{}', created_at timestamptz not null default clock_timestamp()
);
alter table ticket_events enable row level security;
create policy server_only on ticket_events as restrictive using (false) with check (false);
insert into ticket_events (ticket_id, actor, agent_id, event, detail)
select
    t.id, 'agent', a.id, event,
    jsonb_build_object('agent', jsonb_build_object('id', a.id, 'name', a.name), 'reason', 'claimed')
from tickets t, agents a, unnest(array['opened', 'assigned']) as event where a.name = 'Alice Kern';
alter table server_processes add column sessions uuid[] not null default '{}';
delete from schema_scripts;
"""


def test_the_history_of_tickets_moves_into_the_log(cast: Cast, alice: Agent, database_url: str, rows: Any) -> None:
    cast.visitor().start()
    rows(BEFORE_THE_LOG)
    migrate(database_url)
    history = alice.call("ticket_of_agent", number=1001)["history"]
    assert [(event["event"], event["agent"]["name"]) for event in history] == [
        ("opened", "Alice Kern"),
        ("assigned", "Alice Kern"),
    ]
    assert history[1]["detail"] == {"agent": {"id": alice.id, "name": "Alice Kern"}, "reason": "claimed"}
    assert rows("select distinct transaction::text, detail ->> 'agent' from events") == [("0", alice.id)]
    alice.call("close_ticket", number=1001)
    assert rows("select to_regclass('public.ticket_events')") == [(None,)]
    assert rows("select kind from events order by id desc limit 1") == [("ticket.closed",)]


TO_PUBLIC = """
do $$
declare
    own record;
begin
    for own in
        select t.tgname, t.tgrelid::regclass as tgtable from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where p.pronamespace = '_supportchat'::regnamespace
    loop
        execute format('drop trigger %I on %s', own.tgname, own.tgtable);
    end loop;
end $$;
do $$
declare
    helper regprocedure;
begin
    perform set_config('search_path', '', true);
    for helper in
        select p.oid from pg_proc p where p.pronamespace = '_supportchat'::regnamespace and strpos(
            pg_get_functiondef('_supportchat.drop_former_helpers()'::regprocedure),
            format(' %s(%s)', p.proname, oidvectortypes(p.proargtypes))
        ) > 0
    loop
        execute format('alter function %s set schema public', helper);
    end loop;
    alter function _supportchat.record_script(text, text) set schema public;
    drop schema _supportchat cascade;
end $$;
create trigger guard_ticket before update on public.tickets for each row execute function public.guard_ticket();
create function public.lock_ticket(p_number bigint) returns int language sql set search_path = '' as 'select 1';
create function public.add_image(id uuid, image jsonb) returns int language sql set search_path = '' as 'select 1';
update public.schema_scripts set checksum = 'older' where checksum <> '';
"""


@pasted_or_migrated
def test_helpers_of_an_earlier_version_leave_the_schema_public_and_an_apps_own_stay(
    plain: MakeDatabase, way: str
) -> None:
    called = "select proname from pg_proc where pronamespace = 'public'::regnamespace"
    with made(plain, "") as conninfo, psycopg.connect(conninfo, autocommit=True) as owner:
        migrate(conninfo)
        owner.execute("drop function _supportchat.add_image(uuid, jsonb)")
        owner.execute(TO_PUBLIC.encode())
        assert len(owner.execute(called.encode()).fetchall()) > len(FUNCTIONS) + 30
        WAYS[way](conninfo)
        assert {name for (name,) in owner.execute(called.encode())} == FUNCTIONS | {"lock_ticket", "add_image"}
        with opened(conninfo) as door:
            assert Cast(door).visitor().start("Hello")["last_seq"] > 0


NO_KEY = ("id uuid primary key default gen_random_uuid()", "id uuid default gen_random_uuid()")
DEFERRED = (
    "references user_sessions (session_id)",
    "references user_sessions (session_id) deferrable initially deferred",
)
SHAPES = {
    "a counter beside the key": old_desk(tickets=("label", "counter bigint generated always as identity, label")),
    "a number that counts itself": old_desk(tickets=("label", "number bigint generated always as identity, label")),
    "a seq that counts itself": old_desk(chat_messages=("label", "seq integer generated always as identity, label")),
    "keys that are checked late": old_desk(chat_messages=DEFERRED, tickets=DEFERRED),
    "a published table without a key": old_desk(
        chat_messages=NO_KEY, tickets=NO_KEY, after="create publication changes for table chat_messages, tickets"
    ),
    "messages without an id": old_desk(chat_messages=(NO_KEY[0], "id uuid")),
    "two messages of one number": old_desk(
        chat_messages=(NO_KEY[0], "id integer"), after="update chat_messages set id = 1"
    ),
    "a counter of messages that lags behind": old_desk(
        chat_messages=(NO_KEY[0], "id serial"), after="update chat_messages set id = 3"
    ),
    "two messages of one id, published": old_desk(
        chat_messages=(NO_KEY[0], "id uuid"),
        after="update chat_messages set id = 'd0000000-0000-0000-0000-000000000001';"
        " create publication changes for table chat_messages",
    ),
    "two tickets of one id": old_desk(tickets=(NO_KEY[0], "id text default 'one'")),
    "tickets without an id": old_desk(tickets=(NO_KEY[0], "id text")),
    "agents of one id": old_desk(
        agents=(NO_KEY[0], "id integer"),
        after="insert into agents (id, email, label) values (1, 'a@example.com', 'a1'), (1, 'b@example.com', 'a2')",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pasted_or_migrated
def test_an_odd_shape_loses_nothing_and_goes_on(platform: MakeDatabase, shape: str, way: str) -> None:
    with made(platform, SHAPES[shape]) as conninfo:
        before = labelled(conninfo)
        WAYS[way](conninfo)
        after = labelled(conninfo)
        for table in TABLES:
            assert after[table].keys() == before[table].keys()
            for label, row in before[table].items():
                for column, value in row.items():
                    if value is not None:
                        now = kept(after[table][label], column)
                        assert any(same(value, one) or one == str(value) for one in now), (table, label, column)
        with opened(conninfo) as door:
            door.call("create_agent", name="Ann", email="ann@example.com", password_hash="x")
            ann = joined(door)
            ann.reply(Cast(door).visitor().start("Hello")["number"])


@pytest.mark.parametrize("shape", first(SHAPES))
def test_a_second_run_changes_no_row_of_an_odd_shape(platform: MakeDatabase, shape: str) -> None:
    with made(platform, SHAPES[shape]) as conninfo:
        paste(conninfo)
        places = physical(conninfo)
        paste(conninfo)
        assert physical(conninfo) == places


@pytest.mark.parametrize("unit", first([1000, 1]))
def test_a_time_that_was_kept_as_a_number_still_gives_the_order(make: MakeDatabase, unit: int) -> None:
    numbers = old_desk(
        chat_messages=("created_at timestamptz default now()", "created_at bigint not null default 1700000000"),
        after="update chat_messages set created_at ="
        f" (1700000000 + case label when 'm1' then 60 else 0 end) * {unit}::bigint",
    )
    with made(make, numbers) as conninfo:
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            connection.execute("set timezone = 'UTC'")
            found = connection.execute(
                "select label, created_at::text, legacy_created_at from chat_messages order by seq"
            ).fetchall()
    assert found == [
        ("m2", "2023-11-14 22:13:20+00", 1700000000 * unit),
        ("m1", "2023-11-14 22:14:20+00", 1700000060 * unit),
    ]


@pasted_or_migrated
def test_a_ticket_that_had_a_number_knows_when_it_was_closed_and_who_waits(make: MakeDatabase, way: str) -> None:
    numbered = old_desk(
        tickets=("label", "number bigint, label"),
        after="update tickets set number = 7, status = 'closed', created_at = '2024-02-01Z' where label = 't2';"
        " insert into user_sessions (session_id) values ('c0000000-0000-0000-0000-000000000002');"
        " insert into chat_messages (session_id, sender, message, label, created_at) values"
        " ('c0000000-0000-0000-0000-000000000002', 'agent', 'Yes?', 'm3', '2024-02-01 10:00Z'),"
        " ('c0000000-0000-0000-0000-000000000002', 'customer', 'Hello?', 'm4', '2024-02-01 11:00Z');"
        " insert into tickets (session_id, number, label) values ('c0000000-0000-0000-0000-000000000002', 8, 't3')",
    )
    with made(make, numbered) as conninfo:
        WAYS[way](conninfo)
        tickets = labelled(conninfo)["tickets"]
    assert tickets["t2"]["closed_at"] == "2024-02-01T00:00:00+00:00"
    assert (tickets["t3"]["number"], tickets["t3"]["awaiting_since"]) == (8, "2024-02-01T11:00:00+00:00")


SHARED = """
create table invoices (id int, label text);
create function stamped() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger stamped before update on invoices for each row execute function stamped();
create trigger stamped before update on tickets for each row execute function stamped();
create schema crm;
create function crm.follow() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger follow after insert on chat_messages for each row execute function crm.follow();
"""


def test_a_trigger_function_that_serves_others_too_is_left_as_it_is(make: MakeDatabase) -> None:
    said: list[str] = []
    with made(make, old_desk(after=SHARED)) as conninfo:
        migrate(conninfo, said.append)
        with psycopg.connect(conninfo) as connection:
            settings = connection.execute(
                "select proconfig from pg_proc where proname in ('stamped', 'follow')"
            ).fetchall()
    assert settings == [(None,), (None,)]
    assert sorted(name for name in ("stamped()", "crm.follow()") if any(name in text for text in said)) == [
        "crm.follow()",
        "stamped()",
    ]


def test_who_is_in_an_adopted_table_cannot_be_given_tickets(make: MakeDatabase) -> None:
    ann = "a0000000-0000-0000-0000-000000000001"
    strange = old_desk(
        tickets=("label", "assigned_agent_id uuid, label"),
        after="create schema crm; create table crm.cases (id integer primary key);"
        " alter table tickets add case_id integer references crm.cases;"
        f" insert into agents (id, name, email) values ('{ann}', 'Ann', 'ann@example.com'),"
        " (gen_random_uuid(), 'Model 4', 'model@example.com');"
        f" update tickets set assigned_agent_id = '{ann}' where label = 't1'",
    )
    with made(make, strange) as conninfo:
        with pytest.raises(psycopg.Error, match="table agents"):
            migrate(conninfo)
        migrate(conninfo, adopt=True)
        with opened(conninfo) as door:
            assert [agent["name"] for agent in door.call("list_agents")] == ["Ann"]
            door.call("create_agent", name="Mo", email="model@example.com", password_hash="x")
            assert [agent["name"] for agent in door.call("list_agents")] == ["Ann", "Mo"]


@pytest.mark.parametrize("kind", first(["stored", "virtual"]))
def test_columns_that_others_gave_their_value_keep_it_and_are_written_from_now_on(
    make: MakeDatabase, kind: str
) -> None:
    generated = old_desk(
        agents=("name text,", f"name text generated always as (upper(email)) {kind},"),
        tickets=("status text default 'open',", f"status varchar(9) generated always as ('clo' || 'sed') {kind},"),
        after="insert into agents (email) values ('ann@example.com')",
    )
    with contextlib.ExitStack() as stack:
        try:
            conninfo = stack.enter_context(made(make, generated))
        except psycopg.errors.SyntaxError:
            pytest.skip("this Postgres has no virtual columns")
        migrate(conninfo)
        paste(conninfo)
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("select name from agents").fetchall() == [("ANN@EXAMPLE.COM",)]
            assert connection.execute("select distinct status from tickets").fetchall() == [("closed",)]
        with opened(conninfo) as door:
            door.call("create_agent", name="Zoe Lane", email="zoe@example.com", password_hash="x")
            assert Cast(door).visitor().start("Hello")["last_seq"] > 0


def test_an_exclusion_demands_nothing_of_a_new_row(make: MakeDatabase) -> None:
    exclusive = old_desk(after="alter table tickets add exclude using btree (session_id with =)")
    with made(make, exclusive) as conninfo:
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("select from pg_constraint where contype = 'x'").fetchall() == []


@pasted_or_migrated
def test_an_update_of_a_desk_at_work_does_not_wait_for_it_in_a_circle(plain: MakeDatabase, way: str) -> None:
    with (
        made(plain, old_desk()) as conninfo,
        # Who waits for longer than that is the one that Postgres ends.
        psycopg.connect(
            conninfo.replace("user=supportchat", "user=postgres"), options="-c deadlock_timeout=1min"
        ) as busy,
        psycopg.connect(conninfo, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        busy.execute("lock table chat_messages in row exclusive mode")
        update = pool.submit(WAYS[way], conninfo)
        while watcher.execute("select from pg_locks where not granted and relation is not null").fetchone() is None:
            time.sleep(0.01)
        busy.execute("lock table agents in row exclusive mode")
        busy.commit()
        update.result(20)
        assert applied(conninfo).keys() == set(SCRIPTS)


def test_what_was_counted_in_messages_before_is_counted_in_the_conversation(
    database: Any, rows: Any, place: Any
) -> None:
    cast = Cast(database)
    alice = cast.agent("alice").come()
    vera = cast.visitor()
    number = vera.start("One")["number"]
    for text in ("Two", "Three"):
        vera.post(text)
    alice.call("record_receipt", number=number, delivered=3, read=3)
    before = rows(
        "select customer_lines, last_spoken_seq, read_lines from user_sessions join ticket_reads using (session_id)"
    )
    assert before == [(3, 4, 2)]
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("alter table user_sessions drop column customer_lines, drop column last_spoken_seq")
        connection.execute("alter table ticket_reads drop column read_lines")
        connection.execute("create index tickets_updated_at_idx on tickets (updated_at desc)")
        connection.execute("update schema_scripts set checksum = 'before'")
    migrate(place.conninfo)
    after = rows(
        "select customer_lines, last_spoken_seq, read_lines from user_sessions join ticket_reads using (session_id)"
    )
    assert after == before
    assert rows("select to_regclass('tickets_updated_at_idx')") == [(None,)]
