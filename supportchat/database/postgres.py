"""The door to any Postgres: a pool of psycopg connections."""

from __future__ import annotations

import collections
import contextlib
import functools
from typing import Any

import gevent
import psycopg
from flask_babel import lazy_gettext
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.json import Jsonb
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from . import REPEATABLE
from .errors import ATTEMPTS, RESTARTED, ROLLED_BACK, Invalid, Unavailable, error_for
from .migrations import names_taken

POOL_SIZE = 10
CALL_SECONDS = 5.0  # the wait for a connection and the statement's own timeout fit into it
# Functions that give up sooner, as they run what is not ours; so they do in a project, by a setting of their own. A
# server that goes on all the same notices that nobody listens any more.
IMPATIENT = {"customer_card": 1.5}
SOONER = b"set local statement_timeout = '500ms'; set local client_connection_check_interval = '1s'"
VOID = 2278  # the type oid of a function that returns nothing

# Half-open connections are noticed within 5 s instead of the kernel's minutes.
CONNECTION = {
    "autocommit": True,
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
    "application_name": "supportchat",
}


class NothingLoader(Loader):
    """Reads what a function without a result gives: an empty text."""

    def load(self, data: Buffer) -> None:
        """Return None."""


class CallConnection(psycopg.Connection[Any]):
    """A connection with one cursor for every call: a new one looks up how to read each type again."""

    @functools.cached_property
    def calls(self) -> psycopg.RawCursor[Any]:
        """The cursor."""
        return psycopg.RawCursor(self)


class LatestFirst(collections.deque[CallConnection]):
    """Free connections, the last one used first. Few are used then, and their server processes have everything at hand.

    `ConnectionPool` goes round instead, and can't be told: it appends what it gets back, and takes from the left. With
    ten connections, that costs Postgres an eighth more CPU time for a message.
    """

    def append(self, connection: CallConnection, /) -> None:
        """Put it where the pool takes the next one."""
        self.appendleft(connection)


class PostgresDatabase:
    """Calls functions by named arguments: `select public.f(p_a => ...)`, one statement and so one transaction."""

    advice: str = lazy_gettext("Check that Postgres is running and DATABASE_URL is right. The desk recovers by itself.")

    def __init__(self, conninfo: str, *, size: int = POOL_SIZE, wait: float = 2.0) -> None:
        """:param size: connections at most. :param wait: seconds that a call waits for a free one."""
        self._pool = ConnectionPool(
            conninfo,
            connection_class=CallConnection,
            min_size=1,
            max_size=size,
            timeout=wait,
            reconnect_timeout=5,
            kwargs=CONNECTION,
            configure=_configure,
            open=False,
        )
        self._pool._pool = LatestFirst()

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Run one function; see `Database.call`."""
        try:
            if self._pool.closed:
                self._pool.open()  # not before: forked workers must not share connections
            # A server that hangs keeps no timeout of its own.
            with gevent.Timeout(IMPATIENT.get(function, CALL_SECONDS), TimeoutError("no answer in time")):
                return self._run_until_it_stands(function, arguments)
        except TimeoutError as error:
            raise Unavailable("database_unavailable", str(error)) from error
        except psycopg.Error as error:
            raise _translated(error) from error
        except UnicodeEncodeError as error:  # a lone surrogate
            raise Invalid("value_refused") from error

    def names_taken(self) -> str:
        """Say what stands under our names; see `Database.names_taken`."""
        with contextlib.suppress(psycopg.Error), self._pool.connection() as connection:
            return names_taken(connection)
        return ""

    def close(self) -> None:
        """Close the pool."""
        self._pool.close()

    def _run_until_it_stands(self, function: str, arguments: dict[str, Any]) -> Any:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._run_or_repeat(function, arguments)
            except psycopg.OperationalError as error:
                if error.sqlstate not in ROLLED_BACK:
                    raise
        return self._run_or_repeat(function, arguments)

    def _run_or_repeat(self, function: str, arguments: dict[str, Any]) -> Any:
        try:
            return self._run(function, arguments)
        except psycopg.OperationalError as error:
            has_died = error.sqlstate is None or error.sqlstate in RESTARTED
            if not has_died or function not in REPEATABLE or isinstance(error, PoolTimeout):
                raise
            # The connection had died. Its neighbours have too, most likely: throw the dead ones out.
            self._pool.check()
            return self._run(function, arguments)

    def _run(self, function: str, arguments: dict[str, Any]) -> Any:
        # Without the transaction block of `connection()`: the statement is one by itself.
        connection = self._connection()
        try:
            values = [_adapted(value) for value in arguments.values()]
            statement = _statement(function, tuple(arguments))
            with connection.transaction() if function in IMPATIENT else contextlib.nullcontext():
                if function in IMPATIENT:
                    connection.execute(SOONER)
                row = connection.calls.execute(statement, values).fetchone()
            return None if row is None else row[0]
        finally:
            self._pool.putconn(connection)

    def _connection(self) -> CallConnection:
        try:
            connection = self._pool.getconn()
            # What is seldom used may have been closed while it rested: by a time limit of the server, or a restart.
            while _has_ended(connection):
                connection.close()
                self._pool.putconn(connection)  # which has a new one made
                connection = self._pool.getconn()
            return connection
        except PoolTimeout as error:
            # The pool's waiter keeps its error, and the error by its traceback the waiter and all of the request.
            raise error.with_traceback(None) from None


@functools.cache
def _statement(function: str, names: tuple[str, ...]) -> bytes:
    """Return the bytes that are sent, which psycopg would else compose anew for each call."""
    arguments = ", ".join(f"{_quoted(f'p_{name}')} => ${number}" for number, name in enumerate(names, 1))
    return f"select public.{_quoted(function)}({arguments})".encode()


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _adapted(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
        return Jsonb(value)
    if isinstance(value, list):
        # As a literal, so that Postgres gives it the type of the parameter: text[], uuid[] or bigint[].
        quoted = (str(item).replace("\\", "\\\\").replace('"', '\\"') for item in value)
        return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
    return value


def _has_ended(connection: CallConnection) -> bool:
    """Return whether the other side has closed it, as far as that has arrived: nothing is asked."""
    try:
        connection.pgconn.consume_input()  # the reason, if it was told
        connection.pgconn.consume_input()  # the end
    except psycopg.OperationalError:
        return True
    return False


def _configure(connection: CallConnection) -> None:
    connection.adapters.register_loader("uuid", TextLoader)  # as PostgREST gives it
    connection.adapters.register_loader(VOID, NothingLoader)
    connection.execute(
        "select set_config('statement_timeout', '3s', false), set_config('lock_timeout', '2s', false),"
        " set_config('idle_in_transaction_session_timeout', '10s', false), set_config('timezone', 'UTC', false)"
    )


def _translated(error: psycopg.Error) -> Exception:
    if error.sqlstate is None:
        if isinstance(error, psycopg.DataError):
            return Invalid("value_refused")  # a NUL, which psycopg does not even send
        # psycopg's own: no server, a broken connection, no free one in time. Anything else is a fault in our code.
        known = isinstance(error, psycopg.OperationalError | PoolClosed)
        return Unavailable("database_unavailable") if known else error
    return error_for(error.sqlstate, error.diag.message_primary or "", error.diag.message_detail or "") or error
