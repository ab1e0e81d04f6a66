"""What others than the server can reach is found, each kind by itself, and the statement that is named closes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from supportchat.database import FUNCTIONS
from supportchat.database.postgres import PostgresDatabase
from tests.sql.conftest import superuser_of_project

pytestmark = pytest.mark.mode("postgres")

LENDS = "returns setof public.tickets language sql security definer as"
EXPOSED = {
    "a table to everybody": ("grant select on public.tickets to public", "grant"),
    "a table to anon": ("grant insert on public.agents to anon", "grant"),
    "a table of secrets": ("grant select on public.agent_credentials to authenticated", "grant"),
    "a column": ("grant select (message) on public.chat_messages to anon", "grant"),
    "a view": ("create view public.open as select * from public.tickets; grant select on public.open to anon", "grant"),
    "a view in another schema": (
        "create schema app; create view app.open as select * from public.tickets; grant select on app.open to public",
        "grant",
    ),
    "a view of a view": (
        "create view public.first as select * from public.agents; create view public.second as select * from first;"
        " grant select on public.second to authenticated",
        "grant",
    ),
    "a column of a view": (
        "create view public.open as select * from public.tickets; grant select (status) on public.open to anon",
        "grant",
    ),
    "a materialised view": (
        "create materialized view public.copy as select * from public.chat_messages;"
        " grant select on public.copy to public",
        "grant",
    ),
    "a sequence": ("grant usage on sequence public.ticket_numbers to anon", "grant"),
    "a sequence of a column": ("grant select on sequence public.events_id_seq to public", "grant"),
    "a function": ("grant execute on function public.list_agents to anon", "grant"),
    "a function to everybody": ("grant execute on function public.list_agents to public", "grant"),
    "another function of the same name": (
        "create function public.list_agents(text) returns text language sql return 'mine'",
        "grant",
    ),
    "a procedure of the same name": (
        "create procedure public.list_agents(integer) language sql begin atomic select 1; end",
        "grant",
    ),
    "a helper": ("grant execute on function _supportchat.outsiders to anon", "grant"),
    "a granted right that is passed on": (
        "create role reporting; grant select on public.tickets to reporting with grant option;"
        " set local role reporting; grant select on public.tickets to anon; reset role",
        "grant",
    ),
    "the schema of the helpers": ("grant usage on schema _supportchat to authenticated", "grant"),
    "creating in that schema": ("grant create on schema _supportchat to public", "grant"),
    "creating in public": ("grant create on schema public to public", "grant"),
    "a table's owner": ("alter table public.tickets owner to anon", "owner"),
    "a function's owner": ("alter function public.list_agents owner to authenticated", "owner"),
    "new things of the helpers' schema": (
        "alter default privileges in schema _supportchat grant execute on functions to anon",
        "default",
    ),
    "row-level security that is off": ("alter table public.visitors disable row level security", "row_security"),
    "a policy that is gone": ("drop policy server_only on public.tickets", "no_policy"),
    "a policy that has been changed": ("alter policy server_only on public.tickets using (true)", "no_policy"),
    "a policy for some roles only": ("alter policy server_only on public.tickets to service_role", "no_policy"),
    "a policy for a browser": ("create policy open on public.tickets for select to anon using (true)", "policy"),
    "a policy for everybody": ("create policy open on public.agents using (true)", "policy"),
    "a table that Realtime publishes": ("alter publication supabase_realtime add table public.tickets", "published"),
    "a schema that Realtime publishes": (
        "alter publication supabase_realtime add tables in schema public",
        "published",
    ),
    "everything that Realtime publishes": (
        "drop publication supabase_realtime; create publication supabase_realtime for all tables",
        "published",
    ),
    "a role past the policies": ("alter role anon bypassrls", "attribute"),
    "a role above everything": ("alter role authenticated superuser", "attribute"),
    "a role that makes roles": ("alter role anon createrole", "attribute"),
    "a role that reads the log": ("alter role anon replication", "attribute"),
    "membership in the server's role": ("grant service_role to anon", "member"),
    "membership in the owner": (
        "create role keeper; alter table public.tickets owner to keeper; grant keeper to authenticated",
        "member",
    ),
    "membership in who reads everything": ("grant pg_read_all_data to anon", "member"),
    "membership in a role with a grant": (
        "create role reporting; grant select on public.tickets to reporting; grant reporting to anon",
        "member",
    ),
    "membership by way of another": (
        "create role between; grant service_role to between; grant between to authenticated",
        "member",
    ),
    "somebody else past the policies": (
        "create role peeker login bypassrls; grant select on public.tickets to peeker",
        "bypass",
    ),
    "somebody else with the owner's rights": ("create role helper login; grant postgres to helper", "member"),
    "another superuser": ("create role boss login superuser", "superuser"),
    "a function that lends its owner's rights": (
        f"create function public.peek() {LENDS} 'select * from tickets'",
        "lends",
    ),
    "one in another schema, with a body of SQL": (
        "create schema app; create function app.peek() returns bigint language sql security definer"
        " begin atomic select count(*) from public.chat_messages; end",
        "lends",
    ),
    "hearing our events": (
        "create policy listen on realtime.messages for select to authenticated using (true)",
        "realtime",
    ),
    "hearing what is for who is logged in": (
        "create policy listen on realtime.messages for select to authenticated using (auth.uid() is not null)",
        "realtime",
    ),
    "saying what our server hears": (
        "create policy tell on realtime.messages for insert to anon with check (true)",
        "realtime",
    ),
    "seeing our pictures": ("create policy look on storage.objects for select to anon using (true)", "storage"),
    "storing among our pictures": (
        "create policy store on storage.objects for insert to authenticated with check (auth.role() = 'authenticated')",
        "storage",
    ),
    "doing anything with our pictures": (
        "create policy any_of_them on storage.objects to public using (true)",
        "storage",
    ),
}
HARMLESS = {
    "another app's table": "create table public.orders (id integer); grant select on public.orders to anon, public",
    "another app's function": "create function public.order_pizza() returns text language sql return 'soon'",
    "a function of another app's own tables": (
        "create schema crm; create table crm.tickets (id integer); create function crm.count_them() returns bigint"
        " language sql security definer set search_path = 'crm' as 'select count(*) from tickets'"
    ),
    "a function that lends the rights of somebody without any": (
        f"create role app; create function public.peek() {LENDS} 'select * from tickets';"
        " alter function public.peek owner to app"
    ),
    "a reader who was let in by name": "create role reporting login; grant select on public.tickets to reporting",
    "a role past the policies without any rights": "create role nobody_here login bypassrls",
    "an app's own topic": (
        "create policy rooms on realtime.messages to authenticated using (realtime.topic() like 'room:%')"
    ),
    "an app's own bucket": "create policy avatars on storage.objects to anon using (bucket_id = 'avatars')",
    "an app's table that Realtime publishes": (
        "create table public.orders (id integer primary key);"
        " alter publication supabase_realtime add table public.orders"
    ),
    "another publication": "create publication backup for all tables",
}


@pytest.fixture
def superuser(project: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a project's database that may break it, roles too; what it does is rolled back."""
    with psycopg.connect(superuser_of_project(project)) as connection:
        yield connection
        connection.rollback()


