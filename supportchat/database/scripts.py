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
    "functions/rights.sql",
    "functions/audit.sql",
    "functions/events.sql",
    "functions/settings.sql",
    "functions/folding.sql",
    "functions/sites.sql",
    "functions/persons.sql",
    "functions/messages.sql",
    "functions/processes.sql",
    "functions/tags.sql",
    "functions/assignment.sql",
    "functions/bans.sql",
    "functions/spam.sql",
    "functions/conversations.sql",
    "functions/marks.sql",
    "functions/mentions.sql",
    "functions/chat.sql",
    "functions/pictures.sql",
    "functions/drafts.sql",
    "functions/held.sql",
    "functions/queue.sql",
    "functions/tickets.sql",
    "functions/notes.sql",
    "functions/snooze.sql",
    "functions/search.sql",
    "functions/views.sql",
    "functions/bulk.sql",
    "functions/undo.sql",
    "functions/replies.sql",
    "functions/agents.sql",
    "functions/logins.sql",
    "functions/two_factor.sql",
    "functions/account.sql",
    "functions/people.sql",
    "functions/links.sql",
    "functions/widget.sql",
    "functions/identities.sql",
    "functions/alerts.sql",
    "functions/privacy.sql",
    "functions/exposures.sql",
    "functions/status.sql",
)
BASE = SCRIPTS[0]
REMOVAL = "remove.sql"
# What BASE is put together from.
PARTS = tuple(f"schema/{name}.sql" for name in ("tables", "tools", "upgrade", "rules", "access", "storage"))
_HEAD = """\
-- supabase_schema.sql creates every table of supportchat.
-- Run it first; it is safe to run again. A database that an older version left behind is brought up to date: what is
-- missing is added, and where a value has to change, the old one stays in the column "legacy" of the row, or in a
-- column "legacy_..." beside the new one. No row is deleted.
-- Foreign keys follow in fix_foreign_keys.sql, channel and is_anonymous in fix_user_sessions_columns.sql.
-- Written by bin/migrate stamp from the files in sql/schema: change it there.

begin;

"""
_TAIL = f"""
select _supportchat.record_script('{BASE}', '000000000000');

notify pgrst, 'reload schema';

commit;
"""


def script_text(name: str) -> str:
    """Return the text of a script."""
    return (FOLDER / name).read_text(encoding="utf-8")


def base_text() -> str:
    """Return the text of BASE as its parts make it, without the look and the stamp."""
    return _HEAD + "\n".join(script_text(part) for part in PARTS) + _TAIL


def own_names() -> Names:
    """Return the names that the desk takes in a database."""
    return names_in([base_text(), *(script_text(name) for name in SCRIPTS[1:])])
