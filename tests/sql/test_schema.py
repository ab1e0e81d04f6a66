"""The scripts themselves: complete, repeatable, and closed to everybody but the server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supportchat.config import ROOT, Config, ConfigError
from supportchat.database import migrations, scripts
from supportchat.database.bundle import PASTE, SUPERSEDED
from supportchat.database.migrations import STAMP, checksum, checksums, migrate, statements
from supportchat.database.names import SEQUENCE, look, removal, with_look
from supportchat.database.scripts import BASE, PARTS, REMOVAL, SCRIPTS, base_text, own_names, script_text
from supportchat.server.run import Server
from tests.cast import Agent, Cast, new_id


def test_every_script_of_the_folder_is_applied() -> None:
    found = {str(path.relative_to(ROOT / "sql")) for path in (ROOT / "sql").rglob("*.sql")}
    assert found == {*SCRIPTS, PASTE, REMOVAL, *PARTS}


def test_every_script_bears_the_stamp_of_its_text() -> None:
    for name in SCRIPTS:
        found = STAMP.findall(script_text(name))
        assert found == [(name, checksum(script_text(name)))], f"sql/{name} has changed: run bin/migrate stamp"
        if name != BASE:
            assert with_look(script_text(name)) == script_text(name), f"run bin/migrate stamp for sql/{name}"
    assert script_text(REMOVAL) == removal(own_names()), "run bin/migrate stamp"


def test_the_schema_is_what_its_parts_make_it() -> None:
    made = with_look(base_text().replace("0" * 12, checksum(base_text())), look(own_names()))
    assert script_text(BASE) == made, "run bin/migrate stamp"


def test_a_stamp_tells_every_change_but_its_own() -> None:
    text = script_text("functions/chat.sql")
    [(_, stamp)] = STAMP.findall(text)
    assert checksum(text.replace(stamp, "0" * 12)) == stamp
    assert checksum(text + "\n") != stamp
    assert checksum(text.replace("start_chat", "begin_chat")) != stamp


def test_a_pasted_script_records_itself(database_url: str, rows: Any) -> None:
    before = rows("select name, checksum, applied_at from schema_scripts order by name")
    assert {name: stamp for name, stamp, _ in before} == checksums()
    rows("delete from schema_scripts where name = 'functions/chat.sql'")
    with psycopg.connect(database_url) as connection:
        connection.execute(script_text("functions/chat.sql").encode())
    assert migrate(database_url) == []


def test_a_script_that_is_not_stamped_is_recorded_as_what_it_is(
    database_url: str, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = script_text("functions/chat.sql").replace("-- chat.sql", "-- changed chat.sql")
    monkeypatch.setattr(
        migrations, "script_text", lambda name: changed if name == "functions/chat.sql" else script_text(name)
    )
    assert migrate(database_url) == ["functions/chat.sql"]
    assert rows("select checksum from schema_scripts where name = 'functions/chat.sql'") == [(checksum(changed),)]
    assert migrate(database_url) == []


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("state", ["55006", "57014", "42P16"])
def test_a_script_that_fails_is_named_with_its_reason(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    failing = f"do $$ begin raise 'no,\nnot now' using errcode = '{state}'; end $$;"
    monkeypatch.setattr(
        migrations, "script_text", lambda name: failing if name == "functions/chat.sql" else script_text(name)
    )
    config = Config(database_url=database_url)
    monkeypatch.setattr(Config, "from_environment", lambda: config)
    monkeypatch.setattr("sys.argv", ["migrate"])
    sentence = "sql/functions/chat.sql failed, and nothing was changed: no, not now"
    assert migrations.main() == 1
    assert capsys.readouterr().err == f"supportchat: {sentence}.\n"
    with pytest.raises(ConfigError, match=sentence):
        Server(config)._prepare_database()


def test_stamping_writes_into_the_scripts_that_changed_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, migration = change_a_script(tmp_path, monkeypatch)
    assert migrations.stamp() == ["sql/functions/chat.sql", "sql/supabase.sql", f"supabase/migrations/{migration.name}"]
    assert "-- more\n" in script.read_text()
    assert migrations.stamp() == []
    assert "-- more\n" in migration.read_text()


def test_a_migration_of_a_release_is_followed_by_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, migration = change_a_script(tmp_path, monkeypatch)
    (tmp_path / "CHANGELOG.md").write_text(f"- Add the migration `{migration.name}`.")
    newest = tmp_path / migrations.stamp()[-1]
    assert newest.name > migration.name
    assert "-- more\n" in newest.read_text()
    assert migration.read_text() == SUPERSEDED
    assert migrations.stamp() == []


def change_a_script(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Change a script in a copy of what is stamped; return its path, and that of the newest migration."""
    for name in ("sql", "supabase"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "CHANGELOG.md", folder)
    monkeypatch.setattr(scripts, "FOLDER", folder / "sql")
    assert migrations.stamp() == []
    script = folder / "sql" / "functions" / "chat.sql"
    script.write_text(script.read_text().replace("notify pgrst", "-- more\nnotify pgrst"))
    return script, max((folder / "supabase" / "migrations").iterdir())


