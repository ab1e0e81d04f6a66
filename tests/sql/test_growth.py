"""What a call costs does not grow with what a desk has behind it, counted in the pages and rows that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supportchat.database import FUNCTIONS
from supportchat.database.scripts import own_names
from tests.bench.acts import Act, People, run_act
from tests.bench.grown import grow
from tests.cast import Cast
from tests.conftest import TEMPLATE
from tests.postgres import COPY

SMALL = {"tickets": 1_000, "messages_per_ticket": 4, "waiting": 110, "open": 60, "sockets": 300}
LARGE = {name: 4 * value for name, value in SMALL.items()} | {"messages_per_ticket": 4}
AGENTS = 10
READING = own_names().reading
# Of the tickets of a state it looks at up to 1,000, one by one: test_search_bounds.py counts them on larger desks.
BOUNDED = ("search_tickets, a view's count",)
# They say how many tickets wait and are open, and count them in the index; or look at every page that is open.
COUNTING = (
    *("desk_figures", "queue_counts", "list_tickets", "close_ticket", "reply_and_act", "list_people"),
    *("mark_spam", "ban_customer", "end_ban", "snooze_ticket"),
)
# The rows of tables that are read as a whole, and the entries of indexes.
READ = """
select sum(pg_stat_get_xact_tuples_returned(oid)) from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')
"""


class Cost(NamedTuple):
    """What a call reads."""

    pages: int
    rows: int


@dataclass
class Desk:
    """A desk of some size, and what can be done there."""

    connection: psycopg.Connection[Any]
    acts: dict[str, Act]

    def cost(self, name: str) -> Cost:
        """Return what a call reads, once what Postgres itself looks up is known."""
        self._cost(self.acts[name])
        return self._cost(self.acts[name])

    def _cost(self, act: Act) -> Cost:
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(act.given.encode())
            before = self._rows_read()
            [explained] = run_act(self.connection, act, "explain (analyze, buffers, timing off, format json)")
            plan = explained["Plan"]
            return Cost(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], self._rows_read() - before)

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
            # As for tables that are too large to be read as a whole, and as the embedded Postgres has it.
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
        # The same agents can be found one by one, or all in a few pages.
        is_wide = after.pages > 1.3 * before.pages + 5 * AGENTS
        is_long = after.rows > 1.3 * before.rows + 10 and small.acts[name].function not in COUNTING
        if (is_wide or is_long) and name not in BOUNDED:
            grown[name] = f"{before} -> {after}"
    assert not grown, "\n".join(f"{name}: {read}" for name, read in grown.items())


def test_a_ticket_is_found_by_its_index_on_a_small_desk_too(rows: Any) -> None:
    rows(
        "with chats as ("
        " insert into user_sessions (is_anonymous) select true from generate_series(1, 100) returning session_id"
        ") insert into tickets (session_id) select session_id from chats"
    )
    rows("analyze tickets")
    plan = rows(
        "explain select * from tickets where session_id = '00000000-0000-4000-8000-000000000000'"
        " order by status = 'closed', number desc limit 1"
    )
    assert "tickets_of_session_idx" in str(plan)
    assert "Sort" not in str(plan)


def test_an_alert_is_not_looked_for_in_the_whole_log(rows: Any, database_url: str) -> None:
    rows(
        "insert into events (kind, actor, detail) select 'site.changed', 'system', '{}' from generate_series(1, 20000)"
    )
    rows("analyze events")
    rows("select advance_alerts()")
    with psycopg.connect(database_url) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute("select public.advance_alerts()")
        read = connection.execute(
            "select seq_tup_read from pg_stat_xact_user_tables where relname = 'events'"
        ).fetchone()
    assert read == (0,)


def test_old_chats_are_not_looked_for_among_all(rows: Any, cast: Cast, database_url: str) -> None:
    cast.visitor().start("Hello")
    rows("update tickets set status = 'closed'")
    rows("update tickets set closed_at = now() - interval '40 days'")
    rows("insert into desk_settings (name, value) values ('retention_days', '30')")
    rows("insert into tickets (status, closed_at) select 'closed', now() from generate_series(1, 20000)")
    rows("analyze tickets")
    with psycopg.connect(database_url) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        erased = connection.execute("select public.erase_old_chats() ->> 'erased'").fetchone()
        read = connection.execute(
            "select seq_tup_read from pg_stat_xact_user_tables where relname = 'tickets'"
        ).fetchone()
    assert (erased, read) == (("1",), (0,))
