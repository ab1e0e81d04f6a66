"""What a call of the database can fail with, the same for every door."""

from __future__ import annotations


class DatabaseError(Exception):
    """A call failed. `code` names the reason, `detail` is what the sentence about it needs (a name, say)."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class NotFound(DatabaseError):
    """What the call is about is not there, or not for this viewer."""


class Forbidden(DatabaseError):
    """Whoever acts has no right to do this. `detail` is the right."""


class Conflict(DatabaseError):
    """Somebody else was first, or the thing is not in a state that allows this."""


class Invalid(DatabaseError):
    """The given values are refused."""


class TooFast(DatabaseError):
    """It was done too often in a short time. `detail` is how many seconds to wait."""

    @property
    def retry_after(self) -> int:
        """Seconds until the same call succeeds, if nobody else asks meanwhile."""
        return int(self.detail) if self.detail.isdecimal() else 1


class Unavailable(DatabaseError):
    """The database cannot answer now; the same call may succeed later."""


# What the first statement on a connection fails with after the server has been restarted.
RESTARTED = ("57P01", "57P02", "57P03")
# https://www.postgresql.org/docs/current/errcodes-appendix.html
# Undone as a whole because another transaction was faster: the same call may be made again at once, whatever it does.
ROLLED_BACK = ("40001", "40P01")
ATTEMPTS = 3
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58", "40", "XX")
_UNAVAILABLE = ("55P03", "25006")
_INVALID_CLASSES = ("22", "23")
_SCHEMA_MISSING = ("42P01", "42703", "42883", "3F000", "42501")
_RAISED = {"PT403": Forbidden, "PT404": NotFound, "PT409": Conflict, "PT422": Invalid, "PT429": TooFast}


def error_for(sqlstate: str, message: str, detail: str = "") -> DatabaseError | None:
    """Return the error that a SQLSTATE stands for; None when it stands for a fault in our own code."""
    if sqlstate in _RAISED:
        return _RAISED[sqlstate](message, detail)
    if sqlstate in ROLLED_BACK:
        return Unavailable("changed_meanwhile", message)
    if sqlstate[:2] in _UNAVAILABLE_CLASSES or sqlstate in _UNAVAILABLE:
        return Unavailable("database_unavailable")
    if sqlstate in _SCHEMA_MISSING:
        return Unavailable("schema_missing", message)
    if sqlstate[:2] in _INVALID_CLASSES:
        return Invalid("value_refused")
    return None
