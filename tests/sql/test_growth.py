"""What a call costs does not grow with what a desk has behind it, counted in the pages and rows that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supportchat.database import FUNCTIONS
from supportchat.database.scripts import own_names
from tests.bench.acts import Act, People, run_act
from tests.bench.grown import grow
from tests.conftest import TEMPLATE
from tests.postgres import COPY

SMALL = {"tickets": 1_000, "messages_per_ticket": 4, "waiting": 110, "open": 60, "sockets": 300}
LARGE = {name: 4 * value for name, value in SMALL.items()} | {"messages_per_ticket": 4}
AGENTS = 10
READING = own_names().reading
READ = "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_xact_user_tables"


@dataclass
class Desk:
    """A desk of some size, and what can be done there."""

    connection: psycopg.Connection[Any]
    acts: dict[str, Act]

    def cost(self, name: str) -> tuple[int, int]:
        """Return how many pages and how many rows a call reads, once what Postgres itself looks up is known."""
        self._cost(self.acts[name])
        return self._cost(self.acts[name])

    def _cost(self, act: Act) -> tuple[int, int]:
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(act.given.encode())
            before = self._rows_read()
            [explained] = run_act(self.connection, act, "explain (analyze, buffers, timing off, format json)")
            plan = explained["Plan"]
            return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], self._rows_read() - before

    def _rows_read(self) -> int:
        row = self.connection.execute(READ).fetchone()
        assert row
        return int(row[0])


@pytest.fixture(scope="module")
def desks(cluster: str) -> Iterator[tuple[Desk, Desk]]:
    """The same desk twice: the second has four times as much of everything but agents."""
    with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as admin:
        names = [sql.Identifier(f"growth_{number}") for number in range(2)]
        for name in names:
            admin.execute(
                sql.SQL("create database {} template {} {}").format(name, sql.Identifier(TEMPLATE), sql.SQL(COPY))
            )
        connections = [
            psycopg.connect(make_conninfo(cluster, dbname=f"growth_{number}"), autocommit=True) for number in range(2)
        ]
        for connection, size in zip(connections, (SMALL, LARGE), strict=True):
            grow(connection, agents=AGENTS, **size)
            # As for tables that are too large to be read as a whole.
            connection.execute("set random_page_cost = 1.1")
        small, large = [Desk(each, {act.name: act for act in People.of(each).acts()}) for each in connections]
        yield small, large
        for connection in connections:
            connection.close()
        for name in names:
            admin.execute(sql.SQL("drop database {} with (force)").format(name))


def test_no_call_reads_more_on_a_desk_that_has_grown(desks: tuple[Desk, Desk]) -> None:
    small, large = desks
    played = {act.function for act in small.acts.values()}
    assert played == FUNCTIONS, "add what is missing to tests/bench/acts.py"
    grown = {}
    # What only reads comes first, before the others leave dead rows behind.
    for name in sorted(small.acts, key=lambda name: small.acts[name].function not in READING):
        before, after = small.cost(name), large.cost(name)
        if after[0] > 1.3 * before[0] + 10 or after[1] > 1.3 * before[1] + 10:
            grown[name] = f"{before} -> {after}"
    assert not grown, "\n".join(f"{name}: {read}" for name, read in grown.items())
