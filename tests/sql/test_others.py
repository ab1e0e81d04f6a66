"""Nobody's tables are taken: an app that has some of our names comes out unchanged, and the desk says what it found."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supportchat.app import create_app
from supportchat.config import ROOT, Config, ConfigError
from supportchat.database import Database, migrations
from supportchat.database.bundle import PASTE
from supportchat.database.migrations import migrate, names_taken, statements
from supportchat.database.names import look
from supportchat.database.scripts import BASE, REMOVAL, SCRIPTS, own_names, script_text
from supportchat.server import embedded
from supportchat.server.run import Server
from supportchat.status.checks import Checks
from supportchat.supabase.client import open_project
from supportchat.supabase.database import SupabaseDatabase
from tests.cast import Cast

from .conftest import MakeDatabase, superuser_of_project
from .test_upgrade import made, make, old_desk, opened, paste, plain, run_script

__all__ = ["make", "plain"]

APPS = Path(__file__).parent / "apps"
TAKEN = {
    "seats": "table agents, table tickets, table visitors",
    "crm": "view agents, table events, materialized view heartbeat, sequence ticket_numbers, index"
    " tickets_number_key, type visitors, function list_agents()",
    "ai_agents": "table agents, table chat_messages, table server_processes, table tickets, table user_sessions, type"
    " ticket_reads, function messages_after(uuid, integer, integer)",
    "ticket_shop": "table chat_images, table schema_scripts, table ticket_transitions, table tickets, table visitors,"
    " function sweep_assignment(), function verify_chat()",
}
# What a plain Postgres lacks of what the apps were written for.
PLAIN = """
create schema auth; create table auth.users (id uuid primary key, email text);
create function auth.uid() returns uuid language sql return null::uuid;
create publication supabase_realtime;
"""
# What stands under one of our names, and how it is called.
STRANGE = {
    "a view": ("create view visitors as select 1 as one", "view visitors"),
    "a materialized view": ("create materialized view ticket_reads as select 1 as a", "materialized view ticket_reads"),
    "a partitioned table": ("create table agents (id int) partition by range (id)", "table agents"),
    "a foreign table": (
        "create foreign data wrapper away; create server away foreign data wrapper away;"
        " create foreign table agents (id int) server away",
        "foreign table agents",
    ),
    "a composite type": ("create type agents as (name text)", "type agents"),
    "an enum": ("create type heartbeat as enum ('slow')", "type heartbeat"),
    "a sequence": ("create sequence ticket_numbers", "sequence ticket_numbers"),
    "a sequence under the name of a table": ("create sequence visitors", "sequence visitors"),
    "an index": ("create table mine (a int); create index tickets_number_key on mine (a)", "index tickets_number_key"),
    "a function": (
        "create function close_chat(who text) returns int language sql as 'select 1'",
        "function close_chat(text)",
    ),
    "conversations of another schema's users": (
        old_desk(
            after="create schema auth; create table auth.users (id int primary key);"
            " alter table user_sessions add user_id int references auth.users"
        ),
        "table agents, table chat_messages, table tickets, table user_sessions",
    ),
    "a table beside an older desk": (old_desk(after="create table visitors (name text)"), "table visitors"),
    "a function beside an older desk": (
        old_desk(
            after="create function who_is_here(text, text) returns text language sql set search_path = ''"
            " return current_user"
        ),
        "function who_is_here(text, text)",
    ),
    "a trigger of our name on an older desk": (
        old_desk(
            after="create function f() returns trigger language plpgsql as 'begin return new; end';"
            " create trigger guard_ticket before update on tickets for each row execute function f()"
        ),
        "trigger guard_ticket",
    ),
    "a schema of our name": ("create schema _supportchat", "schema _supportchat"),
    "a schema of our name beside an older desk": (
        old_desk(after="create schema _supportchat; create table _supportchat.rooms (id int)"),
        "schema _supportchat",
    ),
    "agents and tickets alone": (
        "create table agents (session_id uuid); create table tickets (session_id uuid)",
        "table agents, table tickets",
    ),
    "messages without conversations": (
        "create table chat_messages (session_id uuid); create table tickets (session_id uuid)",
        "table chat_messages, table tickets",
    ),
    "tables with a policy of our name": (
        "create table schema_scripts (version int);"
        " create table agents (id int, status text); create table tickets (id int, session_id uuid);"
        + "".join(
            f" alter table {name} enable row level security;"
            f" create policy server_only on {name} as restrictive using (false) with check (false);"
            for name in ("schema_scripts", "agents", "tickets")
        ),
        "table agents, table schema_scripts, table tickets",
    ),
    "a table of versions": ("create table schema_scripts (version int)", "table schema_scripts"),
}

apps = pytest.mark.parametrize("app", TAKEN)


@contextlib.contextmanager
def app_database(make: MakeDatabase, name: str) -> Iterator[str]:
    """Yield the conninfo of a database that an app has to itself."""
    text = (APPS / f"{name}.sql").read_text()
    with make() as conninfo:
        if is_plain(conninfo):
            text = PLAIN + re.sub(r"\bto (anon, authenticated|authenticated|anon)\b", "to public", text)
        else:
            with psycopg.connect(superuser_of(conninfo), autocommit=True) as connection:
                connection.execute("alter publication supabase_realtime owner to postgres")
                connection.execute("grant references, insert on auth.users to postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(text.encode())
        yield conninfo


def is_plain(conninfo: str) -> bool:
    return "user=supportchat" in conninfo


def superuser_of(conninfo: str) -> str:
    return (
        conninfo.replace("user=supportchat", "user=postgres") if is_plain(conninfo) else superuser_of_project(conninfo)
    )


def dump(conninfo: str, *options: str) -> str:
    """Return what pg_dump writes of the apps' schemas, without the word that it makes up anew each time."""
    command = [
        str(embedded._binary("pg_dump")),
        "--schema=public",
        "--schema=_supportchat",
        "--schema=crm",
        "--schema=auth",
        *options,
    ]
    done = subprocess.run([*command, "--dbname", superuser_of(conninfo)], capture_output=True, text=True, check=True)
    with psycopg.connect(superuser_of(conninfo)) as connection:
        published = connection.execute("select * from pg_publication_tables order by 1, 2, 3").fetchall()
    return re.sub(r"^\\(un)?restrict .*\n", "", done.stdout, flags=re.MULTILINE) + f"-- {published}\n"


