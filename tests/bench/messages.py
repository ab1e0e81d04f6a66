"""Messages: how soon they are at the agent, how many a second, and what they cost, in rounds with their floors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from supportchat.config import ROOT
from tests.faults.desk import Desk as Server

from .crowd import Crowd, percentile
from .meter import Cpu, Meter
from .report import Line, ratio, spread
from .wire import Browser

AT_ONCE = 32
RATE: tuple[str, str, str, int] = (">= 0.28 x", "0.40 x", "/s", 0)
SECONDS: tuple[str, int] = ("s", 2)
PATIENCE = 10.0  # for messages that are on their way when the time is over


@dataclass
class Round:
    """What one round has measured, each in the unit that its name says."""

    figures: dict[str, float] = field(default_factory=dict)

    def note(self, **figures: float) -> None:
        """Add figures."""
        self.figures |= figures


async def floor(server: Server, meter: Meter, what: str, seconds: float, rate: float = 0.0) -> Any:
    """Run one of the floors in a process of its own."""
    arguments = (server.conninfo, str(meter.postmaster), what, str(seconds), *([str(rate)] if rate else []))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.floors", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return json.loads(output)


async def as_fast_as_it_goes(act: Callable[[int], Awaitable[Any]], seconds: float, at_once: int = AT_ONCE) -> int:
    """Have so many do something again and again; return how often it was done in that time."""
    end = time.monotonic() + seconds
    done = 0

    async def work(place: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            await act(place)
            done += time.monotonic() < end

    await asyncio.gather(*(work(place) for place in range(at_once)))
    return done


async def healthz(server: Server, meter: Meter, seconds: float) -> dict[str, float]:
    """Return how many GETs of /healthz a second the desk answers, and the server's CPU seconds for 1,000."""
    browsers = [Browser("127.0.0.1", server.port) for _ in range(AT_ONCE)]
    await as_fast_as_it_goes(lambda place: browsers[place].get("/healthz"), 0.3)
    before, start = meter.read(), time.monotonic()
    count = await as_fast_as_it_goes(lambda place: browsers[place].get("/healthz"), seconds)
    used, took = meter.read() - before, time.monotonic() - start
    for browser in browsers:
        browser.close()
    return {"rate": count / took, "server": used.server * 1000 / count}


async def until(due: float) -> None:
    """Wait for a moment. asyncio wakes up to a millisecond late, which would count as the desk's latency."""
    await asyncio.sleep(max(0.0, due - time.monotonic() - 0.0015))
    while time.monotonic() < due:
        await asyncio.sleep(0)


async def paced(crowd: Crowd, rate: float, seconds: float) -> list[int]:
    """Let customers send so many messages a second, whoever's turn it is; return the numbers of the messages."""
    turns = itertools.cycle(random.sample(crowd.customers, len(crowd.customers)))
    sending = []
    with uncollected():
        start = time.monotonic() + 0.1
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await until(due)
            sending.append(asyncio.create_task(next(turns).send(due)))
        numbers = await asyncio.gather(*sending)
        await crowd.book.wait_for(numbers, PATIENCE)
    return numbers


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Have the client collect no garbage: with thousands of pages that takes it a tenth of a second and more."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def measure_paced(crowd: Crowd, meter: Meter, rate: float, seconds: float) -> dict[str, float]:
    """Return latencies in ms, and how busy the server is."""
    before, start = meter.read(), time.monotonic()
    crowd.book.asked.clear()
    crowd.book.said.clear()
    numbers = await paced(crowd, rate, seconds)
    took, used = time.monotonic() - start, meter.read() - before
    latencies = [1000 * latency for latency in crowd.book.latencies(numbers)]
    return {
        "p50": percentile(latencies, 0.5),
        "p95": percentile(latencies, 0.95),
        **costs(used, len(numbers)),
        "busy": 100 * used.server / took,
        "client busy": 100 * used.client / took,
        # Beside the message itself: whatever pages fetch.
        "requests": (sum(crowd.book.asked.values()) - crowd.book.asked["messages"]) / len(numbers),
        "receipts": crowd.book.said["receipts"] / len(numbers),
    }


async def measure_saturated(crowd: Crowd, meter: Meter, seconds: float) -> dict[str, float]:
    """Return how many messages a second are answered, and what they cost."""
    before, start = meter.read(), time.monotonic()
    turns = itertools.cycle(crowd.customers)
    # Each waits for its own answer, as a page does; so many of them at once.
    count = await as_fast_as_it_goes(lambda _: next(turns).send(time.monotonic()), seconds)
    took, used = time.monotonic() - start, meter.read() - before
    await asyncio.sleep(1.0)
    return {"rate": count / took, **costs(used, count), "client busy": 100 * used.client / took}


