"""/status, /healthz and /readyz: each check breaks when the thing that it checks does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.database.scripts import SCRIPTS
from supportchat.images.stores import FileStore
from supportchat.status.checks import Check, Checks
from supportchat.status.routes import headline
from supportchat.status.since import FirstSeen
from tests.cast import Agent, Cast, new_id
from tests.web import Web


class Events:
    """Events that come round, as long as somebody sends them."""

    is_connected = True
    advice = "Look."


@pytest.fixture
def checks(app: Flask, database: Database, rows: Any) -> Any:
    """Runs the checks, and gives one by its key."""
    rows("insert into server_processes (process_id, swept_at) values (gen_random_uuid(), now())")

    def run(key: str) -> Check:
        made = Checks(database, app.extensions["images"], app.extensions["hub"])
        return next(check for check in made.run() if check.key == key)

    return run


@pytest.mark.parametrize("table", ["user_sessions", "chat_messages", "tickets", "agents"])
def test_a_table_is_well(checks: Any, table: str) -> None:
    check = checks(table)
    assert check.state == "ok"
    assert check.milliseconds > 0


@pytest.mark.parametrize(
    ("damage", "table", "script"),
    [
        ("drop table user_sessions cascade", "user_sessions", "supabase_schema.sql"),
        ("alter table user_sessions drop column channel cascade", "user_sessions", "fix_user_sessions_columns.sql"),
        ("alter table user_sessions drop column is_anonymous", "user_sessions", "fix_user_sessions_columns.sql"),
        ("alter table chat_messages drop column seq cascade", "chat_messages", "supabase_schema.sql"),
        (
            "alter table tickets drop constraint tickets_assigned_agent_id_fkey",
            "tickets",
            "fix_foreign_keys.sql",
        ),
        ("alter table agents disable row level security", "agents", "supabase_schema.sql"),
    ],
)
def test_a_damaged_table_fails_and_names_the_script_that_fixes_it(
    checks: Any, rows: Any, damage: str, table: str, script: str
) -> None:
    rows(damage)
    check = checks(table)
    assert (check.state, check.script) == ("fail", script)
    assert check.statements


@pytest.mark.both_modes
def test_a_missing_function_is_named(checks: Any, rows: Any) -> None:
    rows("drop function check_table(text)")
    check = checks("tickets")
    assert check.state == "fail"
    assert "check_table" in check.text


@pytest.mark.both_modes
def test_a_function_that_only_a_chat_would_miss_is_named(checks: Any, rows: Any) -> None:
    rows("alter function start_chat rename to begin_chat")
    check = checks("connection")
    assert check.state == "fail"
    assert "start_chat" in check.text
    assert "paste sql/supabase.sql" in check.fix


@pytest.mark.parametrize(
    ("exposed", "said", "fix"),
    [
        (
            "grant select on tickets to public",
            "PUBLIC has access to public.tickets (SELECT).",
            "revoke all on public.tickets from public;",
        ),
        (
            "create view held as select * from chat_messages; grant select on held to public",
            "PUBLIC has access to public.held (SELECT).",
            "revoke all on public.held from public;",
        ),
        (
            "grant execute on function list_agents to public",
            "PUBLIC has access to public.list_agents() (EXECUTE).",
            "revoke all on routine public.list_agents() from public;",
        ),
    ],
)
def test_what_everybody_could_reach_fails_with_the_statement_that_closes_it(
    checks: Any, web: Web, app: Flask, rows: Any, exposed: str, said: str, fix: str
) -> None:
    assert checks("access").state == "ok"
    rows(exposed)
    check = checks("access")
    assert (check.state, check.text, check.statements) == ("fail", said, fix)
    assert f'data-copy="{fix}"' in web.agent("carol").get("/status").text
    with app.app_context():
        doctor = app.test_cli_runner().invoke(args=["doctor"])
    assert doctor.exit_code == 1
    assert fix in doctor.output
    rows(fix)
    assert checks("access").state == "ok"


@pytest.mark.mode("postgres")
def test_many_things_that_others_reach_are_said_in_short_and_closed_at_once(checks: Any, rows: Any) -> None:
    rows("grant select on tickets, agents, chat_messages, chat_images, visitors to public")
    check = checks("access")
    assert check.text.endswith("2 more findings.")
    assert len(check.statements.splitlines()) == 5


def test_an_older_script_is_named(checks: Any, rows: Any) -> None:
    assert checks("schema").state == "ok"
    rows("update schema_scripts set checksum = 'older' where name = 'functions/chat.sql'")
    check = checks("schema")
    assert (check.state, check.script) == ("warn", "functions/chat.sql")


def test_several_older_scripts_are_one_paste(checks: Any, rows: Any) -> None:
    rows("update schema_scripts set checksum = 'older' where name like 'functions/%%'")
    check = checks("schema")
    assert (check.state, check.script) == ("warn", "supabase.sql")
    assert all(f"record_script('{name}'" in check.statements for name in SCRIPTS)


@pytest.mark.both_modes
def test_image_storage_fails_when_it_cannot_be_written(checks: Any, app: Flask, tmp_path: Path) -> None:
    assert checks("images").state == "ok"
    (tmp_path / "a file").touch()
    app.extensions["images"] = FileStore(tmp_path / "a file")
    assert checks("images").state == "fail"


def test_realtime_fails_when_nothing_listens(checks: Any) -> None:
    assert checks("realtime").state == "fail"


@pytest.mark.both_modes
def test_realtime_fails_when_an_event_does_not_come_back(checks: Any, app: Flask, monkeypatch: Any) -> None:
    monkeypatch.setattr("supportchat.status.checks.PING_SECONDS", 0.1)
    app.extensions["hub"].events = Events()
    assert "did not arrive" in checks("realtime").text


def test_assignment_says_who_could_take_a_chat(checks: Any, alice: Agent) -> None:
    check = checks("assignment")
    assert (check.state, check.text) == ("ok", "1 of 3 agents available · 0 of 3 tickets")


def test_assignment_warns_when_nobody_could(checks: Any) -> None:
    check = checks("assignment")
    assert check.state == "warn"
    assert "No agents online" in check.text


def test_assignment_fails_when_a_ticket_waits_although_somebody_has_room(
    checks: Any, web: Web, rows: Any, alice: Agent
) -> None:
    alice.call("set_availability", availability="away")
    web.customer()
    rows("update agents set availability = 'available'")
    rows("alter table tickets disable trigger guard_ticket")
    rows("update tickets set updated_at = now() - interval '1 minute'")
    check = checks("assignment")
    assert check.state == "fail"
    assert "#1001" in check.text


def test_assignment_fails_when_nobody_sweeps(checks: Any, rows: Any, alice: Agent) -> None:
    rows("update server_processes set swept_at = now() - interval '2 minutes'")
    assert checks("assignment").state == "fail"


@pytest.mark.both_modes
def test_the_page_shows_checks_figures_and_verify_queries(web: Web, alice: Agent) -> None:
    web.customer("Find me in the query")
    page = web.agent("carol").get("/status").get_data(as_text=True)
    for part in (
        "user_sessions",
        "Image storage",
        "Live connections",
        "SELECT * FROM tickets WHERE channel = &#39;web-chat&#39; ORDER BY created_at DESC LIMIT 5;",
        "Find me in the query",
        "Alice Kern",
    ):
        assert part in page


def test_the_page_stands_when_the_database_is_half_there(web: Web, rows: Any) -> None:
    admin = web.agent("carol")
    rows("drop function desk_figures() cascade")
    rows("drop function verify_chat() cascade")
    answer = admin.get("/status")
    assert answer.status_code == 200
    assert "desk_figures" in answer.get_data(as_text=True)


def test_no_secret_is_on_the_page(web: Web, config: Any, rows: Any) -> None:
    web.customer()
    page = web.agent("carol").get("/status").get_data(as_text=True)
    [(password_hash,)] = rows("select password_hash from agent_credentials limit 1")
    hashes = [value for (value,) in rows("select token_hash from agent_sessions union select token_hash from visitors")]
    for secret in (password_hash, *hashes):
        assert secret not in page


@pytest.mark.both_modes
def test_machines_learn_whether_it_lives_and_can_serve(web: Web, rows: Any) -> None:
    browser = web.visitor()
    assert browser.get("/healthz").get_json() == {"status": "ok"}
    assert browser.get("/readyz").get_json() == {"status": "ok"}
    rows("drop function start_chat")
    assert browser.get("/healthz").status_code == 200
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "schema_missing")


def test_a_server_that_refuses_what_every_conversation_asks_it_is_not_ready(web: Web, rows: Any) -> None:
    rows(
        "create or replace function public.database_epoch() returns text language plpgsql as"
        " 'begin raise insufficient_privilege using message = ''permission denied for function f''; end'"
    )
    browser = web.visitor()
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "schema_missing")
    browser.post("/chat", message="Hello")
    assert browser.get("/chat").status_code == 503


def test_who_has_an_answer_does_not_wait_for_one(web: Web, cast: Cast, alice: Agent, rows: Any) -> None:
    admin = web.agent("carol")
    assert "no one is waiting" in admin.get("/status").text
    answered, waiting = cast.visitor(), cast.visitor()
    answered.start()
    alice.reply(answered.chat["number"])
    alice.call("unassign_ticket", number=answered.chat["number"])
    rows("update tickets set created_at = now() - interval '3 hours'")
    assert "all have been answered" in admin.get("/status").text
    alice.call("set_availability", availability="away")
    waiting.start()
    rows("update tickets set awaiting_since = now() - interval '5 minutes' where awaiting_since is not null")
    assert "longest wait: 5 min" in admin.get("/status").text


def test_a_processs_sockets_are_counted_until_it_goes(database: Database) -> None:
    process = new_id()
    database.call("report_process", process_id=process, sockets=7, came=[], left=[], token_hashes=[])
    assert database.call("desk_figures")["sockets"] == 7
    database.call("forget_process", process_id=process)
    assert database.call("desk_figures")["sockets"] == 0


def test_since_when_a_check_fails_is_said_once_it_has_been_seen_for_a_while_and_forgotten_when_it_passes() -> None:
    seen, start = FirstSeen(), datetime(2026, 11, 26, 9, 12, tzinfo=UTC)

    def since(state: str, minutes: int) -> str:
        check = Check("database", "tickets", state, "")
        seen.note([check], start + timedelta(minutes=minutes))
        return check.since

    assert since("fail", 0) == ""
    assert since("fail", 5) == "2026-11-26T09:12:00+00:00"
    assert since("warn", 302) == "2026-11-26T09:12:00+00:00"
    assert since("ok", 303) == since("fail", 304) == ""


def test_a_problem_stands_first_with_its_script_folded(web: Web, rows: Any) -> None:
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    page = web.agent("carol").get("/status").text
    places = [page.index(word) for word in ("attention", "Copy script", "Show the script", "Waiting now")]
    assert places == sorted(places)
    assert re.search(r"<details[^>]*>\s*<summary>\s*<svg.*?Show the script", page, re.DOTALL)


@pytest.mark.parametrize(
    ("states", "waiting", "sentence"),
    [
        ("ok ok", 0, "Everything works"),
        ("ok ok", 1, "Everything works"),  # it is given to somebody the next moment
        ("ok warn", 0, "Everything works, with 1 warning"),
        ("warn warn", 0, "Everything works, with 2 warnings"),
        ("ok warn", 1, "1 customer is waiting"),
        ("ok warn", 112, "112 customers are waiting"),
        ("warn fail", 112, "1 problem needs attention"),
    ],
)
def test_the_headline_says_what_is_broken_or_who_waits(states: str, waiting: int, sentence: str) -> None:
    assert headline([Check("", "", state, "") for state in states.split()], waiting)[1] == sentence
