"""PostgREST's rpc, as the official client and a raw one see it."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import httpx
import psycopg
import psycopg_pool.base
import pytest
from postgrest.exceptions import APIError
from psycopg.conninfo import make_conninfo
from supabase import Client

from .conftest import Connect, Define
from .server import SupabaseServer


def post(server: SupabaseServer, function: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
    """Call a function without the client's help."""
    key = key or server.secret_key
    sent = {"apikey": key, "Authorization": f"Bearer {key}", **headers}
    return httpx.post(f"{server.url}/rest/v1/rpc/{function}", json=body or {}, headers=sent)


def raising(define: Define, statement: str, name: str = "fails") -> None:
    """Define a function that does one statement."""
    define(f"create or replace function public.{name}() returns int language plpgsql as $$ begin {statement} end $$")


# Results


@pytest.mark.parametrize(
    ("returns", "body", "expected"),
    [
        ("int", "select 5", 5),
        ("text", "select 'five'", "five"),
        ("boolean", "select true", True),
        ("uuid", "select '00000000-0000-0000-0000-000000000005'::uuid", "00000000-0000-0000-0000-000000000005"),
        ("int", "select null::int", None),
        ("jsonb", """select '{"a": [1, null]}'::jsonb""", {"a": [1, None]}),
        ("jsonb", "select null::jsonb", None),
        ("json", "select '[1, 2]'::json", [1, 2]),
        ("int[]", "select '{1,2}'::int[]", [1, 2]),
        ("setof int", "select generate_series(1, 3)", [1, 2, 3]),
        ("setof int", "select 1 where false", []),
        ("setof jsonb", """select '{"a": 1}'::jsonb""", [{"a": 1}]),
        ("table (a int, b text)", "select 1, 'x' union all select 2, null", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ("table (a int)", "select 1 where false", []),
        ("void", "select 1", []),
    ],
)
def test_results(client: Client, define: Define, returns: str, body: str, expected: Any) -> None:
    define(f"create function public.gives() returns {returns} language sql as $$ {body} $$")
    assert client.rpc("gives").execute().data == expected


def test_a_row_comes_as_an_object(client: Client, define: Define) -> None:
    define("create table public.things (id int, name text); insert into public.things values (1, 'x'), (2, 'y')")
    define("create function public.one(out id int, out name text) language sql as $$ select 1, 'x' $$")
    define(
        "create function public.all_things() returns setof public.things language sql security definer"
        " as 'select * from public.things'"
    )
    assert client.rpc("one").execute().data == {"id": 1, "name": "x"}
    assert client.rpc("all_things").execute().data == [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]


def test_void_is_204_without_a_body(supabase: SupabaseServer, define: Define) -> None:
    define("create function public.nothing() returns void language sql as $$ select $$")
    answer = post(supabase, "nothing")
    assert (answer.status_code, answer.content) == (204, b"")


def test_null_is_200_and_null(supabase: SupabaseServer, define: Define) -> None:
    define("create function public.nothing() returns int language sql as $$ select null::int $$")
    answer = post(supabase, "nothing")
    assert (answer.status_code, answer.text) == (200, "null")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


# Parameters


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", 5, "5"),
        ("int", "5", "5"),
        ("bigint", 2**60, str(2**60)),
        ("text", 'quoted "text" \\ äö', 'quoted "text" \\ äö'),
        ("boolean", False, "false"),
        ("uuid", "00000000-0000-0000-0000-000000000005", "00000000-0000-0000-0000-000000000005"),
        ("timestamptz", "2026-01-02T03:04:05+00:00", "2026-01-02 03:04:05+00"),
        ("jsonb", {"a": [1]}, '{"a": [1]}'),
        ("text[]", ["a,b", 'c"d', "é"], '{"a,b","c\\"d",é}'),
        ("uuid[]", [], "{}"),
        ("int", None, None),
        ("interval", "2 hours", "02:00:00"),
    ],
)
def test_parameters_get_their_declared_type(
    client: Client, define: Define, kind: str, value: Any, expected: str | None
) -> None:
    define(
        f"create function public.echo(p_value {kind}) returns text language sql set timezone = 'UTC'"
        " as $$ select p_value::text $$"
    )
    assert client.rpc("echo", {"p_value": value}).execute().data == expected


