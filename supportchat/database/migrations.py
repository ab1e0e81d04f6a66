"""Applies the scripts under `sql/` to a Postgres: those that it has not seen in their present form.

Each script ends by recording itself: its name, and a stamp that its text gives. So a database knows its version also
when somebody has pasted the scripts into an SQL editor. After a change in `sql/`, write the stamps anew:
`bin/migrate stamp`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from flask_babel import ngettext

from ..config import Config, ConfigError
from ..server.embedded import EmbeddedPostgres
from . import names, scripts
from .bundle import bundles
from .scripts import BASE, REMOVAL, SCRIPTS, base_text, own_names, script_text

# What the look at the head of each script fails with: a name is somebody else's, or a table is another role's.
NAMES_TAKEN, OWNED_BY_OTHERS = "SC001", "SC002"
ATTEMPTS = 5  # at an update, which has to lock tables that a desk is at work on
STAMP = re.compile(r"(?<=^select _supportchat\.record_script\(')([\w/]+\.sql)', '([0-9a-f]{12})(?='\);$)", re.MULTILINE)


def statements(name: str) -> str:
    """Return the text of a script to be run with others in one transaction, after one look at the names."""
    return re.sub(r"^(?:begin|commit);\n", "", names.LOOK.sub("", script_text(name)), flags=re.MULTILINE)


@functools.lru_cache(maxsize=len(SCRIPTS))  # /status asks for all of them
def checksum(text: str) -> str:
    """Return the stamp of a script: 12 digits of the SHA-256 of its text, without the stamp itself and without the look
    at its head, which leaves nothing behind."""
    return hashlib.sha256(names.LOOK.sub("", STAMP.sub(r"\1', '", text)).encode()).hexdigest()[:12]


def checksums() -> dict[str, str]:
    """Return the name and the stamp of every script, in the order in which they run."""
    return {name: checksum(script_text(name)) for name in SCRIPTS}


def stamp() -> list[str]:
    """Write every file of `stamped` that differs, and return the paths of those."""
    changed = {path: text for path, text in stamped().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return [str(path.relative_to(scripts.FOLDER.parent)) for path in changed]


def stamped() -> dict[Path, str]:
    """Return the right text of every script, with the look and its stamp, and of what is made of them."""
    own = own_names()
    texts = {}
    for name in SCRIPTS:
        text = names.with_look(script_text(name)) if name != BASE else names.with_look(base_text(), names.look(own))
        texts[name] = STAMP.sub(rf"{name}', '{checksum(text)}", text)
    right = {**texts, REMOVAL: names.removal(own)}
    return {
        **{scripts.FOLDER / name: text for name, text in right.items()},
        **bundles(scripts.FOLDER.parent, texts.values(), names.look(own)),
    }


def warn(sentence: str) -> None:
    """Show a person what they should look at."""
    print(f"look: {sentence}")


def migrate(conninfo: str, tell: Callable[[str], None] = warn, *, adopt: bool = False) -> list[str]:
    """Run what is missing, all in one transaction, and give the names of the scripts that ran.

    :param adopt: whether tables under our names that look like nobody's we know are an older desk's all the same.
    :param tell: called with each sentence in which a script says what it found and could not put right, or took away.
    :raise psycopg.Error: `describe_failure` says what it means.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _migrate(conninfo, tell, adopt)
        except psycopg.errors.DeadlockDetected:
            pass  # with the processes of a desk at work; it changed nothing
    return _migrate(conninfo, tell, adopt)


def names_taken(connection: psycopg.Connection[Any]) -> str:
    """Say what stands under our names in a database and is not ours; nothing where there is no such thing."""
    try:
        with connection.transaction():
            connection.execute(names.look(own_names()).encode())
    except psycopg.Error as error:
        return describe_failure(error) if error.sqlstate == NAMES_TAKEN else ""
    return ""


