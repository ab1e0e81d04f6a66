"""Applies the scripts under `sql/` to a Postgres: those that it has not seen in their present form."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from typing import Any

import psycopg

from ..config import ROOT, Config, ConfigError
from ..embedded import EmbeddedPostgres

SCRIPTS = (
    "supabase_schema.sql",
    "fix_foreign_keys.sql",
    "fix_user_sessions_columns.sql",
    "functions/messages.sql",
    "functions/assignment.sql",
    "functions/chat.sql",
    "functions/tickets.sql",
    "functions/agents.sql",
    "functions/status.sql",
)


def script_text(name: str) -> str:
    """Give the text of a script of `sql/`."""
    return (ROOT / "sql" / name).read_text(encoding="utf-8")


def checksums() -> dict[str, str]:
    """Give the name and the SHA-256 of every script, in the order in which they run."""
    return {name: hashlib.sha256(script_text(name).encode()).hexdigest() for name in SCRIPTS}


def migrate(conninfo: str) -> list[str]:
    """Run what is missing, all in one transaction, and give the names of the scripts that ran."""
    with psycopg.connect(conninfo, connect_timeout=5) as connection:
        # Two servers that start at once must not both create the tables.
        connection.execute("select pg_advisory_xact_lock(7308332044)")
        applied = _applied(connection)
        missing = {name: checksum for name, checksum in checksums().items() if applied.get(name) != checksum}
        for name in missing:
            connection.execute(script_text(name).encode())
        for name, checksum in missing.items():
            connection.execute(
                "insert into public.schema_scripts (name, checksum) values (%s, %s)"
                " on conflict (name) do update set checksum = excluded.checksum, applied_at = now()",
                (name, checksum),
            )
    return list(missing)


def _applied(connection: psycopg.Connection[Any]) -> dict[str, str]:
    if connection.execute("select to_regclass('public.schema_scripts')").fetchone() == (None,):
        return {}
    return dict(connection.execute("select name, checksum from public.schema_scripts").fetchall())


def main() -> int:
    """`bin/migrate`: bring the configured database up to date, say what was done, and give the exit code."""
    try:
        config = Config.from_environment()
        if config.mode == "embedded":
            where: contextlib.AbstractContextManager[str] = EmbeddedPostgres(config.data_dir).running()
        elif config.database_url:
            where = contextlib.nullcontext(config.database_url)
        else:
            raise ConfigError("Set DATABASE_URL to the connection string of the project's database.")
        with where as conninfo:
            applied = migrate(conninfo)
    except (ConfigError, psycopg.Error) as error:
        print(f"supportchat: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    for name in applied:
        print(f"applied sql/{name}")
    print("The database is up to date." if applied else "The database was up to date already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