def test_parameters_go_by_name_and_defaults_are_kept(client: Client, define: Define) -> None:
    define(
        "create function public.joined(p_a text, p_b text default 'b') returns text language sql as 'select p_a||p_b'"
    )
    assert client.rpc("joined", {"p_b": "2", "p_a": "1"}).execute().data == "12"
    assert client.rpc("joined", {"p_a": "1"}).execute().data == "1b"


def test_a_value_of_the_wrong_type_is_22p02_and_400(supabase: SupabaseServer, define: Define) -> None:
    define("create function public.echo(p_value uuid) returns uuid language sql as 'select p_value'")
    answer = post(supabase, "echo", {"p_value": "none"})
    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")


# The schema cache


def test_an_unknown_function_is_pgrst202(supabase: SupabaseServer) -> None:
    answer = post(supabase, "no_such", {"p_a": 1})
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "PGRST202",
        "message": "Could not find the function public.no_such(p_a) in the schema cache",
        "details": "Searched for the function public.no_such with parameter p_a or with a single unnamed json/jsonb"
        " parameter, but no matches were found in the schema cache.",
        "hint": None,
    }


@pytest.mark.parametrize("given", [{}, {"p_a": 1, "p_other": 2}])
def test_missing_and_unknown_parameters_are_pgrst202(client: Client, define: Define, given: dict[str, int]) -> None:
    define("create function public.echo(p_a int) returns int language sql as 'select p_a'")
    with pytest.raises(APIError) as caught:
        client.rpc("echo", given).execute()
    assert caught.value.code == "PGRST202"
    assert caught.value.hint == "Perhaps you meant to call the function public.echo(p_a)"


def test_two_that_can_be_meant_are_pgrst203(client: Client, define: Define) -> None:
    define("create function public.echo(p_a int) returns int language sql as 'select p_a'")
    define("create function public.echo(p_a text) returns text language sql as 'select p_a'")
    with pytest.raises(APIError) as caught:
        client.rpc("echo", {"p_a": 1}).execute()
    assert caught.value.code == "PGRST203"


def test_a_function_stays_unknown_until_the_cache_is_told(supabase: SupabaseServer, client: Client) -> None:
    project = supabase.project
    project.run("alter event trigger pgrst_ddl_watch disable")
    project.run("create function public.late() returns int language sql as 'select 1'")
    with pytest.raises(APIError, match="PGRST202"):
        client.rpc("late").execute()
    project.run("notify pgrst, 'reload schema'")
    assert eventually(lambda: post(supabase, "late").status_code == 200)


def test_the_event_trigger_tells_the_cache(supabase: SupabaseServer) -> None:
    supabase.project.run("set role postgres; create function public.late() returns int language sql as 'select 1'")
    assert eventually(lambda: post(supabase, "late").status_code == 200)


def test_only_exposed_schemas_are_served(supabase: SupabaseServer) -> None:
    answer = post(supabase, "send", **{"Content-Profile": "realtime"})
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")


# Errors


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("raise exception 'no';", 400, "P0001"),
        ("raise sqlstate 'PT404' using message = 'no';", 404, "PT404"),
        ("raise sqlstate 'PT409' using message = 'no';", 409, "PT409"),
        ("raise sqlstate 'PT422' using message = 'no';", 422, "PT422"),
        ("raise unique_violation;", 409, "23505"),
        ("raise foreign_key_violation;", 409, "23503"),
        ("raise not_null_violation;", 400, "23502"),
        ("raise check_violation;", 400, "23514"),
        ("raise invalid_text_representation;", 400, "22P02"),
        ("raise insufficient_privilege;", 403, "42501"),
        ("perform no_such_function();", 404, "42883"),
        ("perform 1 from no_such_table;", 404, "42P01"),
        ("raise no_data_found;", 500, "P0002"),
        ("raise query_canceled;", 500, "57014"),
        ("raise lock_not_available;", 500, "55P03"),
        ("raise deadlock_detected;", 500, "40P01"),
        ("raise serialization_failure;", 500, "40001"),
        ("raise too_many_connections;", 503, "53300"),
        ("raise connection_failure;", 503, "08006"),
    ],
)
def test_the_status_of_a_sqlstate(
    supabase: SupabaseServer, define: Define, statement: str, status: int, code: str
) -> None:
    raising(define, statement)
    answer = post(supabase, "fails")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_error_carries_message_detail_and_hint(client: Client, define: Define) -> None:
    raising(define, "raise sqlstate 'PT409' using message = 'taken', detail = 'by alice', hint = 'ask her';")
    with pytest.raises(APIError) as caught:
        client.rpc("fails").execute()
    assert caught.value.json() == {"code": "PT409", "message": "taken", "details": "by alice", "hint": "ask her"}


