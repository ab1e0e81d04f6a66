"""The scripts themselves: complete, repeatable, and closed to everybody but the server."""

from __future__ import annotations

from typing import Any

import psycopg

from supportchat.config import ROOT
from supportchat.database.migrations import SCRIPTS, migrate, script_text
from tests.cast import Cast


def test_every_script_of_the_folder_is_applied() -> None:
    found = {str(path.relative_to(ROOT / "sql")) for path in (ROOT / "sql").rglob("*.sql")}
    assert found == set(SCRIPTS)


def test_a_second_migration_does_nothing(database_url: str) -> None:
    assert migrate(database_url) == []


def test_only_a_changed_script_runs_again(database_url: str, rows: Any) -> None:
    rows("update schema_scripts set checksum = 'older' where name = 'functions/chat.sql'")
    assert migrate(database_url) == ["functions/chat.sql"]


def test_running_every_script_again_changes_no_row(cast: Cast, database_url: str, rows: Any) -> None:
    cast.visitor().start("Keep me", customer_name="Vera")
    tables = [name for (name,) in rows("select tablename from pg_tables where schemaname = 'public' order by 1")]
    snapshot = [rows(f"select * from {table} order by 1") for table in tables]
    with psycopg.connect(database_url) as connection:
        for script in SCRIPTS:
            connection.execute(script_text(script).encode())
    assert [rows(f"select * from {table} order by 1") for table in tables] == snapshot


def test_row_level_security_is_on_for_every_table(rows: Any) -> None:
    tables = rows(
        "select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    assert len(tables) > 10
    assert [name for name, secured in tables if not secured] == []


def test_nobody_else_may_run_a_function_or_read_a_table(rows: Any) -> None:
    functions = rows(
        "select proname, proconfig, exists (select from aclexplode(proacl) where grantee = 0) or proacl is null"
        " from pg_proc where pronamespace = 'public'::regnamespace"
    )
    assert len(functions) > 40
    assert [name for name, _, is_public in functions if is_public] == []
    assert [name for name, settings, _ in functions if settings[0] != 'search_path=""'] == []


def test_every_foreign_key_has_an_index(rows: Any) -> None:
    missing = rows(
        """
        select conrelid::regclass::text, conname from pg_constraint k
        where contype = 'f' and connamespace = 'public'::regnamespace and not exists (
            select from pg_index i where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1] and i.indpred is null
        )
        """
    )
    assert missing == []


def test_a_missing_foreign_key_is_added_again(database_url: str, rows: Any) -> None:
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    rows("delete from schema_scripts where name = 'fix_foreign_keys.sql'")
    migrate(database_url)
    assert rows("select count(*) from pg_constraint where conname = 'tickets_assigned_agent_id_fkey'") == [(1,)]


def test_a_table_without_channel_and_is_anonymous_gets_them(cast: Cast, database_url: str, rows: Any) -> None:
    cast.visitor().start("Old one", customer_name="Vera")
    rows("alter table user_sessions drop column channel, drop column is_anonymous")
    rows("update tickets set channel = 'web'")
    rows("delete from schema_scripts where name = 'fix_user_sessions_columns.sql'")
    migrate(database_url)
    assert rows("select channel, is_anonymous from user_sessions") == [("web-chat", False)]
    assert rows("select channel from tickets") == [("web-chat",)]
