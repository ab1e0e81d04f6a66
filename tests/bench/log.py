"""The log with a hundred million rows beside an empty one: its size, and what reading, writing and pruning it take."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from supportchat.database.migrations import migrate
from supportchat.server.embedded import EmbeddedPostgres, _binary

from .grown import drop_indexes
from .report import Line, spread

BATCH = 1_000_000
TIMES = 7
# Filled without a flush and without the log of Postgres: it is thrown away afterwards.
FAST = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"),
    *("shared_buffers=1GB", "maintenance_work_mem=1GB", "max_wal_size=2GB"),
)
# Ten events of each conversation: five are the history of its ticket and stay, five are lines and receipts of the last
# 25 hours. Each was written by a transaction of its own.
FILL = """
insert into public.events (transaction, kind, session_id, ticket_id, actor, detail, created_at)
select
    n::text::xid8,
    (array[
        'ticket.opened', 'message.posted', 'ticket.assigned', 'message.posted', 'receipt.recorded',
        'ticket.changed', 'message.posted', 'receipt.recorded', 'ticket.changed', 'ticket.closed'
    ])[1 + n %% 10],
    md5('session' || n / 10)::uuid,
    case when n %% 10 in (0, 2, 5, 8, 9) then md5('ticket' || n / 10)::uuid end,
    case when n %% 3 = 0 then 'agent' else 'customer' end, jsonb_build_object('seq', n %% 10),
    now() - interval '25 hours' * (1 - n::double precision / %(rows)s)
from generate_series(%(after)s + 1, least(%(after)s + %(batch)s, %(rows)s)) as n
"""
# A ticket in the middle, with its conversation.
TICKET = """
with known as (
    select md5('session' || place)::uuid as session_id, md5('ticket' || place)::uuid as ticket_id
    from (select %s::bigint / 20 as place) as middle
), visitor as (
    insert into public.visitors (token_hash) values ('log') returning visitor_id
), session as (
    insert into public.user_sessions (session_id, visitor_id) select session_id, visitor_id from known, visitor
)
insert into public.tickets (id, session_id) select ticket_id, session_id from known
"""
SIZES = """
select relname, pg_relation_size(oid) from pg_class
where oid = 'public.events'::regclass
    or oid in (select indexrelid from pg_index where indrelid = 'public.events'::regclass)
order by relname
"""
WRITE = """
select _supportchat.log_event('message.posted', gen_random_uuid(), '{"seq": 1}', 'customer')
from generate_series(1, 100)
"""
READ = "select jsonb_array_length(public.events_after(%s) -> 'events')"
HISTORY = """
select count(*) from (
    select from public.events where ticket_id = (select id from public.tickets limit 1) order by id desc limit 50
) as e
"""
PRUNE = "select _supportchat.prune_events()"
DUE = "select count(*) from public.events where ticket_id is null and created_at < now() - interval '1 day'"


def measure_log(folder: Path, rows: int, say: Callable[[str], None]) -> tuple[list[Line], dict[str, Any]]:
    """Fill a log, and measure it and an empty one on the same Postgres."""
    large = make_conninfo(_prepared(folder), user="postgres")
    small = make_conninfo(large, dbname="small")
    postgres = EmbeddedPostgres(folder, *FAST)
    postgres.start()
    try:
        with psycopg.connect(small, autocommit=True) as one, psycopg.connect(large, autocommit=True) as other:
            _prepare_small(one)
            took = fill(other, rows, say)
            return _lines(one, other, rows, took, say)
    finally:
        postgres.stop()


def _prepared(folder: Path) -> str:
    """Make both databases, with transactions of the rows to come in the past."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    superuser = make_conninfo(postgres.conninfo, user="postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("create database small owner supportchat")
    for conninfo in (postgres.conninfo, make_conninfo(postgres.conninfo, dbname="small")):
        migrate(conninfo)
    postgres.stop()
    subprocess.run(
        **postgres._as_owner([str(_binary("pg_resetwal")), "--epoch=1", "-D", str(postgres.cluster)]),
        check=True,
        capture_output=True,
    )
    return superuser


