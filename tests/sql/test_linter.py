"""What Supabase's linter looks for, by the names of its rules: nothing of it is found, and each check can find it.

The rules are described at https://supabase.com/docs/guides/database/database-linter. `unused_index` is not among them:
an index is unused until somebody uses the desk. The schema `public` is the one that PostgREST exposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from supportchat.database.migrations import migrate
from tests.sql.conftest import superuser_of_project


@dataclass(frozen=True)
class Rule:
    """A rule: its name, a query that gives what breaks it, and statements that break it."""

    name: str
    query: str
    planted: str


BROWSER_READS = (
    "(has_table_privilege('anon', c.oid, 'select') or has_table_privilege('authenticated', c.oid, 'select'))"
)
TABLES = "from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
FUNCTIONS = "from pg_proc p where p.pronamespace = 'public'::regnamespace"
POLICIES = "from pg_policies p where p.schemaname = 'public'"
NEW_TABLE = "create table public.planted (id integer primary key);"
NEW_FUNCTION = "create function public.planted() returns integer language sql security definer as 'select 1';"

RULES = [
    Rule("rls_disabled_in_public", f"select c.relname {TABLES} and not c.relrowsecurity", NEW_TABLE),
    Rule(
        "rls_enabled_no_policy",
        f"select c.relname {TABLES} and c.relrowsecurity and c.oid not in (select polrelid from pg_policy)",
        f"{NEW_TABLE} alter table public.planted enable row level security",
    ),
    Rule(
        "policy_exists_rls_disabled",
        f"select c.relname {TABLES} and not c.relrowsecurity and c.oid in (select polrelid from pg_policy)",
        "alter table public.agents disable row level security",
    ),
    Rule(
        "multiple_permissive_policies",
        f"select p.tablename {POLICIES} and p.permissive = 'PERMISSIVE' group by p.tablename having count(*) > 1",
        "create policy one on public.agents using (false); create policy two on public.agents for select using (false)",
    ),
    Rule(
        "rls_policy_always_true",
        f"select p.policyname {POLICIES} and p.permissive = 'PERMISSIVE' and 'true' in (p.qual, p.with_check)",
        "create policy open on public.agents for update using (true)",
    ),
    Rule(
        "auth_rls_initplan",
        f"select p.policyname {POLICIES} and concat(p.qual, p.with_check) ~ '(auth\\.[a-z]+|current_setting)\\('"
        " and concat(p.qual, p.with_check) !~* 'select (auth\\.|current_setting)'",
        "create policy slow on public.agents using (email = current_setting('request.email'))",
    ),
    Rule(
        "rls_references_user_metadata",
        f"select p.policyname {POLICIES} and concat(p.qual, p.with_check) ~ 'user_metadata'",
        "create policy forged on public.agents using"
        " (current_setting('request.jwt.claims')::jsonb #>> '{user_metadata,role}' = 'admin')",
    ),
    Rule(
        "function_search_path_mutable",
        f"select p.proname {FUNCTIONS} and not exists"
        " (select from unnest(p.proconfig) as setting where setting like 'search_path=%')",
        NEW_FUNCTION,
    ),
    *(
        Rule(
            f"{role}_security_definer_function_executable",
            f"select p.proname {FUNCTIONS} and p.prosecdef and has_function_privilege('{role}', p.oid, 'execute')",
            f"{NEW_FUNCTION} grant execute on function public.planted() to {role}",
        )
        for role in ("anon", "authenticated")
    ),
    *(
        Rule(
            f"pg_graphql_{role}_table_exposed",
            "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'p', 'v', 'm', 'f') and exists ("
            "  select from unnest(array['select', 'insert', 'update', 'delete']) as action"
            f"  where has_table_privilege('{role}', c.oid, action)"
            f" ) or c.relnamespace = 'public'::regnamespace and has_any_column_privilege('{role}', c.oid, 'select')",
            f"grant select (name) on public.agents to {role}",
        )
        for role in ("anon", "authenticated")
    ),
    Rule(
        "sensitive_columns_exposed",
        f"select c.relname {TABLES} and not c.relrowsecurity and exists ("
        "  select from pg_attribute a where a.attrelid = c.oid and a.attname ~ '(password|token|secret|phone|email)')",
        "alter table public.agent_credentials disable row level security",
    ),
    Rule(
        "security_definer_view",
        "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'"
        f" and {BROWSER_READS} and not coalesce(c.reloptions @> array['security_invoker=true'], false)",
        "create view public.planted as select * from public.agents; grant select on public.planted to anon",
    ),
    Rule(
        "materialized_view_in_api",
        "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'm'"
        f" and {BROWSER_READS}",
        "create materialized view public.planted as select 1 as one; grant select on public.planted to authenticated",
    ),
    Rule(
        "foreign_table_in_api",
        "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'f'",
        "create foreign data wrapper elsewhere; create server there foreign data wrapper elsewhere;"
        " create foreign table public.planted (id integer) server there",
    ),
    Rule(
        "extension_in_public",
        "select extname from pg_extension where extnamespace = 'public'::regnamespace",
        "update pg_extension set extnamespace = 'public'::regnamespace where extname = 'plpgsql'",
    ),
    Rule(
        "unsupported_reg_types",
        f"select c.relname {TABLES} and exists (select from pg_attribute a where a.attrelid = c.oid"
        " and a.attnum > 0 and a.atttypid in ('regconfig'::regtype, 'regproc'::regtype, 'regoper'::regtype,"
        " 'regcollation'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype, 'regprocedure'::regtype))",
        "create table public.planted (id integer primary key, search regconfig)",
    ),
    Rule(
        "no_primary_key",
        f"select c.relname {TABLES} and not exists"
        " (select from pg_index i where i.indrelid = c.oid and i.indisprimary)",
        "create table public.planted (id integer)",
    ),
    Rule(
        "unindexed_foreign_keys",
        "select k.conname from pg_constraint k where k.contype = 'f' and k.connamespace = 'public'::regnamespace"
        " and not exists (select from pg_index i where i.indrelid = k.conrelid and i.indisvalid"
        " and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)",
        "drop index public.tickets_of_session_idx",
    ),
    Rule(
        "duplicate_index",
        "select min(c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid"
        " where c.relnamespace = 'public'::regnamespace"
        " group by i.indrelid, replace(pg_get_indexdef(i.indexrelid), c.relname, '') having count(*) > 1",
        "create index planted on public.agent_sessions (agent_id)",
    ),
]


@pytest.fixture
def superuser(project: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a project's database that may break it; what it does is rolled back."""
    with psycopg.connect(superuser_of_project(project)) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_nothing_breaks(superuser: psycopg.Connection[Any], rule: Rule) -> None:
    assert superuser.execute(rule.query.encode()).fetchall() == []
    superuser.execute(rule.planted.encode())
    assert superuser.execute(rule.query.encode()).fetchall() != [], "this check cannot fail"


def test_an_upgraded_database_breaks_nothing_either(new_project: str, request: pytest.FixtureRequest) -> None:
    legacy = (request.path.parent / "legacy.sql").read_text()
    with psycopg.connect(new_project, autocommit=True) as owner:
        owner.execute(legacy.encode())
        said: list[str] = []
        migrate(new_project, said.append)
        [(_, closing)] = [text.rstrip(".").split(": ") for text in said if "view open_tickets" in text]
        owner.execute(closing.encode())
        for rule in RULES:
            assert owner.execute(rule.query.encode()).fetchall() == [], rule.name
