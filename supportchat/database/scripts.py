"""The scripts of `sql/`: their order, their text, and the names that they take in a database."""

from __future__ import annotations

from pathlib import Path

from .names import Names, names_in

FOLDER = Path(__file__).parents[2] / "sql"
SCRIPTS = (
    "supabase_schema.sql",
    "fix_foreign_keys.sql",
    "fix_user_sessions_columns.sql",
    "functions/limits.sql",
    "functions/messages.sql",
    "functions/assignment.sql",
    "functions/chat.sql",
    "functions/tickets.sql",
    "functions/agents.sql",
    "functions/status.sql",
)
BASE = SCRIPTS[0]
REMOVAL = "remove.sql"


def script_text(name: str) -> str:
    """Return the text of a script."""
    return (FOLDER / name).read_text(encoding="utf-8")


def own_names() -> Names:
    """Return the names that the desk takes in a database."""
    return names_in(script_text(name) for name in SCRIPTS)