def _prepare_small(connection: psycopg.Connection[Any]) -> None:
    connection.execute("set session_replication_role = replica")
    connection.execute("alter table public.events set unlogged")
    connection.execute(FILL.encode(), {"rows": 10, "after": 0, "batch": 10})
    connection.execute(TICKET.encode(), [10])
    connection.execute("reset session_replication_role")


def fill(connection: psycopg.Connection[Any], rows: int, say: Callable[[str], None]) -> dict[str, float]:
    """Fill the log; return the seconds that the rows and the indexes took.

    The tickets of its rows are left out, so nothing looks whether they exist.
    """
    start = time.monotonic()
    connection.execute("set session_replication_role = replica")
    connection.execute("alter table public.events set unlogged")
    drop_indexes(connection, ["events"])
    for after in range(0, rows, BATCH):
        connection.execute(FILL.encode(), {"rows": rows, "after": after, "batch": BATCH})
        if after % (10 * BATCH) == 0:
            say(f"{after + BATCH:,} rows of the log")
    filled = time.monotonic()
    connection.execute(TICKET.encode(), [rows])
    say("its indexes")
    connection.execute("select _supportchat.ensure_index(index_name) from _supportchat.declared_indexes()")
    indexed = time.monotonic()
    connection.execute("vacuum analyze public.events")
    connection.execute("reset session_replication_role")
    return {"rows": filled - start, "indexes": indexed - filled, "vacuum": time.monotonic() - indexed}


def _lines(
    one: psycopg.Connection[Any],
    other: psycopg.Connection[Any],
    rows: int,
    took: dict[str, float],
    say: Callable[[str], None],
) -> tuple[list[Line], dict[str, Any]]:
    say("reading, writing and pruning it")
    sizes = dict(other.execute(SIZES.encode()).fetchall())
    indexes = sum(size for name, size in sizes.items() if name != "events")
    cursors = {connection: _value(connection, "select pg_current_snapshot()::text") for connection in (one, other)}
    for connection in cursors:
        connection.execute(WRITE.encode())

    def both(statement: str, with_cursor: bool = False) -> tuple[float, float]:
        times: dict[Any, list[float]] = {one: [], other: []}
        for _ in range(TIMES):
            for connection in times:
                arguments = [cursors[connection]] if with_cursor else []
                times[connection].append(_timed(connection, statement, arguments))
        return min(times[one]), min(times[other])

    acts = {
        "the sweep's read, nothing new": both(READ.replace("%s", "pg_current_snapshot()::text")),
        "the sweep's read, 100 new events": both(READ, with_cursor=True),
        "the history of a ticket": both(HISTORY),
        "100 events written": both(WRITE),
    }
    due = _value(other, DUE)
    say(f"pruning {due:,} events")
    turns = []
    for _ in range(-(-due // 5000)):
        start = time.perf_counter()
        other.execute(PRUNE)
        turns.append(1000 * (time.perf_counter() - start))
    say("vacuum")
    start = time.monotonic()
    other.execute("vacuum public.events")
    vacuumed = time.monotonic() - start
    lines = [
        Line(
            f"log of {rows:,} rows: table; indexes",
            f"{_gigabytes(sizes['events'])}; {_gigabytes(indexes)}"
            f" ({(sizes['events'] + indexes) / rows:.0f} bytes a row)",
        ),
        *(Line(f"log: index {name}", _gigabytes(size)) for name, size in sizes.items() if name != "events"),
        *(
            Line(f"log: {name}", f"{large:.2f} ms", f"{small:.2f} ms", f"{large / small:.2f} x")
            for name, (small, large) in acts.items()
        ),
        Line(
            f"log: a turn of pruning, 5,000 events; {len(turns)} turns",
            f"{spread(turns)} ms; {sum(turns) / 1000:.0f} s",
        ),
        Line(f"log: vacuum after {due:,} deleted", f"{vacuumed:.0f} s"),
    ]
    return lines, {"took": took, "sizes": sizes, "acts": acts}


def _timed(connection: psycopg.Connection[Any], statement: str, arguments: list[Any]) -> float:
    """Return the ms that a statement takes without its commit; it is undone."""
    with connection.transaction(force_rollback=True):
        start = time.perf_counter()
        connection.execute(statement.encode(), arguments or None).fetchall()
        return 1000 * (time.perf_counter() - start)


def _value(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