@apps
def test_no_script_changes_a_byte_of_an_app_and_each_says_what_it_found(make: MakeDatabase, app: str) -> None:
    with app_database(make, app) as conninfo:
        before = dump(conninfo)
        said = set()
        for name in SCRIPTS[1:]:
            with pytest.raises(psycopg.Error, match=r"not set up here\. Run sql/supabase_schema\.sql first"):
                run_script(conninfo, name)
        for name in (BASE, PASTE, REMOVAL):
            with pytest.raises(psycopg.Error) as refused:
                run_script(conninfo, name)
            said.add(refused.value.diag.message_primary or "")
        with pytest.raises(psycopg.Error) as refused:
            migrate(conninfo)
        said.add(migrations.describe_failure(refused.value))
        assert dump(conninfo) == before
    [sentence] = said
    assert sentence.partition(" needs: ")[2].partition(". Use another project")[0] == TAKEN[app]
    assert "set supportchat.adopt = 'yes';" in sentence
    assert "bin/migrate --adopt" in sentence


@apps
def test_psql_which_goes_on_after_an_error_leaves_nothing_behind_either(plain: MakeDatabase, app: str) -> None:
    with app_database(plain, app) as conninfo:
        before = dump(conninfo)
        said = psql(conninfo, *SCRIPTS, PASTE)
        assert said.count("Nothing was changed, because") == len(SCRIPTS) + 1
        assert dump(conninfo) == before


def psql(conninfo: str, *scripts: str) -> str:
    """Run scripts as somebody does who knows no option, and give what went wrong."""
    files = [argument for name in scripts for argument in ("-f", str(ROOT / "sql" / name))]
    command = [str(embedded._binary("psql")), "--no-psqlrc", "--quiet", "--output=/dev/null", "--dbname", conninfo]
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("scripts", [SCRIPTS, [PASTE]], ids=["each", "one paste"])
def test_psql_sets_up_a_new_database_and_has_nothing_to_say(plain: MakeDatabase, scripts: Sequence[str]) -> None:
    with plain() as conninfo:
        said = [line for line in psql(conninfo, *scripts).splitlines() if "NOTICE" not in line]
        assert said == []
        assert migrate(conninfo) == []


