"""What each further desk costs the server for one message: with another view, and with the ticket open.

The desks only read here: what they ask for by themselves is measured with the messages.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from .crowd import AT_ONCE, Crowd, gathered
from .messages import PATIENCE
from .meter import Meter
from .pages import Customer, Desk
from .report import Line, spread

RATE = 20
DESKS = 100


class Fanout:
    """One customer who writes, an agent's desk that shows it, and further desks."""

    def __init__(self, crowd: Crowd, meter: Meter, seconds: float) -> None:
        self._crowd = crowd
        self._meter = meter
        self._seconds = seconds
        self._customer = crowd.customers[0]
        self._first = next(desk for desk in crowd.desks if desk.number == self._customer.number)

    async def measure(self, desks: list[Desk], number: int = 0) -> tuple[float, float]:
        """Return the server's CPU seconds for one message, and how many frames each further desk got for it."""
        pages: list[Customer | Desk] = [self._customer, self._first, *desks]
        for page in pages:
            page.reacts = False
        await self._first.load(self._first.number)
        await gathered(lambda desk: desk.load(number), desks, AT_ONCE)
        await gathered(lambda page: page.open(), pages, AT_ONCE)
        await asyncio.sleep(1.0)
        for desk in desks:
            desk.frames.clear()
        before = self._meter.read()
        count = await self._send()
        used = self._meter.read() - before
        frames = sum(sum(desk.frames.values()) for desk in desks) / count / max(1, len(desks))
        for page in pages:
            await page.close()
            page.reacts = self._crowd.reacts
        return used.server / count, frames

    async def _send(self) -> int:
        start, sending = time.monotonic(), []
        for number in range(int(RATE * self._seconds)):
            due = start + number / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sending.append(asyncio.create_task(self._customer.send(due)))
        sent = await asyncio.gather(*sending)
        await self._crowd.book.wait_for(sent, PATIENCE)
        await asyncio.sleep(max(0.0, start + self._seconds + 0.5 - time.monotonic()))
        return len(sent)


async def measure_fanout(crowd: Crowd, meter: Meter, seconds: float, rounds: int) -> list[Line]:
    """Measure with one desk, and with a hundred of both kinds."""
    fanout, number = Fanout(crowd, meter, seconds), crowd.customers[0].number
    elsewhere, showing = further_desks(crowd, "unassigned"), further_desks(crowd, "mine")
    alone: list[float] = []
    costs: dict[str, tuple[list[float], list[float]]] = {"another view": ([], []), "showing the ticket": ([], [])}
    for _ in range(rounds):
        alone.append((await fanout.measure([]))[0])
        for case, desks, ticket in (("another view", elsewhere, 0), ("showing the ticket", showing, number)):
            used, received = await fanout.measure(desks, ticket)
            costs[case][0].append(1e6 * (used - alone[-1]) / len(desks))
            costs[case][1].append(received)
    return [
        Line(
            f"each further desk, {case}",
            f"{spread(costs[case][0])} us",
            floor=f"{statistics.median(costs[case][1]):.1f} frames a message",
            must=must,
            aim=aim,
        )
        for case, must, aim in (("another view", "10 us", "5 us"), ("showing the ticket", "20 us", "12 us"))
    ]


def further_desks(crowd: Crowd, view: str) -> list[Desk]:
    """Return desks of all agents in turn, which are not open yet."""
    desks = []
    for place in range(DESKS - 1):
        browser = crowd.browser()
        browser.cookies = crowd.agents[place % len(crowd.agents)].cookies
        desks.append(Desk(browser, crowd.book, view=view, reacts=False))
    return desks
