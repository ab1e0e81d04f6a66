"""The database of a project is as Supabase gives it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from .project import SupabaseProject

PARTITION = "create table realtime.all_days partition of realtime.messages default"
_numbers = itertools.count()


User = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def user(project: SupabaseProject) -> Iterator[User]:
    """A connection as who has the project's DATABASE_URL."""
    with psycopg.connect(project.conninfo, autocommit=True) as connection:
        yield connection


def test_the_user_is_no_superuser_but_may_much(user: User) -> None:
    attributes = "rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolreplication, rolbypassrls"
    row = user.execute(f"select {attributes} from pg_roles where rolname = current_user".encode()).fetchone()
    assert row == (False, True, True, True, True, True)
    assert user.info.user == "postgres"


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("anon", (False, False, False)),
        ("authenticated", (False, False, False)),
        ("service_role", (False, False, True)),
        ("authenticator", (True, False, False)),
    ],
)
def test_the_roles_of_the_api(user: User, role: str, expected: tuple[bool, ...]) -> None:
    question = b"select rolcanlogin, rolinherit, rolbypassrls from pg_roles where rolname = %s"
    assert user.execute(question, [role]).fetchone() == expected


def test_the_authenticator_waits_eight_seconds_at_most(project: SupabaseProject) -> None:
    with psycopg.connect(project.conninfo_of("authenticator")) as connection:
        for setting in ("statement_timeout", "lock_timeout"):
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == ("8s",)


def test_a_new_table_is_granted_to_nobody(user: User) -> None:
    user.execute("create table public.things (id int)")
    for role in ("anon", "authenticated", "service_role"):
        question = (
            b"select has_table_privilege(%s, 'public.things', 'select'), has_schema_privilege(%s, 'public', 'usage')"
        )
        assert user.execute(question, [role, role]).fetchone() == (False, True)


def test_a_project_from_before_grants_to_everybody(supabase_cluster: str) -> None:
    project = SupabaseProject(supabase_cluster, f"older_{next(_numbers)}").create(automatic_grants=True)
    with psycopg.connect(project.conninfo) as connection:
        connection.execute("create table public.things (id int)")
        row = connection.execute("select has_table_privilege('anon', 'public.things', 'insert')").fetchone()
    project.drop()
    assert row == (True,)


def test_a_project_can_be_copied(project: SupabaseProject, supabase_cluster: str) -> None:
    project.run("create table public.things as select 1 as id")
    copy = SupabaseProject(supabase_cluster, f"copy_{next(_numbers)}").create(project.dbname)
    rows = copy.run("select id from public.things")
    copy.drop()
    assert rows == [(1,)]


def test_realtime_send_adds_an_id_unless_there_is_one(project: SupabaseProject) -> None:
    project.run(PARTITION)
    project.run(
        "select realtime.send('{\"a\": 1}', 'news', 'room'), realtime.send('{\"id\": 7}', 'news', 'room', false)"
    )
    rows = project.run("select payload ->> 'id' = id::text, payload ->> 'id', private from realtime.messages")
    assert sorted(rows, key=str) == [(False, "7", False), (True, rows[0][1], True)]


def test_realtime_send_stores_nothing_without_a_partition_and_says_so_in_a_warning_alone(user: User) -> None:
    warnings: list[str | None] = []
    user.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    user.execute("select realtime.send('{}', 'news', 'room')")
    assert len(warnings) == 1
    assert str(warnings[0]).startswith("ErrorSendingBroadcastMessage: no partition")
    assert user.execute("select count(*) from realtime.messages").fetchone() == (0,)


@pytest.mark.parametrize("payload", ["[1]", "5", '"text"'])
def test_realtime_send_swallows_a_payload_that_is_no_object(project: SupabaseProject, payload: str) -> None:
    project.run(PARTITION)
    project.run("select realtime.send(%s::jsonb, 'news', 'room')", payload)
    assert project.run("select * from realtime.messages") == []


def test_realtime_send_runs_as_its_caller(project: SupabaseProject) -> None:
    project.run(PARTITION)
    project.run("set role authenticated; select realtime.send('{}', 'news', 'room')")
    assert project.run("select * from realtime.messages") == []
    project.run("set role service_role; select realtime.send('{}', 'news', 'room')")
    assert len(project.run("select * from realtime.messages")) == 1


def test_a_rolled_back_send_is_not_there(project: SupabaseProject) -> None:
    project.run(PARTITION)
    project.run("begin; select realtime.send('{}', 'news', 'room'); rollback")
    assert project.run("select * from realtime.messages") == []


def test_the_user_makes_buckets_and_sees_objects_but_cannot_delete_by_sql(user: User) -> None:
    user.execute("insert into storage.buckets (id, name) values ('pictures', 'pictures')")
    user.execute("insert into storage.objects (bucket_id, name) values ('pictures', 'a/b.png')")
    assert user.execute("select path_tokens from storage.objects").fetchone() == (["a", "b.png"],)
    for table in ("objects", "buckets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Direct deletion from storage tables"):
            user.execute(f"delete from storage.{table}".encode())


def test_strangers_see_no_object(project: SupabaseProject) -> None:
    project.run("insert into storage.buckets (id, name) values ('pictures', 'pictures')")
    project.run("insert into storage.objects (bucket_id, name) values ('pictures', 'a.png')")
    assert project.run("set role anon; select * from storage.objects") == []
    assert len(project.run("set role service_role; select * from storage.objects")) == 1


def test_the_user_owns_nothing_of_the_platform(user: User) -> None:
    for statement in (
        b"alter table storage.objects disable row level security",
        b"create table realtime.mine ()",
        b"create table storage.mine ()",
        b"create event trigger mine on ddl_command_end execute function extensions.pgrst_ddl_watch()",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            user.execute(statement)
