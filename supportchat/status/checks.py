"""The checks of /status. Each one does the thing it speaks of, and fails when the thing does."""

from __future__ import annotations

import functools
import io
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gevent.event import Event

from ..database import FUNCTIONS, Database, DatabaseError, Unavailable
from ..database.bundle import PASTE
from ..database.migrations import checksums, describe_orphans
from ..database.scripts import SCRIPTS, script_text
from ..images.pipeline import new_key
from ..images.stores import ImageStore, StoreUnavailable
from ..realtime.hub import Hub
from ..rendering.filters import capacity, why_unassigned

PING_SECONDS = 2.0
NAMES_TAKEN = "Something else has the names that supportchat needs."


@dataclass
class Check:
    """One line of the page: `state` is 'ok', 'warn' or 'fail'; `mend` says what to do, `script` names what to run."""

    group: str
    name: str
    state: str
    text: str
    mend: str = ""
    script: str = ""
    milliseconds: float = 0.0
    details: list[str] = field(default_factory=list)
    since: str = ""  # the ISO 8601 moment at which this process first saw it fail, once that is a while ago

    @property
    def script_text(self) -> str:
        """Return the text of the script, to be copied into an SQL editor."""
        return script_text(self.script) if self.script else ""


Finding = tuple[str, str, str, str]  # state, text, mend, script


