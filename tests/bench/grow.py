"""A desk of a million tickets beside one without a past: what each act takes in the database and by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from supportchat.database.migrations import migrate
from tests.faults.desk import Desk as Server
from tests.faults.desk import running

from .acts import Act, People, run_act
from .crowd import gathered
from .grown import grow
from .meter import Meter, memory_of
from .pages import Customer
from .report import Line
from .visits import Request, Visits, grown_customers

LARGE = {"tickets": 1_000_000, "messages_per_ticket": 10, "agents": 200, "waiting": 5_000, "open": 2_000}
# The same staff, who are full with a ticket each, and as many who wait as a page shows: what is left is growth.
EMPTY = {"tickets": 600, "messages_per_ticket": 10, "agents": 200, "waiting": 100, "open": 300, "places": 1}
# Few agents and few who wait: where answers are shorter, too.
FEW = {"tickets": 400, "messages_per_ticket": 10, "agents": 10, "waiting": 5, "open": 100}
SOCKETS = 10_000
TIMES = 7
MOST_MS, MOST_RATIO, NOISE_MS = 50.0, 1.5, 1.0
# What is read from end to end on purpose, because it has as many rows as there are agents, states or processes.
MANY_ROWS = 1_000
IDLE_SECONDS = 15.0
READ = """
select coalesce(sum(seq_tup_read), 0) from pg_stat_xact_user_tables where schemaname = 'public'
"""


@dataclass
class Taken:
    """What one act took: on the empty desk and on the large one, in ms, and the rows that it read without an index.

    Of a call it is processor time, which other work on the machine doesn't spoil as much. `few` is what it took where
    there are few agents, `clock` how long it lasted on the large desk.
    `pick` chooses among the times: the least of a call, which does the same each time, the median of a request.
    """

    name: str
    pick: Callable[[list[float]], float]
    empty: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    few: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    read: int = 0

    @property
    def times(self) -> tuple[float, float]:
        """What counts of each."""
        return self.pick(self.empty), self.pick(self.large)

    @property
    def lasted(self) -> float:
        """How long it lasted on the large desk."""
        return self.pick(self.clock or self.large)

    @property
    def is_too_much(self) -> bool:
        """Whether it misses what must be reached. A difference below `NOISE_MS` is none."""
        return self.lasted > MOST_MS or self.has_grown or self.read >= MANY_ROWS

    @property
    def has_grown(self) -> bool:
        """Whether the large desk takes too long compared with the empty one."""
        return is_longer(*self.times)

    @property
    def has_longer_answer(self) -> bool:
        """Whether it takes too long compared with a desk of few agents, and only so."""
        return not self.has_grown and is_longer(self.pick(self.few), self.pick(self.large))

    def line(self, what: str) -> Line:
        """Return it as a line of the table."""
        empty, large = self.times
        lasted = f" CPU, {self.lasted:.1f} ms" if self.clock else ""
        read = f", {self.read:,} rows read without an index" if self.read >= MANY_ROWS else ""
        measured = f"{large:.1f} ms{lasted}{read}"
        return Line(f"{what}: {self.name}", measured, f"{empty:.1f} ms", f"{large / empty:.2f} x", "1.5 x, 50 ms")


def is_longer(before: float, after: float) -> bool:
    """Whether a time misses what must be reached, compared with another."""
    return after > max(MOST_RATIO * before, before + NOISE_MS)


def measure_grow(folder: Path, say: Callable[[str], None]) -> tuple[list[Line], dict[str, Any]]:
    """Make the desks on one Postgres, and measure."""
    with running(Server(folder / "large", WORKERS="2")) as large:
        few, small = (make_conninfo(large.conninfo, dbname=name) for name in ("few", "small"))
        for name, conninfo in (("few", few), ("small", small)):
            large.run_as_superuser(f"create database {name} owner supportchat")
            migrate(conninfo)
        say("making a million tickets")
        for conninfo, size in ((few, FEW), (small, EMPTY), (large.conninfo, LARGE)):
            with psycopg.connect(conninfo, user="postgres", autocommit=True) as connection:
                grow(connection, **size)
        say("every act in the database")
        acts = acts_of(few, small, large.conninfo)
        with running(Server(folder / "empty", WORKERS="2", DATABASE_URL=small, conninfo=small)) as empty:
            say(f"{SOCKETS} sockets, and every act by HTTP")
            lines, asked = asyncio.run(measure_served(empty, large))
    worst = sorted(acts, key=lambda taken: -taken.lasted)
    lines = [
        Line(
            f"{len(acts)} calls of the database: over 1.5 x; over 50 ms; reading {MANY_ROWS:,} rows without an index",
            f"{sum(taken.has_grown for taken in acts)};"
            f" {sum(taken.lasted > MOST_MS for taken in acts)}; {sum(taken.read >= MANY_ROWS for taken in acts)}",
            must="0; 0; 0",
        ),
        *(taken.line("call") for taken in worst if taken.is_too_much),
        worst[0].line("the slowest call"),
        Line("the other calls over 1.5 x where there are 10 agents and 5 who wait", few_agents(worst)),
        *lines,
    ]
    raw = {"calls": {taken.name: taken.times for taken in acts}, "http": {taken.name: taken.times for taken in asked}}
    return lines, raw


def few_agents(acts: list[Taken]) -> str:
    """Name the calls that take longer than where there are few agents, though not than where there are as many."""
    longer = [taken for taken in acts if taken.has_longer_answer]
    return "; ".join(f"{taken.name} {taken.pick(taken.large) / taken.pick(taken.few):.1f} x" for taken in longer)


def acts_of(*databases: str) -> list[Taken]:
    """Measure every call in turn on all databases, each time as if it were the first: what it has done is undone.

    :param databases: with few agents, empty, large.
    """
    with contextlib.ExitStack() as stack:
        desks = [stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for conninfo in databases]
        acts = zip(*(People.of(desk).acts() for desk in desks), strict=True)
        return [measured_act(desks, same) for same in acts]


def measured_act(desks: list[psycopg.Connection[Any]], same: tuple[Act, ...]) -> Taken:
    """Measure one call on all."""
    taken = Taken(same[0].name, min)
    for number in range(TIMES + 1):
        for desk, act, times in zip(desks, same, (taken.few, taken.empty, taken.large), strict=True):
            took, lasted, read = timed_act(desk, act)
            if number:
                times.append(took)
            if number and times is taken.large:
                taken.clock.append(lasted)
                taken.read = max(taken.read, read)
    return taken


def timed_act(connection: psycopg.Connection[Any], act: Act) -> tuple[float, float, int]:
    """Return the ms of processor time and those by the clock that a call takes without its commit, and the rows that it
    reads from end to end."""
    with connection.transaction(force_rollback=True):
        connection.execute(act.given.encode())
        before = read_so_far(connection)
        used, start = cpu_ms(connection.info.backend_pid), time.perf_counter()
        run_act(connection, act)
        lasted = 1000 * (time.perf_counter() - start)
        took = cpu_ms(connection.info.backend_pid) - used
        return took, lasted, read_so_far(connection) - before


def cpu_ms(pid: int) -> float:
    """Return the processor time of a process; psutil counts in hundredths of a second."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def read_so_far(connection: psycopg.Connection[Any]) -> int:
    """Return how many rows this transaction has read without an index."""
    row = connection.execute(READ).fetchone()
    assert row is not None
    return int(row[0])