def test_a_function_can_say_the_whole_answer(supabase: SupabaseServer, define: Define) -> None:
    message = '{"code": "mine", "message": "no", "details": null, "hint": null}'
    detail = '{"status": 418, "headers": {"X-Mine": "yes"}}'
    raising(define, f"raise sqlstate 'PGRST' using message = '{message}', detail = '{detail}';")
    answer = post(supabase, "fails")
    assert (answer.status_code, answer.json()["code"], answer.headers["x-mine"]) == (418, "mine", "yes")


def test_a_function_can_set_the_status(supabase: SupabaseServer, define: Define) -> None:
    define(
        "create function public.made() returns int language plpgsql as"
        " $$ begin perform set_config('response.status', '201', true); return 1; end $$"
    )
    answer = post(supabase, "made")
    assert (answer.status_code, answer.json()) == (201, 1)


# Transactions and roles


def test_an_error_leaves_nothing_behind(supabase: SupabaseServer, define: Define) -> None:
    define("create table public.things (id int); grant all on public.things to service_role")
    raising(define, "insert into public.things values (1); raise exception 'no';")
    assert post(supabase, "fails").status_code == 400
    assert supabase.project.run("select * from public.things") == []


def test_who_calls_is_the_role_of_the_token(supabase: SupabaseServer, define: Define) -> None:
    define("create function public.who() returns text language sql as $$ select current_user || ' ' || auth.role() $$")
    assert post(supabase, "who").json() == "service_role service_role"
    assert post(supabase, "who", key=supabase.secret_key_new).json() == "service_role service_role"
    assert post(supabase, "who", key=supabase.anon_key).json() == "anon anon"
    assert post(supabase, "who", key=supabase.publishable_key).json() == "anon anon"
    assert post(supabase, "who", key=supabase.keys.sign("authenticated")).json() == "authenticated authenticated"


def test_what_is_not_granted_is_401_for_strangers_and_403_for_others(supabase: SupabaseServer, define: Define) -> None:
    define(
        "create function public.own() returns int language sql as 'select 1';"
        " revoke all on function public.own from public"
    )
    assert post(supabase, "own", key=supabase.anon_key).status_code == 401
    answer = post(supabase, "own")
    assert (answer.status_code, answer.json()["code"]) == (403, "42501")


@pytest.mark.parametrize("volatility", ["stable", "immutable"])
def test_a_function_that_is_not_volatile_may_not_write(
    supabase: SupabaseServer, define: Define, volatility: str
) -> None:
    define("create table public.things (id int); grant all on public.things to service_role")
    define(
        f"create function public.writes() returns void language plpgsql {volatility}"
        " as $$ begin execute 'insert into public.things values (1)'; end $$"
    )
    answer = post(supabase, "writes")
    assert (answer.status_code, answer.json()["code"]) in ((405, "25006"), (400, "0A000"))
    assert supabase.project.run("select * from public.things") == []


def test_get_runs_read_only(client: Client, define: Define) -> None:
    define(
        "create function public.mode(p_a int) returns text language sql"
        " as $$ select p_a || current_setting('transaction_read_only') $$"
    )
    assert client.rpc("mode", {"p_a": 1}).execute().data == "1off"
    assert client.rpc("mode", {"p_a": 1}, get=True).execute().data == "1on"


def test_head_gives_no_data(client: Client, define: Define) -> None:
    define("create function public.numbers() returns setof int language sql stable as 'select generate_series(1, 3)'")
    answer = client.rpc("numbers", head=True, count="exact").execute()  # type: ignore[arg-type]
    assert (answer.data, answer.count) == ([], 3)