class Checks:
    """Everything that a working desk needs, asked one after the other."""

    def __init__(self, database: Database, images: ImageStore, hub: Hub) -> None:
        self._database = database
        self._images = images
        self._hub = hub

    def run(self) -> list[Check]:
        """Do every check, and give what it found and how long it took."""
        return list(self._run())

    def _run(self) -> Iterator[Check]:
        yield self._timed("Database", "Connection", self._connection)
        yield self._timed("Database", "Version of the schema", self._schema)
        for table in ("user_sessions", "chat_messages", "tickets", "agents"):
            yield self._timed("Database", table, functools.partial(self._table, table))
        yield self._timed("Services", "Realtime", self._realtime)
        yield self._timed("Services", "Image storage", self._image_storage)
        yield self._timed("Services", "Assignment", self._assignment)

    def _timed(self, group: str, name: str, look: Callable[[], Finding]) -> Check:
        start = time.perf_counter()
        try:
            state, text, mend, script = look()
        except DatabaseError as error:
            state, text, mend, script = "fail", *self._described(error), ""
        return Check(group, name, state, text, mend, script, (time.perf_counter() - start) * 1000)

    def _described(self, error: DatabaseError) -> tuple[str, str]:
        if error.code == "schema_missing":
            if taken := self._database.names_taken():
                return NAMES_TAKEN, taken
            mend = (
                f"Run bin/migrate, or paste sql/{PASTE} into the SQL editor. Where something else has the names that"
                " supportchat needs, both say so and change nothing."
            )
            return f"A function, a table or the right to use it is missing: {error.detail}", mend
        if error.code == "schema_not_exposed":
            mend = "Turn the project's Data API on, and expose the schema public (Settings, Data API)."
            return f"The project's Data API is off, or does not expose our schema: {error.detail}", mend
        if error.code == "key_refused":
            mend = "Set SUPABASE_SECRET_KEY to the secret key of the project (Settings, API Keys), and start again."
            return "The project refuses our key.", mend
        return "The database does not answer.", self._database.advice

    def _connection(self) -> Finding:
        missing = self._database.call("missing_functions", names=sorted(FUNCTIONS))
        if missing:
            raise Unavailable("schema_missing", ", ".join(missing))
        return "ok", f"answers, and has all {len(FUNCTIONS)} functions", "", ""

    def _schema(self) -> Finding:
        applied = self._database.call("applied_scripts")
        missing = [name for name, checksum in checksums().items() if applied.get(name) != checksum]
        if not missing:
            return "ok", f"all {len(SCRIPTS)} scripts are applied", "", ""
        names = ", ".join(f"sql/{name}" for name in missing)
        return (
            "warn",
            f"{names} {'differs' if len(missing) == 1 else 'differ'} from what was applied last",
            "Run bin/migrate, or paste the script into the SQL editor. It is safe to run again and loses no row.",
            missing[0] if len(missing) == 1 else PASTE,
        )

    def _table(self, table: str) -> Finding:
        found = self._database.call("check_table", table=table)
        problems = _problems(found) if found["exists"] else [("is missing", "supabase_schema.sql")]
        if problems:
            if taken := self._database.names_taken():
                return "fail", NAMES_TAKEN, taken, ""
            text, script = problems[0]
            return "fail", text, "Run the script. It is safe to run again and loses no row.", script
        orphans = self._database.call("orphan_rows", table=table)
        if orphans:
            return (
                "warn",
                "; ".join(describe_orphans(orphan) for orphan in orphans),
                "They came with an older version, are kept, and are shown on no page. Delete them, or add what they"
                " belong to, and run the script: from then on the key holds for every row.",
                "fix_foreign_keys.sql",
            )
        rows = f"{found['rows']:,} row{'' if found['rows'] == 1 else 's'}"
        last = f", last {_moment(found['last_at'])}" if found["last_at"] else ""
        return "ok", rows + last, "", ""

    def _realtime(self) -> Finding:
        mend = (
            "Nothing is lost: new messages are found by looking every 2 seconds meanwhile, and the connection is tried"
            f" again by itself. If it stays like this: {self._hub.events.advice}"
        )
        if not self._hub.events.is_connected:
            return "fail", "This process hears no events.", mend, ""
        heard, nonce, start = Event(), secrets.token_hex(8), time.perf_counter()
        self._hub.expect_ping(nonce, heard.set)
        try:
            self._database.call("send_ping", nonce=nonce)
            if not heard.wait(PING_SECONDS):
                return "fail", f"An event did not come back within {PING_SECONDS:.0f} s.", mend, ""
        finally:
            self._hub.forget_ping(nonce)
        return "ok", f"an event came back after {(time.perf_counter() - start) * 1000:.1f} ms", "", ""

    def _image_storage(self) -> Finding:
        key, content = new_key(), secrets.token_bytes(64)
        mend = f"Text chat goes on. {self._images.advice}"
        try:
            if problems := self._images.problems():
                return "fail", problems[0], mend, ""
            self._images.put(key, io.BytesIO(content), "image/webp")
            try:
                with self._images.open(key) as file:
                    if file.read() != content:
                        return "fail", "What was stored came back changed.", mend, ""
            finally:
                self._images.delete(key)
        except (StoreUnavailable, OSError) as error:
            return "fail", f"A picture could not be stored: {error}.", mend, ""
        return "ok", "stored, read back and deleted a test file", "", ""

    def _assignment(self) -> Finding:
        figures = self._database.call("desk_figures")
        stuck = self._database.call("stuck_tickets")
        if stuck:
            numbers = ", ".join(f"#{number}" for number in stuck[:5])
            return (
                "fail",
                f"{numbers} {'is' if len(stuck) == 1 else 'are'} waiting although an agent has room.",
                "Restart the server; if it stays, look at its log.",
                "",
            )
        swept = figures["swept_seconds_ago"]
        if swept is None or swept > 60:
            return (
                "fail",
                "No server process has looked after the queue for a minute.",
                "Restart the server and look at its log.",
                "",
            )
        reason = figures["reason"]
        text = capacity(reason)
        if reason["code"] == "about_to_be_assigned":
            return "ok", text, "", ""
        mend = "New chats wait until an agent opens /agent and is available."
        if reason["code"] == "no_agents":
            mend = "Create one: .venv/bin/flask --app wsgi create-agent"
        elif reason["code"] == "everybody_full":
            mend = "New chats wait until a ticket is closed, or another agent opens /agent."
        why = why_unassigned(reason)
        return "warn", f"{why[0].upper()}{why[1:]}.", mend, ""


def _problems(found: dict[str, Any]) -> list[tuple[str, str]]:
    problems = []
    own = {"channel", "is_anonymous"} if found["table"] == "user_sessions" else set()
    for column in found["missing_columns"]:
        script = "fix_user_sessions_columns.sql" if column in own else "supabase_schema.sql"
        problems.append((f"the column {column} is missing", script))
    for column in found["missing_keys"]:
        problems.append((f"the foreign key of {column} is missing", "fix_foreign_keys.sql"))
    if not found["row_security"]:
        problems.append(("row-level security is off", "supabase_schema.sql"))
    return problems


def _moment(value: str) -> str:
    return datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M UTC")