async def measure_served(empty: Server, large: Server) -> tuple[list[Line], list[Taken]]:
    """Open the sockets of the large desk, and do by HTTP on it and the empty one what people do."""
    visits = [Visits(empty), Visits(large)]
    pages = grown_customers(large, SOCKETS)
    meter = Meter(large.supervisor.pid, large.postmaster.pid if large.postmaster else 0)
    before, start = meter.read(), time.monotonic()
    await gathered(Customer.open, pages, 64)
    opened = time.monotonic() - start
    await asyncio.sleep(IDLE_SECONDS)
    before, start = meter.read(), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    used, waited = meter.read() - before, time.monotonic() - start
    memory = sum(memory_of(worker.pid) for worker in large.workers)
    asked = [Taken(name, statistics.median) for name, _ in visits[0].requests()]
    for number in range(TIMES + 1):
        for visit in visits:
            for taken, (_, request) in zip(asked, visit.requests(), strict=True):
                took = await timed(taken.name, request)
                if number:
                    (taken.empty if visit is visits[0] else taken.large).append(took)
    for page in pages:
        assert page.socket is not None
        page.socket.abort()
    return [
        Line(
            f"{SOCKETS:,} open sockets in two workers on it, idle",
            f"{100 * used.server / waited:.1f} + {100 * used.postgres / waited:.1f} % of a core,"
            f" {memory / 2**20:.0f} MiB, opened in {opened:.0f} s",
        ),
        *(taken.line("by HTTP") for taken in asked),
    ], asked


async def timed(name: str, request: Request) -> float:
    """Return the ms that a request takes."""
    begun = time.perf_counter()
    answer = await request()
    took = 1000 * (time.perf_counter() - begun)
    assert answer.status < 400, (name, answer.status, answer.body[:300])
    return took
