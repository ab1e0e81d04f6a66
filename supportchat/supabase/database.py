"""The door to a Supabase project: PostgREST's rpc, by the official client."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import time
from typing import Any

import gevent
import httpx
import psycopg
from flask_babel import lazy_gettext
from postgrest.exceptions import APIError

from ..database import REPEATABLE
from ..database.errors import ATTEMPTS, RESTARTED, ROLLED_BACK, DatabaseError, Invalid, Unavailable, error_for
from ..database.migrations import names_taken
from .client import Places, Project

CALL_SECONDS = 5.0
PLACES = 40
PLACE_SECONDS = 3.0
FIRST_PAUSE = 0.1

# What the gateway answers while PostgREST does not, by HTTP status: `PostgrestTransport` gives it as the error's code.
# https://docs.postgrest.org/en/stable/references/errors.html has the PGRST codes.
_PASSING = (
    *("429", "502", "503", "504", "520", "521", "522", "524"),
    *("PGRST000", "PGRST001", "PGRST002", "PGRST003"),
    *RESTARTED,
)
_KEY_REFUSED = ("401", "403", "PGRST300", "PGRST301", "PGRST302", "PGRST303")
_NOT_EXPOSED = ("PGRST106", "3F000")
_SCHEMA_MISSING = ("PGRST202", "PGRST203", "42501")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class SupabaseDatabase:
    """Calls functions by named arguments: one request, and so one transaction."""

    advice: str = lazy_gettext(
        "Check the project’s dashboard: is it paused, or out of connections? The desk recovers by itself."
    )

    def __init__(self, project: Project, conninfo: str = "") -> None:
        """:param conninfo: of the project's database, where it is known: it shows what PostgREST does not."""
        self._project = project
        self._conninfo = conninfo
        self._places = Places(PLACES)

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Run one function; see `Database.call`.

        It is tried again where that can do no harm: when the request has not left, or when the function may run twice.
        """
        if self._project.http.is_closed:
            raise Unavailable("database_unavailable", "this process stops")
        deadline = time.monotonic() + CALL_SECONDS
        parameters = {f"p_{name}": value for name, value in arguments.items()}
        for attempt in itertools.count():
            try:
                with self._places.taken(min(PLACE_SECONDS, deadline - time.monotonic())), _until(deadline):
                    return self._project.client.rpc(function, parameters).execute().data
            except (APIError, httpx.TransportError, TimeoutError) as error:
                pause = random.uniform(0.5, 1.5) * FIRST_PAUSE * 2**attempt  # noqa: S311 - spreads attempts over time
                if isinstance(error, APIError) and error.code in ROLLED_BACK:
                    if attempt + 1 == ATTEMPTS:
                        raise _translated(error) from error
                    continue
                if not _may_try_again(function, error) or time.monotonic() + pause > deadline:
                    raise _translated(error) from error
            except UnicodeEncodeError as error:  # a lone surrogate
                raise Invalid("value_refused") from error
            gevent.sleep(pause)

    def names_taken(self) -> str:
        """Say what stands under our names; see `Database.names_taken`."""
        if not self._conninfo:
            return ""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self._conninfo, connect_timeout=3) as connection:
            return names_taken(connection)
        return ""

    def close(self) -> None:
        """Close the project's connections."""
        self._project.http.close()


def _until(deadline: float) -> gevent.Timeout:
    return gevent.Timeout(max(0.0, deadline - time.monotonic()), TimeoutError("no answer in time"))


def _may_try_again(function: str, error: Exception) -> bool:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True
    if isinstance(error, APIError):
        if _is_ahead_of_time(error):
            return True  # refused before anything began
        return error.code in _PASSING and function in REPEATABLE
    return isinstance(error, httpx.TransportError) and function in REPEATABLE


def _is_ahead_of_time(error: APIError) -> bool:
    # The gateway has a token made for each request with a key of the new kind, and PostgREST's clock is behind now and
    # then: https://github.com/supabase/supabase/issues/49655. The same request succeeds a moment later.
    return error.code == "PGRST303" and re.search("issued at future|not yet valid", error.message or "") is not None


def _translated(error: APIError | Exception) -> Exception:
    if not isinstance(error, APIError) or _is_ahead_of_time(error):
        return Unavailable("database_unavailable", type(error).__name__)
    code, message = error.code or "", error.message or ""
    if code in _NOT_EXPOSED:
        return Unavailable("schema_not_exposed", message)
    if code in _SCHEMA_MISSING:
        named = re.search(r"public\.(\w+)", message)
        return Unavailable("schema_missing", named[1] if named else message)
    if code in _KEY_REFUSED or "API key" in message:
        return Unavailable("key_refused", message)
    if not _SQLSTATE.fullmatch(code):
        return Unavailable("database_unavailable", code)
    known: DatabaseError | None = error_for(code, message, str(error.details or ""))
    return known or error
