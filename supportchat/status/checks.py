"""The checks of /status. Each one does what it checks, and fails if that fails."""

from __future__ import annotations

import functools
import io
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from gevent.event import Event

from ..alerts.words import alert_problem
from ..database import FUNCTIONS, Database, DatabaseError, Unavailable
from ..database.bundle import PASTE
from ..database.migrations import checksums, describe_orphans
from ..database.rows import AlertsCheck, CardCheck, DeskFigures
from ..database.scripts import SCRIPTS, script_text
from ..images.pipeline import new_key
from ..images.stores import ImageStore, StoreUnavailable
from ..realtime.hub import Hub
from ..rendering.filters import decimal
from ..rendering.reasons import capacity, has_room, what_helps, why_unassigned
from .exposures import describe
from .findings import Finding

PING_SECONDS = 2
GROUPS = {"database": lazy_gettext("Database"), "services": lazy_gettext("Services")}
# Those of the tables are called by the table's name.
NAMES = {
    "connection": lazy_gettext("Connection"),
    "access": lazy_gettext("Access"),
    "schema": lazy_gettext("Schema version"),
    "realtime": lazy_gettext("Realtime"),
    "images": lazy_gettext("Image storage"),
    "assignment": lazy_gettext("Assignment"),
    "alerts": lazy_gettext("Notifications"),
    "card": lazy_gettext("Customer card"),
    "provider": lazy_gettext("Login provider"),
    "proxy": lazy_gettext("Proxy"),
}


@dataclass
class Check:
    """One line of the page: what a check has found (see `Finding`), and how long that took."""

    group: str
    key: str
    state: str
    text: str
    fix: str = ""
    script: str = ""
    sql: str = ""
    milliseconds: float = 0.0
    since: str = ""  # ISO 8601: when this process first saw it fail, if that is a while ago

    @property
    def name(self) -> str:
        """Return its title on the page."""
        return str(NAMES.get(self.key, self.key))

    @property
    def statements(self) -> str:
        """Return what to run, for copying into an SQL editor."""
        return script_text(self.script) if self.script else self.sql


