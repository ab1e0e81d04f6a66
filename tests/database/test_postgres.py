"""What is only of the door by psycopg: connections that end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from supportchat.database import Database
from supportchat.database.postgres import PostgresDatabase

pytestmark = pytest.mark.mode("postgres")


def test_a_restart_of_the_database_fails_no_call_that_may_run_twice(database: Database, rows: Any) -> None:
    database.call("list_agents")
    ended = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'supportchat'"
    assert {is_gone for (is_gone,) in rows(ended)} == {True}
    assert len(database.call("list_agents")) == 3


def test_calls_one_after_the_other_use_the_connection_used_last(database_url: str, rows: Any) -> None:
    database = PostgresDatabase(database_url)
    with contextlib.closing(database):
        database.call("list_agents")
        taken = [database._connection() for _ in range(3)]
        for connection in taken:
            database._pool.putconn(connection)
        for _ in range(3):
            database.call("queue_counts")
        used = rows("select pid from pg_stat_activity where query like '%%queue_counts%%' and pid <> pg_backend_pid()")
        assert used == [(taken[-1].info.backend_pid,)]


def test_a_connection_that_was_closed_while_it_rested_is_not_used(database_url: str, rows: Any) -> None:
    database = PostgresDatabase(database_url)
    with contextlib.closing(database):
        database.call("list_agents")
        taken = [database._connection() for _ in range(3)]
        for connection in taken:
            database._pool.putconn(connection)
        resting = [connection.info.backend_pid for connection in taken[:2]]
        rows("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as pid", resting)
        # As three calls at once would, of which none may run twice.
        again = [database._connection() for _ in range(3)]
        for connection in again:
            connection.execute("select 1")
            database._pool.putconn(connection)
        assert taken[2] in again
