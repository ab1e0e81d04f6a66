"""What the Supabase CLI finds in `supabase/` beside the migrations: the project, the demo people, and a test."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from supportchat.agents.passwords import is_right_password
from supportchat.config import ROOT
from supportchat.demo import AGENTS

from .conftest import superuser_of_project
from .test_bundle import MIGRATION, push

FOLDER = ROOT / "supabase"
SEED = FOLDER / "seed.sql"
LOCAL = "super-secret-jwt-token-with-at-least-32-characters-long"


def test_the_bucket_and_the_live_events_are_as_the_desk_wants_them(project_rows: Any) -> None:
    config = tomllib.loads((FOLDER / "config.toml").read_text())
    [(is_public, size, types)] = project_rows("select public, file_size_limit, allowed_mime_types from storage.buckets")
    bucket = config["storage"]["buckets"]["chat-images"]
    assert bucket == {"public": is_public, "file_size_limit": f"{size // 2**20}MiB", "allowed_mime_types": types}
    assert config["realtime"]["enabled"]


def seeded(conninfo: str, secret: str) -> dict[tuple[str, str, str], str]:
    """Set a project up as `supabase start` does, and give the people in it with what is kept of their passwords."""
    with psycopg.connect(superuser_of_project(conninfo), autocommit=True) as superuser:
        superuser.execute(
            sql.SQL("alter database {} set app.settings.jwt_secret = {}").format(
                sql.Identifier(superuser.info.dbname), secret
            )
        )
    for name in (MIGRATION, SEED, SEED):
        push(conninfo, name)
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "select name, email, role, password_hash from agents join agent_credentials on agent_id = agents.id"
        ).fetchall()
        return {(name, email, role): password_hash for name, email, role, password_hash in rows}


def test_a_local_project_has_the_demo_people_with_the_password_that_is_written_there(new_project: str) -> None:
    people = seeded(new_project, LOCAL)
    assert set(people) == set(AGENTS)
    assert "try-the-desk" in SEED.read_text()
    [kept] = set(people.values())
    assert is_right_password(kept, "try-the-desk")


def test_no_other_project_gets_people_with_a_password_that_everybody_knows(new_project: str) -> None:
    assert seeded(new_project, "the secret of a project on the internet") == {}


def run_test(conninfo: str, *before: str) -> list[str]:
    """Run the test of the folder as psql does, with pgTAP if the Postgres has it, and give what it says."""
    with psycopg.connect(superuser_of_project(conninfo), autocommit=True) as superuser:
        [has_pgtap] = superuser.execute("select 'pgtap' in (select name from pg_available_extensions)").fetchall()[0]
        if has_pgtap:
            superuser.execute("create extension if not exists pgtap schema extensions")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if not has_pgtap:
            connection.execute((Path(__file__).parent / "pgtap.sql").read_bytes())
        for statement in before:
            connection.execute(statement.encode())
        cursor = connection.execute((FOLDER / "tests" / "access.test.sql").read_bytes())
        said = []
        while True:
            if cursor.description:
                said += [line for (text,) in cursor.fetchall() for line in text.splitlines()]
            if not cursor.nextset():
                return said


def test_the_test_of_the_folder_finds_that_a_browsers_keys_reach_nothing(project: str) -> None:
    plan, *said = run_test(project)
    assert plan == f"1..{len(said)}"
    assert [line for line in said if not line.startswith("ok ")] == []


OPENED = {
    "grant usage on schema _supportchat to anon": "no helper can be named, and nothing can be made",
    "grant select on tickets to anon": "no table can be read or written",
    "grant update (name) on agents to authenticated": "no column can be read or written",
    "grant usage on sequence ticket_numbers to authenticated": "no sequence can be used",
    "grant execute on function list_agents() to public": "no function can be called",
    "alter table agents disable row level security": "row-level security is on for every table",
}


def test_it_finds_what_somebody_has_opened(project: str) -> None:
    said = run_test(project, *OPENED)
    failed = [line.partition(" - ")[2] for line in said if line.startswith("not ok ")]
    assert [name for name in OPENED.values() if name not in failed] == []
