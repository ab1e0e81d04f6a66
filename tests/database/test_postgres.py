"""What is only of the door by psycopg: connections that end."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database

pytestmark = pytest.mark.mode("postgres")


def test_a_restart_of_the_database_fails_no_call_that_may_run_twice(database: Database, rows: Any) -> None:
    database.call("list_agents")
    ended = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'supportchat'"
    assert {is_gone for (is_gone,) in rows(ended)} == {True}
    assert len(database.call("list_agents")) == 3