@apps
def test_what_starts_the_desk_says_it_in_one_message(
    make: MakeDatabase, app: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with app_database(make, app) as conninfo:
        config = Config(database_url=conninfo, data_dir=tmp_path)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            sentence = names_taken(connection)
        monkeypatch.setattr(Config, "from_environment", lambda: config)
        monkeypatch.setattr("sys.argv", ["migrate"])
        assert migrations.main() == 1
        assert capsys.readouterr().err == f"supportchat: {sentence}\n"
        with pytest.raises(ConfigError, match=re.escape(sentence)):
            Server(config)._prepare_database()
        desk = create_app(config)
        with desk.app_context():
            doctor = desk.test_cli_runner().invoke(args=["doctor"])
        desk.extensions["database"].close()
        assert doctor.exit_code == 1
        assert doctor.output.count(sentence) == 1
        assert "fail  Connection              Something else uses the names that supportchat needs." in doctor.output


def test_an_app_beside_the_desk_keeps_what_it_has_and_the_desk_leaves_without_a_trace(make: MakeDatabase) -> None:
    with app_database(make, "neighbour") as conninfo:
        before, functions = dump(conninfo), functions_of(conninfo)
        migrate(conninfo)
        paste(conninfo)
        with opened(conninfo) as door:
            assert Cast(door).visitor().start("Hello")["last_seq"] > 0
        assert functions <= functions_of(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(script_text(REMOVAL).encode())
        assert dump(conninfo) == before


def functions_of(conninfo: str) -> set[tuple[Any, ...]]:
    """Return every function with its rights, settings and text."""
    with psycopg.connect(conninfo) as connection:
        return set(
            connection.execute(
                "select oid::regprocedure::text, proacl::text, proconfig::text, prosrc from pg_proc"
                " where pronamespace = 'public'::regnamespace"
            ).fetchall()
        )


@pytest.mark.mode("postgres")
def test_the_desk_is_not_removed_under_a_view_of_somebody_else(database_url: str, rows: Any) -> None:
    rows("create view mine as select number from tickets")
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.DependentObjectsStillExist, match="view mine depends on table tickets"),
    ):
        connection.execute(script_text(REMOVAL).encode())
    assert migrate(database_url) == []


def test_where_there_is_no_desk_of_this_version_nothing_is_removed(plain: MakeDatabase) -> None:
    with (
        made(plain, old_desk()) as conninfo,
        psycopg.connect(conninfo, autocommit=True) as connection,
        pytest.raises(psycopg.Error, match="Nothing was removed"),
    ):
        connection.execute(script_text(REMOVAL).encode())


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_not_ours_is_named_whatever_it_is(plain: MakeDatabase, case: str) -> None:
    made_by, named = STRANGE[case]
    with made(plain, made_by, superuser_of) as conninfo, psycopg.connect(superuser_of(conninfo)) as connection:
        assert f"needs: {named}. Use" in names_taken(connection)


def test_a_table_of_versions_with_a_policy_of_our_name_is_not_read(plain: MakeDatabase) -> None:
    made_by, named = STRANGE["tables with a policy of our name"]
    with made(plain, made_by) as conninfo, pytest.raises(psycopg.Error, match=f"needs: {named}. Use"):
        migrate(conninfo)


def test_names_in_another_case_or_schema_are_free(plain: MakeDatabase) -> None:
    with made(plain, 'create table "Agents" (id int); create schema crm; create table crm.agents (id int)') as conninfo:
        assert migrate(conninfo) == list(SCRIPTS)