def test_nothing_is_changed_or_deleted_everywhere_at_once() -> None:
    # Supabase refuses UPDATE and DELETE without WHERE (safeupdate).
    changes = [
        change
        for name in SCRIPTS
        for change in re.findall(
            r"(?<!before )(?:update|delete from) (?:public\.|storage\.|%s)[^;]*;",
            re.sub(r"--[^\n]*", "", script_text(name)),
        )
    ]
    assert len(changes) > 60
    assert [change for change in changes if not re.search(r"\bwhere\b", change)] == []


def test_no_script_needs_psql_and_each_is_one_transaction() -> None:
    for name in (*SCRIPTS, PASTE, REMOVAL):
        assert not re.search(r"^\\", script_text(name), re.MULTILINE)
        assert re.findall(r"^\s*(commit|rollback|begin);", script_text(name), re.MULTILINE) == ["begin", "commit"]
        before, _, after = re.split(r"^(?:begin|commit);\n", script_text(name), flags=re.MULTILINE)
        assert re.sub(r"^--.*\n", "", before, flags=re.MULTILINE).strip() == ""
        assert re.sub(r"^--.*\n", "", after, flags=re.MULTILINE).strip()[:6] in ("", "select")


def test_the_look_knows_every_name_that_the_scripts_take(rows: Any) -> None:
    own = own_names()
    relations = rows("select relname, relkind::text from pg_class where relnamespace = 'public'::regnamespace")
    assert {name for name, kind in relations if kind == "r"} == set(own.tables)
    assert {name for name, kind in relations if kind == "i" and not name.endswith("_pkey")} == set(own.indexes)
    assert {name for name, kind in relations if kind == "S"} == {
        *(SEQUENCE, "events_id_seq", "audit_log_id_seq", "sites_site_id_seq"),
        "desk_tags_tag_id_seq",
    }
    functions = rows(
        "select p.proname || '(' || oidvectortypes(p.proargtypes) || ')' from pg_proc p"
        " where p.pronamespace = 'public'::regnamespace"
    )
    scripts = "\n".join(map(script_text, SCRIPTS))
    dropped = set(re.findall(r"^drop function if exists public\.(\w+\(.*?\));", scripts, re.MULTILINE))
    assert "open_agent_session(uuid, text)" in dropped
    wanted = {name.replace("public.", "") for name in own.functions}
    assert {name for (name,) in functions} == wanted - dropped


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