def test_a_functions_own_timeout_counts_from_its_start(client: Client, define: Define) -> None:
    define(
        "create function public.sleeps() returns text language sql set statement_timeout = '50ms'"
        " as $$ select pg_sleep(5)::text $$"
    )
    began = time.monotonic()
    with pytest.raises(APIError) as caught:
        client.rpc("sleeps").execute()
    assert caught.value.code == "57014"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("role", "expected"), [("anon", "3s"), ("authenticated", "8s"), ("service_role", "8s")])
def test_the_roles_have_their_timeouts(supabase: SupabaseServer, define: Define, role: str, expected: str) -> None:
    define(
        "create function public.limits() returns text language sql as $$ select current_setting('statement_timeout') $$"
    )
    assert post(supabase, "limits", key=supabase.keys.sign(role)).json() == expected


# Keys and tokens


def test_an_expired_token_is_pgrst303(supabase: SupabaseServer, connect: Connect) -> None:
    with pytest.raises(APIError) as caught:
        connect(supabase.keys.sign("service_role", -60)).rpc("any").execute()
    assert (caught.value.code, caught.value.message) == ("PGRST303", "JWT expired")


def test_a_token_that_is_none_is_pgrst301(supabase: SupabaseServer) -> None:
    headers = {"apikey": supabase.anon_key, "Authorization": "Bearer nonsense"}
    answer = httpx.post(f"{supabase.url}/rest/v1/rpc/any", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST301")
    assert answer.json()["message"] == "Expected 3 parts in JWT; got 1"


def test_a_request_without_a_key_or_with_a_wrong_one_stops_at_the_gateway(supabase: SupabaseServer) -> None:
    url = f"{supabase.url}/rest/v1/rpc/any"
    assert httpx.post(url).json()["message"] == "No API key found in request"
    answer = httpx.post(url, headers={"apikey": "sb_secret_wrong"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Invalid API key")


def test_a_secret_key_is_refused_to_browsers(supabase: SupabaseServer) -> None:
    answer = post(supabase, "any", key=supabase.secret_key_new, **{"User-Agent": "Mozilla/5.0"})
    assert answer.status_code == 401


def test_a_new_key_is_a_token_only_beside_itself(supabase: SupabaseServer) -> None:
    headers = {"apikey": supabase.anon_key, "Authorization": f"Bearer {supabase.secret_key_new}"}
    assert httpx.post(f"{supabase.url}/rest/v1/rpc/any", headers=headers).status_code == 401


# Load


def test_fifty_callers_at_once_are_served(supabase: SupabaseServer, connect: Connect, define: Define) -> None:
    define("create function public.echo(p_a int) returns int language sql as 'select p_a'")
    client = connect(limits=httpx.Limits(max_connections=50))
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: client.rpc("echo", {"p_a": number}).execute().data, range(500)))
    assert answers == list(range(500))


def test_a_pool_that_is_used_up_is_pgrst003(supabase: SupabaseServer, define: Define) -> None:
    define("create function public.sleeps() returns text language sql as $$ select pg_sleep(1)::text $$")
    supabase.rest.pool_size, supabase.rest.pool_timeout = 1, 0.1
    supabase.restart()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: post(supabase, "sleeps"), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 504]
    assert [answer.json()["code"] for answer in answers if answer.status_code == 504] == ["PGRST003"]


def test_it_comes_back_at_once_after_a_long_outage_of_the_database(
    supabase: SupabaseServer, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    define("create function public.echo(p_a int) returns int language sql as 'select p_a'")
    # As long as psycopg_pool's pause between two tries has grown after a minute.
    monkeypatch.setattr(psycopg_pool.base.AttemptWithBackoff, "INITIAL_DELAY", 60.0)
    supabase.rest.pool_timeout = 0.5
    supabase.restart()
    allowed(supabase, False)
    assert [post(supabase, "echo", {"p_a": 1}).status_code for _ in range(3)][-1] == 504
    allowed(supabase, True)
    assert eventually(lambda: post(supabase, "echo", {"p_a": 1}).status_code == 200)


def allowed(supabase: SupabaseServer, is_allowed: bool) -> None:
    """Let nobody connect to the project's database, and end who is, or let everybody in again."""
    name, admins = supabase.project.dbname, make_conninfo(supabase.project.superuser_conninfo, dbname="postgres")
    with psycopg.connect(admins, autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections {is_allowed}".encode())
        if not is_allowed:
            admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [name])


def eventually(condition: Any, seconds: float = 5.0) -> bool:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
