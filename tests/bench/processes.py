"""Several server processes over one Postgres: what a message costs each that shows nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.desk import Desk as Server
from tests.faults.desk import running

from .crowd import Crowd, percentile
from .messages import opened, paced
from .meter import Meter, cpu_of
from .pages import Customer, Desk
from .report import Line

PROCESSES = (1, 2, 4, 8)
RATE = 40


@dataclass
class Used:
    """CPU seconds so far: of the process with all pages, of each other one, and of Postgres."""

    first: float
    each_other: float
    postgres: float

    def beyond(self, before: Used, idle: Used, share: float) -> Used:
        """Return what has been used since `before`, less `share` times what is used when nobody writes."""
        return Used(
            self.first - before.first - share * idle.first,
            self.each_other - before.each_other - share * idle.each_other,
            self.postgres - before.postgres - share * idle.postgres,
        )


class Processes:
    """A desk with a crowd in one process, and further ones with a page each that shows none of its conversations."""

    def __init__(self, crowd: Crowd, meter: Meter, others: list[Server]) -> None:
        self._crowd = crowd
        self._meter = meter
        self._others = others
        self.pages: list[Customer | Desk] = []

    async def open_customers(self) -> None:
        """Open a customer's chat in each further process."""
        for other in self._others[len(self.pages) :]:
            customer = Customer(Crowd(other).browser(), self._crowd.book, reacts=False)
            await customer.start()
            self.pages.append(customer)
            await customer.open()

    async def open_desks(self) -> None:
        """Open a desk in each further process, of an agent who has tickets, with the queue of those that nobody has."""
        [(email,)] = self._crowd.server.run("select email from agents where availability = 'available' limit 1")
        for other in self._others[len(self.pages) :]:
            desk = Desk(await Crowd(other).log_in(email), self._crowd.book, view="unassigned", reacts=False)
            await desk.load()
            self.pages.append(desk)
            await desk.open()

    async def close(self) -> None:
        """Close the pages of the further processes."""
        for page in self.pages:
            await page.close()
        self.pages.clear()

    def _read(self) -> Used:
        used = self._meter.read()
        others = cpu_of([worker.pid for other in self._others for worker in other.workers])
        return Used(used.server, others / max(1, len(self._others)), used.postgres)

    async def measure(self, seconds: float) -> dict[str, float]:
        """Return CPU seconds for 1,000 messages, beyond those of a desk where nobody writes, and latencies in ms."""
        before, start = self._read(), time.monotonic()
        await asyncio.sleep(seconds)
        nothing = Used(0.0, 0.0, 0.0)
        idle, waited = self._read().beyond(before, nothing, 0), time.monotonic() - start
        events, before, start = self._events(), self._read(), time.monotonic()
        numbers = await paced(self._crowd, RATE, seconds)
        used = self._read().beyond(before, idle, (time.monotonic() - start) / waited)
        latencies = [1000 * latency for latency in self._crowd.book.latencies(numbers)]
        return {
            "first": 1000 * used.first / len(numbers),
            "each other": 1000 * used.each_other / len(numbers),
            "postgres": 1000 * used.postgres / len(numbers),
            "events": (self._events() - events) / len(numbers),
            "p50": percentile(latencies, 0.5),
            "p95": percentile(latencies, 0.95),
            "idle each other": 100 * idle.each_other / waited,
            "idle postgres": 100 * idle.postgres / waited,
        }

    def _events(self) -> int:
        [(count,)] = self._crowd.server.run("select count(*) from events")
        return int(count)


async def measure_processes(
    crowd: Crowd, meter: Meter, folder: Path, seconds: float, say: Callable[[str], None]
) -> tuple[list[Line], dict[str, Any]]:
    """Measure the same load with more and more processes beside the one that serves it."""
    lines, raw = [], {}
    async with opened(crowd):
        with contextlib.ExitStack() as started:
            others: list[Server] = []
            for count in PROCESSES:
                say(f"{count} processes")
                while len(others) < count - 1:
                    others.append(
                        await asyncio.to_thread(started.enter_context, running(_other(crowd, folder, len(others))))
                    )
                processes = Processes(crowd, meter, others)
                for what, open_pages in _cases(processes, count):
                    await open_pages()
                    await asyncio.sleep(2.0)
                    found = await processes.measure(2 * seconds)
                    await processes.close()
                    raw[f"{count}, {what}"] = found
                    lines.append(_line(count, what, found))
    return lines, raw


def _other(crowd: Crowd, folder: Path, number: int) -> Server:
    conninfo = crowd.server.conninfo
    return Server(folder / f"process-{number}", WORKERS="1", DATABASE_URL=conninfo, conninfo=conninfo)


def _cases(processes: Processes, count: int) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    customers, desks = ("a customer", processes.open_customers), ("a desk", processes.open_desks)
    return [customers, desks] if count > 1 else [("", processes.open_customers)]


def _line(count: int, what: str, found: dict[str, float]) -> Line:
    name = f"{count} processes, {what} in each other one" if what else "1 process"
    others = f"; each other {found['each other']:.2f}" if what else ""
    return Line(
        f"{name}: 1,000 messages ({found['events']:.1f} events each)",
        f"{found['first']:.2f}{others}; Postgres {found['postgres']:.2f} s",
        f"p50 {found['p50']:.0f}, p95 {found['p95']:.0f} ms",
    )