def found(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    row = connection.execute("select public.find_exposures(%s::text[])", [sorted(FUNCTIONS)]).fetchone()
    assert row
    return list(row[0])


@pytest.mark.parametrize("name", EXPOSED)
def test_what_others_can_reach_is_found_and_what_is_said_closes_it(
    superuser: psycopg.Connection[Any], name: str
) -> None:
    statement, kind = EXPOSED[name]
    superuser.execute(statement.encode())
    exposures = found(superuser)
    assert {exposure["kind"] for exposure in exposures} == {kind}, exposures
    for fix in dict.fromkeys(exposure["fix"] for exposure in exposures):
        superuser.execute(fix.encode())
    assert found(superuser) == []


@pytest.mark.parametrize("name", HARMLESS)
def test_what_reaches_nothing_of_the_desk_is_not_reported(superuser: psycopg.Connection[Any], name: str) -> None:
    superuser.execute(HARMLESS[name].encode())
    assert found(superuser) == []


def test_the_servers_role_finds_the_same_and_leaves_nothing_behind(
    service: PostgresDatabase, project: str, project_rows: Any
) -> None:
    assert service.call("find_exposures", names=sorted(FUNCTIONS)) == []
    with psycopg.connect(superuser_of_project(project)) as connection:
        connection.execute("create policy listen on realtime.messages for select to authenticated using (true)")
        connection.execute("create policy look on storage.objects for select to anon using (true)")
    kinds = [exposure["kind"] for exposure in service.call("find_exposures", names=sorted(FUNCTIONS))]
    assert kinds == ["realtime", "storage"]
    assert project_rows("select count(*) from realtime.messages") == [(0,)]
    assert project_rows("select count(*) from storage.objects") == [(0,)]


def test_a_key_for_browsers_that_was_let_in_is_said_to_be_one(superuser: psycopg.Connection[Any]) -> None:
    superuser.execute("grant usage on schema _supportchat to anon")
    superuser.execute("grant execute on all functions in schema public, _supportchat to anon")
    superuser.execute("set local role anon")
    assert {"kind": "key", "role": "anon", "thing": None, "rights": None, "fix": None} in found(superuser)


def test_a_helper_made_where_everybody_gets_new_functions_is_closed_again(superuser: psycopg.Connection[Any]) -> None:
    superuser.execute("alter default privileges grant execute on functions to anon")
    superuser.execute("create function _supportchat.planted() returns integer language sql return 1")
    assert [exposure["role"] for exposure in found(superuser)] == ["PUBLIC", "anon"]
    superuser.execute("select _supportchat.close_functions()")
    assert found(superuser) == []