def _migrate(conninfo: str, tell: Callable[[str], None], adopt: bool) -> list[str]:
    said: list[str] = []

    def on_notice(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            said.append(f"{notice.message_primary}.")

    with psycopg.connect(conninfo, connect_timeout=5) as connection:
        connection.add_notice_handler(on_notice)
        # Supabase cuts a statement off after 2 minutes, and a large database of an older version may need longer.
        connection.execute("set local statement_timeout = 0")
        # Two servers that start at once must not both create the tables.
        connection.execute("select pg_advisory_xact_lock(7308332044)")
        applied = _applied(connection)
        if "functions/status.sql" in applied and _lacks_bucket(connection):
            applied.pop(BASE, None)
        missing = {name: stamp for name, stamp in checksums().items() if applied.get(name) != stamp}
        if missing:
            connection.execute("select set_config('supportchat.adopt', %s, true)", ("yes" if adopt else "",))
            connection.execute(names.look(own_names()).encode())
        for name in missing:
            try:
                connection.execute(statements(name).encode())
            except psycopg.Error as error:
                error.add_note(f"sql/{name}")
                raise
        for name, right in missing.items():
            # What the script has recorded itself, unless somebody has changed it and not stamped it.
            connection.execute("select _supportchat.record_script(%s, %s)", (name, right))
        # PostgREST may have missed it before; somebody who runs this because it says so must not have to know.
        connection.execute("notify pgrst, 'reload schema'")
    for sentence in said:
        tell(sentence)
    return list(missing)


def _lacks_bucket(connection: psycopg.Connection[Any]) -> bool:
    # Deleted since, or not made yet because the project's Storage had not set itself up.
    if connection.execute("select to_regprocedure('_supportchat.check_bucket()')").fetchone() == (None,):
        return False
    [bucket] = connection.execute("select _supportchat.check_bucket()").fetchone() or (None,)
    return bucket is not None and not bucket["exists"]


def describe_failure(error: psycopg.Error) -> str:
    """Say why `migrate` has changed nothing: in a sentence, or with what the look at the names says."""
    if error.sqlstate in (NAMES_TAKEN, OWNED_BY_OTHERS):
        return error.diag.message_primary or ""
    reason = " ".join((error.diag.message_primary or str(error)).split()).rstrip(".?")
    if error.sqlstate is None:  # no server has said it
        return f"Cannot connect to Postgres at DATABASE_URL: {reason}."
    script = "".join(getattr(error, "__notes__", ())) or "The update of the database"
    return f"{script} failed, and nothing was changed: {reason}."


def advice(conninfo: str) -> list[str]:
    """Say in sentences what a person should look at: rows that refer to nothing, a bucket that is open to everybody."""
    with psycopg.connect(conninfo, connect_timeout=5) as connection:
        orphans, bucket = connection.execute("select public.orphan_rows(), _supportchat.check_bucket()").fetchone() or (
            [],
            None,
        )
    sentences = [f"{orphan['table']}: {describe_orphans(orphan)}. They are kept." for orphan in orphans]
    if bucket and bucket["public"]:
        sentences.append(
            "The bucket chat-images is public: whoever knows an address sees the picture. Make it private in the"
            " dashboard under Storage; the desk does not need it to be public."
        )
    return sentences


def describe_orphans(orphan: dict[str, Any]) -> str:
    """Say in words what one entry of `orphan_rows()` means."""
    return ngettext(
        "%(num)s row refers to a missing row of %(table)s (%(column)s; id %(ids)s)",
        "%(num)s rows refer to missing rows of %(table)s (%(column)s; id %(ids)s)",
        orphan["count"],
        table=orphan["refers_to"],
        column=orphan["column"],
        ids=", ".join(orphan["ids"]),
    )


def _applied(connection: psycopg.Connection[Any]) -> dict[str, str]:
    # Somebody else's table of that name has not our policy, or has it without our function.
    marks = """
        select count(*) from pg_policy
        where polrelid = to_regclass('public.schema_scripts') and polname = 'server_only' and not polpermissive
            and exists (
                select from pg_proc where proname = 'record_script' and proargnames = '{p_name,p_checksum}'
            )
    """
    if connection.execute(marks).fetchone() != (1,):
        return {}
    return dict(connection.execute("select name, checksum from public.schema_scripts").fetchall())


def main() -> int:
    """`bin/migrate`: bring the configured database up to date, say what was done, and give the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["stamp"]:
        print("\n".join(f"stamped {path}" for path in stamp()) or "All stamps are up to date.")
        return 0
    if arguments not in ([], ["--adopt"]):
        print("Usage: bin/migrate [--adopt | stamp]", file=sys.stderr)
        return 2
    try:
        config = Config.from_environment()
        if config.mode == "embedded":
            where: contextlib.AbstractContextManager[str] = EmbeddedPostgres(config.data_dir).running()
        elif config.database_url:
            where = contextlib.nullcontext(config.database_url)
        else:
            raise ConfigError("Set DATABASE_URL to the connection string of the project's database.")
        with where as conninfo:
            sentences: list[str] = []
            applied = migrate(conninfo, sentences.append, adopt=bool(arguments))
            sentences += advice(conninfo)
    except ConfigError as error:
        print(f"supportchat: {error}", file=sys.stderr)
        return 1
    except psycopg.Error as error:
        print(f"supportchat: {describe_failure(error)}", file=sys.stderr)
        return 1
    for name in applied:
        print(f"applied sql/{name}")
    for sentence in sentences:
        warn(sentence)
    print("The database is up to date." if applied else "The database is already up to date.")
    return 0
