"""What an operator reads about refusals and logins: what came, what was expected, which setting decides.

A stranger can neither write into the log by what they send nor fill it.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter

from flask import g, request

from ..database import Forbidden

log = logging.getLogger(__name__)
logins_log = logging.getLogger("supportchat.agents.logins")

LINES = 30  # of one kind
SECONDS = 60.0
LONGEST = 120
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class Quota:
    """Allows `LINES` lines of each kind in `SECONDS`, and counts the rest."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()
        self._until = 0.0

    def allows(self, kind: str) -> bool:
        """Count a line, and return whether it may be written."""
        if time.monotonic() >= self._until:
            self._begin()
        self._lines[kind] += 1
        return self._lines[kind] <= LINES

    def _begin(self) -> None:
        for kind, lines in self._lines.items():
            if lines > LINES:
                log.warning("%s: %d more in the last minute were not logged", kind, lines - LINES)
        self._lines.clear()
        self._until = time.monotonic() + SECONDS


quota = Quota()


def log_refusal(kind: str, came: str | None, expected: str, setting: str) -> None:
    """Log a request that was refused for where it came from, or for how it came.

    :param setting: what decides, as an operator would look for it.
    """
    if quota.allows(f"refused {kind}"):
        log.warning(
            "refused %s: got %s, expected %s; decided by %s (%s %s from %s)",
            kind,
            "none" if came is None else shown(came),
            expected,
            setting,
            shown(request.method),
            shown(_path()),
            request.remote_addr,
        )


def log_forbidden(error: Forbidden) -> None:
    """Log what somebody has tried without the right to it."""
    agent = g.get("agent")
    if quota.allows(f"refused {error.code}"):
        log.warning(
            "refused %s: %s (%s %s from %s)",
            error.code,
            f"agent {agent['id']} lacks {error.detail}" if agent else "a customer",
            shown(request.method),
            shown(_path()),
            request.remote_addr,
        )


def _path() -> str:
    # The rule says which page it was. The path has ids and the secret of a one-time link.
    return request.url_rule.rule if request.url_rule is not None else request.path


def log_login(email: str, *, is_right: bool) -> None:
    """Log an attempt to log in. What is no address may be a password, typed into the wrong field."""
    who = shown(email) if ADDRESS.fullmatch(email) else "what is no e-mail address"
    if is_right:
        logins_log.info("login of %s from %s", who, request.remote_addr)
    elif quota.allows("failed login"):
        logins_log.warning("failed login of %s from %s", who, request.remote_addr)


def shown(value: str) -> str:
    """Return a value from outside for one line of the log: quoted, cut, with escapes for what cannot be printed."""
    return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}…")