def costs(used: Cpu, count: int) -> dict[str, float]:
    """Return CPU seconds for 1,000 messages."""
    return {"server": used.server * 1000 / count, "postgres": used.postgres * 1000 / count}


async def measure_round(crowd: Crowd, meter: Meter, seconds: float) -> Round:
    """Measure the floors without pages, then the desk with all of them."""
    found, server = Round(), crowd.server
    for rate in (20, 100):
        took = [1000 * one for one in await floor(server, meter, "paced", seconds / 2, rate)]
        found.note(**{f"floor {rate}/s p50": percentile(took, 0.5), f"floor {rate}/s p95": percentile(took, 0.95)})
    for what in ("posts", "inserts"):
        found.note(**prefixed(f"floor {what}", await floor(server, meter, what, seconds / 3)))
    found.note(**prefixed("healthz", await healthz(server, meter, seconds / 3)))
    async with opened(crowd):
        for rate in (20, 100):
            found.note(**prefixed(f"{rate}/s", await measure_paced(crowd, meter, rate, seconds)))
        found.note(**prefixed("saturated", await measure_saturated(crowd, meter, seconds)))
        with listening(crowd):
            found.note(**prefixed("listening", await measure_saturated(crowd, meter, seconds)))
    return found


def prefixed(name: str, figures: dict[str, float]) -> dict[str, float]:
    """Return figures under longer names."""
    return {f"{name} {key}": value for key, value in figures.items()}


@contextlib.contextmanager
def listening(crowd: Crowd) -> Iterator[None]:
    """Let all pages only read for a while: without the receipts that both sides send for each message."""
    pages = (*crowd.customers, *crowd.desks)
    for page in pages:
        page.reacts = False
    yield
    for page in pages:
        page.reacts = crowd.reacts


@contextlib.asynccontextmanager
async def opened(crowd: Crowd) -> Any:
    """Have the sockets of a crowd open."""
    await crowd.open()
    try:
        yield
    finally:
        await crowd.close()


def lines_of(rounds: list[Round]) -> list[Line]:
    """Return what the rounds have come to."""

    def of(name: str) -> list[float]:
        return [found.figures[name] for found in rounds]

    def against(figure: str, name: str, floor: str, must: str, aim: str, unit: str = "ms", digits: int = 1) -> Line:
        return Line(
            figure,
            f"{spread(of(name), digits)} {unit}",
            f"{spread(of(floor), digits)} {unit}",
            ratio(of(name), of(floor)),
            must,
            aim,
        )

    return [
        against("20/s, p50 against the bare call", "20/s p50", "floor 20/s p50", "2.5 x", "1.7 x"),
        against("20/s, p95", "20/s p95", "floor 20/s p95", "5 x", "3 x"),
        against("100/s, p50", "100/s p50", "floor 100/s p50", "4 x", "2.5 x"),
        Line("100/s, worker busy", f"{spread(of('100/s busy'), 0)} %", must="90 %"),
        against("messages/s, saturated, against /healthz", "saturated rate", "healthz rate", *RATE),
        against("the same, pages only listen: no receipts", "listening rate", "healthz rate", *RATE),
        against(
            "Postgres, 1,000 post_message alone, against INSERT + NOTIFY",
            *("floor posts postgres", "floor inserts postgres", "3 x", "2 x", *SECONDS),
        ),
        against(
            "Postgres, 1,000 messages in the desk",
            *("saturated postgres", "floor inserts postgres", "4 x", "2.5 x", *SECONDS),
        ),
        against(
            "the same, pages only listen",
            *("listening postgres", "floor inserts postgres", "4 x", "2.5 x", *SECONDS),
        ),
        against(
            "server, 1,000 messages, against 1,000 /healthz",
            *("saturated server", "healthz server", "3.5 x", "2.5 x", *SECONDS),
        ),
        against("the same, pages only listen", *("listening server", "healthz server", "3.5 x", "2.5 x", *SECONDS)),
        Line(
            "requests of pages for each message, at 20/s; 100/s",
            f"{spread(of('20/s requests'), 2)}; {spread(of('100/s requests'), 2)}",
        ),
        Line(
            "receipts by sockets for each message, at 20/s; 100/s",
            f"{spread(of('20/s receipts'), 2)}; {spread(of('100/s receipts'), 2)}",
        ),
    ]
