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
from .pages import Desk
from .report import Line, spread

RATE = 20
DESKS = 100
CASES = ("alone", "another view", "showing the ticket")


async def measure_fanout(crowd: Crowd, meter: Meter, seconds: float, rounds: int) -> list[Line]:
    """Measure with one desk, and with a hundred of both kinds."""
    customer, first = crowd.customers[0], next(desk for desk in crowd.desks if desk.number == crowd.customers[0].number)
    extra: dict[str, list[Desk]] = {}
    for case, view, number in (
        ("alone", "", 0),
        ("another view", "unassigned", 0),
        ("showing the ticket", "mine", first.number),
    ):
        extra[case] = []
        for place in range(DESKS - 1 if view else 0):
            browser = crowd.browser()
            browser.cookies = crowd.agents[place % len(crowd.agents)].cookies
            extra[case].append(Desk(browser, crowd.book, view=view, reacts=False))
        await gathered(lambda desk, number=number: desk.load(number), extra[case], AT_ONCE)
    pages = [first, customer]
    reacted = [page.reacts for page in pages]
    for page in pages:
        page.reacts = False
        await page.open()
    used: dict[str, list[float]] = {case: [] for case in CASES}
    frames: dict[str, list[float]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case in CASES:
            await gathered(Desk.open, extra[case], AT_ONCE)
            await asyncio.sleep(1.0)
            for desk in extra[case]:
                desk.frames.clear()
            before, start = meter.read(), time.monotonic()
            numbers = []
            for number in range(int(RATE * seconds)):
                await asyncio.sleep(max(0.0, start + number / RATE - time.monotonic()))
                numbers.append(asyncio.create_task(customer.send(start + number / RATE)))
            sent = await asyncio.gather(*numbers)
            await crowd.book.wait_for(sent, PATIENCE)
            await asyncio.sleep(max(0.0, start + seconds + 0.5 - time.monotonic()))
            used[case].append((meter.read() - before).server / len(sent))
            received = sum(sum(desk.frames.values()) for desk in extra[case])
            frames[case].append(received / len(sent) / max(1, len(extra[case])))
            await asyncio.gather(*(desk.close() for desk in extra[case]))
    for page, reacts in zip(pages, reacted, strict=True):
        await page.close()
        page.reacts = reacts
    alone = used["alone"]
    return [
        Line(
            f"each further desk, {case}",
            f"{spread([1e6 * (all_ - one) / (DESKS - 1) for all_, one in zip(used[case], alone, strict=True)])} us",
            floor=f"{statistics.median(frames[case]):.1f} frames a message",
            must=must,
            aim=aim,
        )
        for case, must, aim in (("another view", "10 us", "5 us"), ("showing the ticket", "20 us", "12 us"))
    ]
