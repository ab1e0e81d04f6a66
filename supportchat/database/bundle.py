"""Puts the scripts of `sql/` together: into one paste for an SQL editor, and into a migration for the Supabase CLI.

Both run every script in order, in one transaction, after one look at the names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from . import names

PASTE = "supabase.sql"
SUPERSEDED = "-- The newest migration brings every database up to date, so this one has nothing left to do.\n"
_END = "notify pgrst, 'reload schema';\n\ncommit;\n"
_PASTE_HEAD = """\
-- supabase.sql sets up supportchat, or brings it up to date: paste it into Supabase's SQL editor and run it.
-- It is one transaction, loses no row, and is safe to run again. The editor stops after a minute or two: for a large
-- database of an older version use bin/migrate. Put together from the other scripts by bin/migrate stamp.

"""
_MIGRATION_HEAD = """\
-- Sets up supportchat, or brings it up to date, whichever way it was set up before. The Supabase CLI runs it in one
-- transaction. Put together from the scripts of sql/ by bin/migrate stamp.

-- Supabase stops a statement after 2 minutes, and a large database of an older version may need longer.
select set_config('statement_timeout', '0', true);

"""


def bundles(root: Path, scripts: Iterable[str], look: str) -> dict[Path, str]:
    """Return the bundles under `root` with their right text, made of the texts of all scripts in order."""
    parts = [names.LOOK.sub("", script).replace("begin;\n\n", "", 1).partition(_END) for script in scripts]
    body = f"{names.BEGIN}{look}{names.END}" + "".join(body for body, _, _ in parts)
    shown = parts[-1][2]  # what the last script shows after its commit
    return {
        root / "sql" / PASTE: f"{_PASTE_HEAD}begin;\n\n{body}{_END}{shown}",
        **_migrations(root, f"{_MIGRATION_HEAD}{body}notify pgrst, 'reload schema';\n"),
    }


def _migrations(root: Path, text: str) -> dict[Path, str]:
    # A migration that the changelog names belongs to a release: it is not rewritten, but followed by another one.
    folder = root / "supabase" / "migrations"
    present = sorted(folder.glob("*.sql"))
    if present and (present[-1].read_text(encoding="utf-8") == text or not _is_released(root, present[-1])):
        return {present[-1]: text}
    newest = folder / f"{datetime.now(UTC):%Y%m%d%H%M%S}_supportchat.sql"
    return {**dict.fromkeys(present, SUPERSEDED), newest: text}


def _is_released(root: Path, migration: Path) -> bool:
    return migration.name in (root / "CHANGELOG.md").read_text(encoding="utf-8")