@pytest.mark.mode("postgres")
def test_a_desk_stops_when_something_else_has_taken_one_of_its_names(database_url: str, rows: Any) -> None:
    rows("update schema_scripts set checksum = 'older' where name = 'functions/chat.sql'")
    rows("alter table heartbeat rename to pulse")
    rows("create table heartbeat (only_row boolean)")
    with pytest.raises(psycopg.Error, match=r"needs: table heartbeat\. "):
        migrate(database_url)
    rows("drop table heartbeat")
    rows("alter table pulse rename to heartbeat")
    rows("drop function who_is_here(text, text)")
    rows("create function who_is_here(text, text) returns text language sql return 'mine'")
    with pytest.raises(psycopg.Error, match=r"needs: function who_is_here\(text, text\)\. "):
        migrate(database_url)
    rows("drop function who_is_here(text, text)")
    assert migrate(database_url) == ["functions/chat.sql"]


@pytest.mark.mode("postgres")
def test_status_says_so_when_a_table_of_a_desk_has_been_replaced(
    database: Database, database_url: str, rows: Any
) -> None:
    rows("drop table tickets cascade")
    rows("create table tickets (seat text, status text)")
    found = Checks(database, None, None)._table("tickets")  # type: ignore[arg-type]
    assert found.state == "fail"
    with psycopg.connect(database_url, autocommit=True) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(script_text("supabase_schema.sql").encode())
    assert found.fix == refused.value.diag.message_primary


def test_a_desk_on_supabase_sees_it_by_the_connection_string_if_it_has_one(platform: MakeDatabase) -> None:
    with app_database(platform, "seats") as conninfo:
        project = open_project("http://127.0.0.1:1", "sb_secret_x")
        assert TAKEN["seats"] in SupabaseDatabase(project, conninfo).names_taken()
        assert SupabaseDatabase(project).names_taken() == ""
        assert SupabaseDatabase(project, "host=127.0.0.1 port=1").names_taken() == ""


def test_a_script_that_an_older_version_left_half_way_is_finished_when_that_is_said(plain: MakeDatabase) -> None:
    whole = statements("supabase_schema.sql")
    half = look(own_names()) + whole[: whole.index("-- rules.sql")]
    with made(plain, half) as conninfo:
        with pytest.raises(psycopg.Error, match="needs: "):
            migrate(conninfo)
        assert migrate(conninfo, adopt=True) == list(SCRIPTS)


@pytest.mark.mode("postgres")
def test_who_has_a_password_still_answers_after_the_tables_were_adopted(
    database_url: str, database: Database, rows: Any
) -> None:
    before = database.call("list_agents")
    rows("drop policy server_only on agents")
    rows("update schema_scripts set checksum = 'older'")
    migrate(database_url, adopt=True)
    assert len(before) == 3
    assert [agent["name"] for agent in database.call("list_agents")] == [agent["name"] for agent in before]


@pytest.mark.mode("postgres")
def test_a_desk_whose_role_may_make_no_schema_any_more_is_brought_up_to_date(
    cluster: str, database_url: str, rows: Any
) -> None:
    [[name]] = rows("select current_database()")
    with psycopg.connect(f"{cluster} dbname={name}", autocommit=True) as superuser:
        superuser.execute(f"alter database {name} owner to postgres; grant all on schema public to supportchat")
        rows("update schema_scripts set checksum = 'older'")
        assert migrate(database_url) == list(SCRIPTS)
        superuser.execute(f"alter database {name} owner to supportchat")


@pytest.mark.mode("postgres")
def test_a_desk_that_was_dumped_and_read_back_is_still_ours(database_url: str, plain: MakeDatabase) -> None:
    copied = dump(database_url, "--no-owner", "--no-privileges", "--inserts")
    with plain() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("drop schema public")
            connection.execute(copied.encode())
            connection.execute("update public.schema_scripts set checksum = 'older' where checksum <> ''")
        assert migrate(conninfo) == list(SCRIPTS)


def test_tables_of_another_role_are_named_with_it(plain: MakeDatabase) -> None:
    with made(plain, old_desk()) as conninfo:
        with psycopg.connect(superuser_of(conninfo), autocommit=True) as connection:
            connection.execute("alter table tickets owner to postgres")
        with pytest.raises(psycopg.Error) as refused:
            migrate(conninfo)
        assert migrations.describe_failure(refused.value) == (
            "Nothing was changed, because tables belong to another role: tickets (of postgres). Run this as that role."
        )