class Checks:
    """Everything that a working desk needs, checked in order."""

    def __init__(self, database: Database, images: ImageStore, hub: Hub) -> None:
        self._database = database
        self._images = images
        self._hub = hub
        self.figures: DeskFigures | None = None  # those that the last check has read

    def run(self) -> list[Check]:
        """Run every check, and return the results with their durations."""
        return list(self._run())

    def _run(self) -> Iterator[Check]:
        yield self._timed("database", "connection", self._connection)
        yield self._timed("database", "schema", self._schema)
        for table in ("user_sessions", "chat_messages", "tickets", "agents"):
            yield self._timed("database", table, functools.partial(self._table, table))
        yield self._timed("database", "access", self._access)
        yield self._timed("services", "realtime", self._realtime)
        yield self._timed("services", "images", self._image_storage)
        yield self._timed("services", "assignment", self._assignment)
        yield self._timed("services", "alerts", self._alerts)
        if card := self._card():
            yield self._timed("services", "card", functools.partial(_described_card, card))

    def _card(self) -> CardCheck | None:
        try:
            found: CardCheck | None = self._database.call("check_card")
        except DatabaseError:  # which other lines tell
            return None
        return found

    def _alerts(self) -> Finding:
        found: AlertsCheck = self._database.call("check_alerts")
        devices = ngettext("%(num)s device", "%(num)s devices", found["devices"])
        if not found["problems"]:
            shown = {"devices": devices, "arrived": found["arrived"], "sent": found["sent"]}
            return Finding(
                "ok", _("%(devices)s; within a day %(sent)s were notified and %(arrived)s showed it", **shown)
            )
        problems = " ".join(dict.fromkeys(alert_problem(code) for code in found["problems"]))
        fix = _(
            "The server has to reach the push services of browsers by https. Each agent sees their devices at /alerts."
        )
        return Finding("warn", f"{devices}. {problems}", fix)

    def _timed(self, group: str, key: str, look: Callable[[], Finding]) -> Check:
        start = time.perf_counter()
        try:
            found = look()
        except DatabaseError as error:
            found = Finding("fail", *self._described(error))
        return Check(group, key, *found, (time.perf_counter() - start) * 1000)

    def _described(self, error: DatabaseError) -> tuple[str, str]:
        match error.code:
            case "schema_missing":
                return self._described_as_missing(error.detail)
            case "schema_not_exposed":
                return (
                    _("The project’s Data API is off, or does not expose our schema: %(detail)s", detail=error.detail),
                    _("Turn on the project’s Data API and expose the schema public (Settings > Data API)."),
                )
            case "key_refused":
                return (
                    _("The project rejected our key."),
                    _("Set SUPABASE_SECRET_KEY to the project’s secret key (Settings > API Keys) and restart."),
                )
        return _("The database isn’t responding."), str(self._database.advice)

    def _described_as_missing(self, detail: str) -> tuple[str, str]:
        if taken := self._database.names_taken():
            return _names_taken(), taken
        return (
            _("A function, a table or a permission is missing: %(detail)s", detail=detail),
            _(
                "Run bin/migrate, or paste sql/supabase.sql into the SQL editor. If something else uses the names that"
                " supportchat needs, both say so and change nothing."
            ),
        )

    def _connection(self) -> Finding:
        missing = self._database.call("missing_functions", names=sorted(FUNCTIONS))
        if missing:
            raise Unavailable("schema_missing", ", ".join(missing))
        return Finding("ok", _("responding, all %(count)s functions found", count=len(FUNCTIONS)))

    def _schema(self) -> Finding:
        applied = self._database.call("applied_scripts")
        changed = [name for name, checksum in checksums().items() if applied.get(name) != checksum]
        if not changed:
            return Finding("ok", _("all %(count)s scripts are up to date", count=len(SCRIPTS)))
        return Finding(
            "warn",
            ngettext(
                "%(names)s has changed since it was last run.",
                "%(names)s have changed since they were last run.",
                len(changed),
                names=", ".join(f"sql/{name}" for name in changed),
            ),
            _("Run bin/migrate, or paste the script into the SQL editor. It is safe to run again and loses no rows."),
            changed[0] if len(changed) == 1 else PASTE,
        )

    def _table(self, table: str) -> Finding:
        found = self._database.call("check_table", table=table)
        if problem := _problem(found):
            if taken := self._database.names_taken():
                return Finding("fail", _names_taken(), taken)
            text, script = problem
            return Finding("fail", text, _("Run the script. It is safe to run again and loses no rows."), script)
        orphans = self._database.call("orphan_rows", table=table)
        if orphans:
            return Finding(
                "warn",
                "; ".join(describe_orphans(orphan) for orphan in orphans),
                _(
                    "They come from an older version. They are kept, but no page shows them. Delete them or add the"
                    " rows they refer to, then run the script: after that the key is enforced for every row."
                ),
                "fix_foreign_keys.sql",
            )
        return Finding("ok", _rows(found["rows"], found["last_at"]))

    def _access(self) -> Finding:
        return describe(self._database.call("find_exposures", names=sorted(FUNCTIONS)))

    def _realtime(self) -> Finding:
        fix = _(
            "Nothing is lost: meanwhile the server polls for new messages every 2 seconds and keeps trying to"
            " reconnect. If this persists: %(advice)s",
            advice=self._hub.events.advice,
        )
        if not self._hub.events.is_connected:
            return Finding("fail", _("This server process is not receiving events."), fix)
        heard, nonce, start = Event(), secrets.token_hex(8), time.perf_counter()
        self._hub.expect_ping(nonce, heard.set)
        try:
            self._database.call("send_ping", nonce=nonce)
            if not heard.wait(PING_SECONDS):
                text = _("A test event did not arrive within %(seconds)s seconds.", seconds=PING_SECONDS)
                return Finding("fail", text, fix)
        finally:
            self._hub.forget_ping(nonce)
        took = decimal(round((time.perf_counter() - start) * 1000, 1))
        return Finding("ok", _("a test event arrived after %(milliseconds)s ms", milliseconds=took))

    def _image_storage(self) -> Finding:
        key, content = new_key(), secrets.token_bytes(64)
        fix = _("Text messages still work. %(advice)s", advice=self._images.advice)
        try:
            if problems := self._images.problems():
                return Finding("fail", problems[0], fix)
            self._images.put(key, io.BytesIO(content), "image/webp")
            try:
                with self._images.open(key) as file:
                    if file.read() != content:
                        return Finding("fail", _("A stored file was different when read back."), fix)
            finally:
                self._images.delete(key)
        except (StoreUnavailable, OSError) as error:
            return Finding("fail", _("A picture could not be stored: %(error)s.", error=error), fix)
        return Finding("ok", _("stored, read back and deleted a test file"))

    def _assignment(self) -> Finding:
        figures: DeskFigures = self._database.call("desk_figures")
        self.figures = figures
        stuck = self._database.call("stuck_tickets")
        if stuck:
            text = ngettext(
                "%(numbers)s is waiting although an agent has room.",
                "%(numbers)s are waiting although an agent has room.",
                len(stuck),
                numbers=", ".join(f"#{number}" for number in stuck[:5]),
            )
            return Finding("fail", text, _("Restart the server. If this persists, check its log."))
        swept = figures["swept_seconds_ago"]
        if swept is None or swept > 60:
            text = _("No server process has checked the queue for a minute.")
            return Finding("fail", text, _("Restart the server and check its log."))
        reason = figures["reason"]
        if has_room(reason):
            return Finding("ok", capacity(reason))
        why = why_unassigned(reason)
        return Finding("warn", f"{why[0].upper()}{why[1:]}", what_helps(reason))


def _names_taken() -> str:
    return _("Something else uses the names that supportchat needs.")


def _problem(found: dict[str, Any]) -> tuple[str, str] | None:
    """Return the first thing that is missing from a table, and the script that adds it."""
    table, own = found["table"], {"channel", "is_anonymous"} if found["table"] == "user_sessions" else set()
    if not found["exists"]:
        return _("The table %(table)s is missing.", table=table), "supabase_schema.sql"
    for column in found["missing_columns"]:
        script = "fix_user_sessions_columns.sql" if column in own else "supabase_schema.sql"
        return _("The column %(column)s is missing.", column=column), script
    for column in found["missing_keys"]:
        return _("The foreign key on %(column)s is missing.", column=column), "fix_foreign_keys.sql"
    if not found["row_security"]:
        return _("Row-level security is off."), "supabase_schema.sql"
    return None


def _rows(count: int, last_at: str | None) -> str:
    rows = ngettext("%(count)s row", "%(count)s rows", count, count=decimal(count))
    if not last_at:
        return rows
    moment = datetime.fromisoformat(last_at).strftime("%Y-%m-%d %H:%M UTC")
    return _("%(rows)s, latest %(moment)s", rows=rows, moment=moment)


def _described_card(card: CardCheck) -> Finding:
    if not card["reads_only"]:
        text = _("support_card runs as %(owner)s, which may write.", owner=card["owner"])
        return Finding("warn", text, _("Give it an owner that may only read, as docs/identity.md shows."))
    if card["is_open"]:
        text = _("Everybody in the database may run support_card.")
        return Finding("warn", text, _("Revoke execute from public, as docs/identity.md shows."))
    return Finding("ok", _("support_card runs as %(owner)s, which only reads", owner=card["owner"]))
