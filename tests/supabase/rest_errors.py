"""PostgREST's errors: their bodies, and the HTTP status of each SQLSTATE."""

from __future__ import annotations

import json

import psycopg
from aiohttp import web

# https://docs.postgrest.org/en/stable/references/errors.html; the longest prefix counts.
STATUSES = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21": 500,
    "23503": 409,
    "23505": 409,
    "25": 500,
    "25006": 405,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "42501": 403,
    "53": 503,
    "53400": 500,
    "54": 500,
    "55": 500,
    "57": 500,
    "57P01": 503,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "P0001": 400,
    "XX": 500,
}


class RestError(Exception):
    """What PostgREST answers instead of a result."""

    def __init__(
        self, status: int, code: str, message: str, *, details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "details": details, "hint": hint}
        self.headers = {"Proxy-Status": f"PostgREST; error={code}"}

    def response(self) -> web.Response:
        """Return it as an answer."""
        return web.json_response(self.body, status=self.status, headers=self.headers)


def of_database(error: psycopg.Error, *, is_anonymous: bool) -> RestError:
    """Return what PostgREST makes of an error of Postgres, or of a connection that broke."""
    code = error.sqlstate
    if code is None:
        return RestError(503, "PGRST001", "Database client error. Retrying the connection.", details=str(error))
    message, details, hint = error.diag.message_primary or "", error.diag.message_detail, error.diag.message_hint
    if code == "PGRST":
        return _raised(message, details or "{}")
    return RestError(_status(code, is_anonymous), code, message, details=details, hint=hint)


def _status(code: str, is_anonymous: bool) -> int:
    if code.startswith("PT"):
        return int(code[2:]) if code[2:].isdecimal() else 500
    if code == "42501" and is_anonymous:
        return 401
    return next((STATUSES[code[:length]] for length in (5, 2) if code[:length] in STATUSES), 400)


def _raised(message: str, details: str) -> RestError:
    """`raise sqlstate 'PGRST'`: message and detail are JSON, and say everything themselves."""
    try:
        body, answer = json.loads(message), json.loads(details)
        error = RestError(
            answer["status"], body["code"], body["message"], details=body.get("details"), hint=body.get("hint")
        )
        error.headers.update(answer["headers"])
    except (ValueError, KeyError, TypeError):
        return RestError(500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
    return error