def test_running_every_script_again_looks_at_no_row_of_a_table_that_grows(
    cast: Cast, alice: Agent, database_url: str
) -> None:
    vera = cast.visitor()
    alice.call("add_note", number=vera.start()["number"], client_message_id=new_id(), note="Careful")
    with psycopg.connect(database_url) as connection:
        connection.execute("set enable_seqscan = off")
        for name in SCRIPTS:
            connection.execute(statements(name).encode())
        read = connection.execute(
            "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables"
            " where schemaname = 'public'"
        ).fetchall()
        connection.rollback()
    looked_at = {name for name, count in read if count}
    assert not looked_at & {"user_sessions", "chat_messages", "tickets", "ticket_reads", "ticket_notes", "visitors"}


def test_row_level_security_is_on_for_every_table(rows: Any) -> None:
    tables = rows(
        "select relname, relrowsecurity from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    assert len(tables) > 10
    assert [name for name, secured in tables if not secured] == []


def test_nobody_else_may_run_a_function_or_read_a_table(rows: Any) -> None:
    functions = rows(
        "select proname, proconfig, exists (select from aclexplode(proacl) where grantee = 0) or proacl is null"
        " from pg_proc where pronamespace in ('public'::regnamespace, '_supportchat'::regnamespace)"
    )
    assert len(functions) > 90
    assert [name for name, _, is_public in functions if is_public] == []
    assert [name for name, settings, _ in functions if settings[0] != 'search_path=""'] == []


def test_every_foreign_key_has_an_index(rows: Any) -> None:
    missing = rows(
        """
        select conrelid::regclass::text, conname from pg_constraint k
        where contype = 'f' and connamespace = 'public'::regnamespace and not exists (
            select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1]
                and coalesce(pg_get_expr(i.indpred, i.indrelid), '') in ('', '(' || a.attname || ' IS NOT NULL)')
        )
        """
    )
    assert missing == []


def test_a_missing_foreign_key_is_added_again(database_url: str, rows: Any) -> None:
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    rows("delete from schema_scripts where name = 'fix_foreign_keys.sql'")
    migrate(database_url)
    assert rows("select count(*) from pg_constraint where conname = 'tickets_assigned_agent_id_fkey'") == [(1,)]


def test_direct_sql_is_refused_what_no_row_may_have(cast: Cast, rows: Any) -> None:
    cases: list[tuple[str, str]] = [
        ("update user_sessions set customer_name = ''", "user_sessions_customer_name_check"),
        ("update user_sessions set customer_phone = repeat('1', 33)", "user_sessions_customer_phone_check"),
        ("update user_sessions set time_zone = repeat('z', 65)", "user_sessions_time_zone_check"),
        ("update user_sessions set status = 'asleep'", "user_sessions_status_check"),
        ("update user_sessions set channel = ''", "user_sessions_channel_check"),
        ("insert into user_sessions (status) values ('asleep')", "user_sessions_status_check"),
        ("update chat_messages set sender = 'nobody'", "chat_messages_sender_check"),
        ("update chat_messages set seq = 0 where seq = 1", "chat_messages_seq_check"),
        ("update chat_messages set message = ' '", "chat_messages_message_check"),
        ("update chat_messages set message = repeat('m', 8001)", "chat_messages_message_check"),
        ("insert into chat_messages (sender, seq, message) values ('user', 1, ' ')", "chat_messages_message_check"),
    ]
    cast.visitor().start("Hello")
    for statement, check in cases:
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            rows(statement)
        assert refused.value.diag.constraint_name == check


def test_checks_of_the_version_before_become_triggers_and_no_row_is_read(
    cast: Cast, database_url: str, rows: Any
) -> None:
    cast.visitor().start("Hello")
    rows("drop trigger check_chat_messages on chat_messages")
    rows("alter table chat_messages add constraint chat_messages_seq_check check (seq > 0)")
    rows("comment on constraint chat_messages_seq_check on chat_messages is 'check (seq > 0)'")
    rows("delete from schema_scripts where name = 'supabase_schema.sql'")
    migrate(database_url)
    assert rows("select from pg_constraint where conname = 'chat_messages_seq_check'") == []
    with pytest.raises(psycopg.errors.CheckViolation):
        rows("update chat_messages set seq = -1 where seq = 1")


def test_rows_that_break_a_check_stay_and_are_named_each_time(cast: Cast, database_url: str, rows: Any) -> None:
    cast.visitor().start("Hello")
    rows("alter table user_sessions disable trigger check_user_sessions")
    rows("update user_sessions set time_zone = repeat('z', 65)")
    rows("drop function _supportchat.check_user_sessions() cascade")
    ensure = (
        "select _supportchat.ensure_row_checks('user_sessions', 'check_user_sessions', array_agg(constraint_name),"
        " array_agg(condition)) from _supportchat.declared_checks() where by_trigger and table_name = 'user_sessions'"
    )
    said: list[str | None] = []
    with psycopg.connect(database_url) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        for _ in range(2):
            connection.execute(ensure)
    sentence = "public.user_sessions: rows written before user_sessions_time_zone_check stay as they are"
    assert [one for one in said if one and "rows written" in one] == [sentence, sentence]
    rows("update user_sessions set last_seq = last_seq + 1")  # what it has stays out of the way


def test_a_table_without_channel_and_is_anonymous_gets_them(cast: Cast, database_url: str, rows: Any) -> None:
    cast.visitor().start("Old one", customer_name="Vera")
    rows("alter table user_sessions drop column channel cascade, drop column is_anonymous")
    rows("update tickets set channel = 'web'")
    rows("delete from schema_scripts where name = 'fix_user_sessions_columns.sql'")
    migrate(database_url)
    assert rows("select channel, is_anonymous from user_sessions") == [("web-chat", False)]
    assert rows("select channel from tickets") == [("web-chat",)]


def test_a_key_that_a_table_has_lost_is_made_again(cast: Cast, alice: Agent, database_url: str, rows: Any) -> None:
    number = cast.visitor().start("Hello")["number"]
    rows("alter table ticket_tags drop constraint ticket_tags_pkey, drop column tag_id")
    rows("alter table sites drop constraint sites_pkey cascade")
    rows("delete from schema_scripts where name in ('supabase_schema.sql', 'fix_foreign_keys.sql')")
    migrate(database_url)
    alice.call("tag_ticket", number=number, add=["late"])
    assert rows("select count(*) from pg_constraint where conname ~ '^(sites|ticket_tags)_pkey'") == [(2,)]


def test_the_order_of_columns_does_not_matter(alice: Agent, database_url: str, rows: Any) -> None:
    settings = alice.call("show_alerts")
    rows("alter table alert_choices drop column sound")
    rows("delete from schema_scripts")
    migrate(database_url)
    assert alice.call("show_alerts") == settings


def test_functions_of_earlier_versions_give_way(cast: Cast, database_url: str, rows: Any) -> None:
    for signature, result, body in (
        ("_supportchat.declared_checks()", "table (table_name text)", "select ''"),
        ("_supportchat.declared_settings()", "table (name text)", "select ''"),
        ("_supportchat.may_do(p_prepare text, p_right text, p_table text)", "boolean", "select true"),
        ("_supportchat.ensure_foreign_key(p_target text, text, text, text, text)", "void", ""),
        ("public.forget_old_data()", "void", ""),
    ):
        rows(f"drop function if exists {re.sub(r'p_[a-z]+ ', '', signature)}")
        rows(f"create function {signature} returns {result} language sql set search_path = '' as $$ {body} $$")
    # With a call that fits both, what stands beside one of this version is as bad.
    rows("create function _supportchat.unassigned_reason() returns jsonb language sql as $$ select '{}'::jsonb $$")
    rows(
        "create function _supportchat.log_event(p_kind text, p_session_id uuid, p_detail jsonb default '{}',"
        " p_actor text default 'system', p_agent_id uuid default null, p_ticket_id uuid default null,"
        " p_row jsonb default null) returns void language sql as ''"
    )
    rows("delete from schema_scripts")
    migrate(database_url)
    assert cast.visitor().start("Hello")["number"]
