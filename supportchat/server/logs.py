"""The log: each event is one line, on standard error.

What strangers send, customers write and errors quote may get into a message. So every line goes through here: secrets
and phone numbers are shortened, texts in errors are left out, and what cannot be printed is escaped.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from os import environ
from types import TracebackType
from typing import Any

LONGEST = 3000  # characters: a line that a pipe takes in one piece does not get mixed with another process's
LONGEST_TRACE = 12
# Their messages name code or the system, and nothing that anybody has sent.
SAYING = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)
# Of Postgres: connections, what an operator did, resources, the schema. Others may quote a row or a value.
SAYING_STATES = ("08", "25", "28", "3D", "42", "53", "55", "57", "58")

_SECRETS = (
    # The password in an address or a connection string, and what is called one.
    (re.compile(r"(?<=://)([^\s/@:]*):[^\s@]+@"), r"\1:***@"),
    (
        re.compile(r"\b((?:password|passwd|secret|token|apikey|authorization|cookie)['\"]?\s*[=:]\s*)\S+", re.I),
        r"\1***",
    ),
    # The link is the secret.
    (re.compile(r"(/links/)[^\s'\"<>]+"), r"\1***"),
    # Queries: what is searched for, and signatures.
    (re.compile(r"(?<=[\w/%.-])\?[^\s'\"]+"), "?***"),
    # Keys: of Supabase, of browsers, of pictures. UUIDs are no secrets.
    (re.compile(r"\b(sb_secret_|sb_publishable_)[\w-]+"), r"\1***"),
    (
        re.compile(
            r"(?<![\w-])(?![0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-]))(?=[\w-]*\d|(?=[\w-]*[A-Z])[\w-]{36})"
            r"([\w-]{6})[\w-]{18,}(?:\.[\w-]+)*"
        ),
        r"\1***",
    ),
)
_DIGITS = re.compile(r"(?<![\w.:/-])\+?\(?\d[\d ()/-]{5,24}\d(?![\w:-]|\.\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class OneLine(logging.Formatter):
    """Writes an event as one line, for people (`text`) or for programs (`json`)."""

    def __init__(self, kind: str = "text") -> None:
        super().__init__()
        self._is_json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message, trace = clean(_message(record)), _trace(record.exc_info)
        if self._is_json:
            event = {"time": at, "level": record.levelname, "logger": record.name, "pid": record.process}
            event |= {"message": message} | ({"error": trace} if trace else {})
            return json.dumps(event, ensure_ascii=False)
        return f"{at} {record.levelname} {record.process} {record.name}: {message}" + (f" | {trace}" if trace else "")


def settings(kind: str) -> dict[str, Any]:
    """Return what `logging.config.dictConfig` takes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": OneLine, "kind": kind}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }


def chosen_format() -> str:
    """Return how lines are written: LOG_FORMAT, which `Config` has checked by the time it matters."""
    return "json" if environ.get("LOG_FORMAT") == "json" else "text"


def catch_the_rest() -> None:
    """Have what Python writes by itself, warnings and errors that nobody has caught, become events as well."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda told: _log_uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _log_uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def catch_greenlets() -> None:
    """Have gevent log an error in a greenlet, instead of printing it."""
    from gevent.hub import Hub

    def print_exception(hub: Any, context: Any, kind: Any, value: Any, trace: Any) -> None:
        _log_uncaught(kind, value, trace)

    Hub.print_exception = print_exception  # type: ignore[method-assign, assignment]


def clean(text: str) -> str:
    """Return a text for one line: without secrets and phone numbers, cut, with escapes for what cannot be printed."""
    text = text[: 2 * LONGEST]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    text = _DIGITS.sub(_shortened, text)
    # Escapes are ASCII: what is not printable includes lines and directions of Unicode, and halves of surrogates.
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _shortened(found: re.Match[str]) -> str:
    """Return the end of what may be a phone number: ten digits, or seven with a plus or something between them."""
    digits = re.sub(r"\D", "", found[0])
    if len(digits) < 7 or (digits == found[0] and len(digits) < 10) or _DATE.match(found[0]):
        return found[0]
    return f"***{digits[-2:]}"


def described(error: BaseException) -> str:
    """Return what may be said of an error: its type, and its message unless it may quote what somebody has written."""
    name = type(error).__name__
    # Not by its class: gunicorn's parent process would load psycopg before the standard library is patched.
    if hasattr(error, "sqlstate") and hasattr(error, "diag"):
        state = error.sqlstate or ""
        if state and not state.startswith(SAYING_STATES):
            return f"{name} ({state})"
        return f"{name}: {error.diag.message_primary or error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    if isinstance(error, SAYING) or type(error).__module__.startswith("supportchat."):
        return f"{name}: {error}"
    return name


def _message(record: logging.LogRecord) -> str:
    arguments: Any = record.args
    if isinstance(arguments, tuple):
        arguments = tuple(described(a) if isinstance(a, BaseException) else a for a in arguments)
    if isinstance(record.msg, BaseException):
        return described(record.msg)
    text = str(record.msg)
    return text % arguments if arguments else text


def _trace(caught: Any) -> str:
    """Return an error and where it came from, the innermost place first, with those that led to it."""
    parts: list[str] = []
    error = caught[1] if isinstance(caught, tuple) else None
    while error is not None and len(parts) < LONGEST_TRACE:
        places = [
            f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno} {frame.name}"
            for frame in reversed(traceback.extract_tb(error.__traceback__, -LONGEST_TRACE))
        ]
        parts.append(f"{described(error)} at {' < '.join(places)}" if places else described(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return clean("; after ".join(parts))


def _log_uncaught(kind: type[BaseException], value: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    error = value if value is not None else kind()
    logging.getLogger("supportchat").error("nobody caught this", exc_info=(kind, error, trace))
