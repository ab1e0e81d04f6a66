"""What is made of the scripts: one paste for the SQL editor, and a migration for the Supabase CLI."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from supportchat.config import ROOT
from supportchat.database.bundle import PASTE
from supportchat.database.migrations import checksums, migrate, stamped
from supportchat.database.scripts import SCRIPTS, script_text
from tests.variants import first

from .conftest import MakeDatabase
from .test_others import app_database, dump
from .test_upgrade import applied, make, old_database, paste, plain, run_script

__all__ = ["make", "plain"]

MIGRATION = max((ROOT / "supabase" / "migrations").iterdir())
# What the CLI takes for one statement: up to a semicolon that stands in no comment, quotes or dollars.
STATEMENT = re.compile(r"(?:--[^\n]*|'[^']*'|\"[^\"]*\"|\$(\w*)\$.*?\$\1\$|[^;])+", re.DOTALL)


def push(conninfo: str, path: Path = MIGRATION) -> None:
    """Run a file as `supabase db push` does: statement by statement in a pipeline, which is one transaction."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.prepare_threshold = None
        with connection.pipeline():
            for statement in STATEMENT.finditer(path.read_text()):
                connection.execute(statement[0].encode())


def push_with_savepoints(conninfo: str) -> None:
    """Run it as a client does that puts a savepoint before each statement, such as psql with ON_ERROR_ROLLBACK."""
    with psycopg.connect(conninfo) as connection, connection.transaction():
        for statement in STATEMENT.finditer(MIGRATION.read_text()):
            with connection.transaction():
                connection.execute(statement[0].encode())


def paste_each(conninfo: str) -> None:
    """Paste the scripts one after the other."""
    for name in SCRIPTS:
        run_script(conninfo, name)


def paste_twice(conninfo: str) -> None:
    """Paste it by mistake once more."""
    paste(conninfo)
    paste(conninfo)


WAYS: dict[str, Callable[[str], object]] = {
    "bin/migrate": migrate,
    "each script": paste_each,
    "one paste": paste_twice,
    "supabase db push": push,
}


@contextlib.contextmanager
def database(make: MakeDatabase, version: str) -> Iterator[str]:
    with make() if version == "none" else old_database(make, version) as conninfo:
        yield conninfo


@pytest.mark.parametrize("version", first(["none", "legacy", "legacy_keys"], 2))
def test_every_way_to_set_a_database_up_gives_the_same_schema(make: MakeDatabase, version: str) -> None:
    schemas = {}
    for name, way in WAYS.items():
        with database(make, version) as conninfo:
            way(conninfo)
            assert applied(conninfo) == checksums()
            schemas[name] = dump(conninfo, "--schema-only")
    assert "CREATE TABLE public.tickets" in schemas["bin/migrate"]
    for name, schema in schemas.items():
        assert schema.splitlines() == schemas["bin/migrate"].splitlines(), name


def test_a_client_that_sets_savepoints_closes_every_function_too(platform: MakeDatabase) -> None:
    with platform() as one, platform() as other:
        migrate(one)
        push_with_savepoints(other)
        assert dump(other, "--schema-only").splitlines() == dump(one, "--schema-only").splitlines()


def test_a_push_to_an_app_that_has_our_names_changes_nothing_of_it(platform: MakeDatabase) -> None:
    with app_database(platform, "seats") as conninfo:
        before = dump(conninfo)
        with pytest.raises(psycopg.Error, match="Nothing was changed, because this database has something else"):
            push(conninfo)
        assert dump(conninfo) == before


def test_a_push_that_fails_half_way_changes_nothing(plain: MakeDatabase, tmp_path: Path) -> None:
    failing = tmp_path / "failing.sql"
    failing.write_text(f"{MIGRATION.read_text()}\nselect 1 / 0;")
    with plain() as conninfo:
        before = dump(conninfo)
        with pytest.raises(psycopg.errors.DivisionByZero):
            push(conninfo, failing)
        assert dump(conninfo) == before


def test_every_bundle_is_made_of_the_scripts_as_they_are() -> None:
    for path, text in stamped().items():
        assert path.exists(), "run bin/migrate stamp"
        assert path.read_text() == text, "run bin/migrate stamp"


def test_the_paste_fits_into_the_editor_and_waits_for_nobody() -> None:
    text = script_text(PASTE)
    assert len(text) < 980_000
    assert text.index("set constraints all immediate;") < text.index("alter table")
    assert "concurrently" not in text
    assert text.count("do $look$") == 1


def test_the_cli_takes_the_name_of_the_migration_and_makes_the_transaction() -> None:
    assert re.search(r"^[0-9]{14}_supportchat\.sql$", MIGRATION.name)
    assert re.findall(r"^\s*(commit|rollback|begin);", MIGRATION.read_text(), re.MULTILINE) == []
