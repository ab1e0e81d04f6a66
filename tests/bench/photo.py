"""A photo of 5 MB: how long until an agent sees it, and what texts feel of it."""

from __future__ import annotations

import asyncio
import io
import os
import statistics
import time

from PIL import Image

from .crowd import Crowd, percentile
from .messages import PATIENCE, opened, paced
from .report import Line, ratio, spread

RATE = 20
SIZE = (4032, 3024)
LONGEST_SIDE = 2048
BYTES = 4_900_000


def photo() -> bytes:
    """Return a JPEG of a phone's size: shapes and noise of about 4.9 MB."""
    small = Image.effect_mandelbrot((SIZE[0] // 8, SIZE[1] // 8), (-2.2, -1.2, 1.0, 1.2), 60).resize(SIZE)
    grain = Image.frombytes("L", (SIZE[0] // 2, SIZE[1] // 2), os.urandom(SIZE[0] * SIZE[1] // 4)).resize(SIZE)
    red, green = Image.blend(small, grain, 0.18), Image.blend(small, grain, 0.12)
    picture = Image.merge("RGB", (red, green, red.point(lambda value: 255 - value)))
    best = b""
    for quality in range(70, 99, 2):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() > BYTES and best:
            break
        best = file.getvalue()
    return best


def pillow_alone(content: bytes) -> float:
    """Return the seconds that Pillow takes to make it small and store it again."""
    start = time.monotonic()
    picture = Image.open(io.BytesIO(content))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture.save(io.BytesIO(), "JPEG", quality=85)
    return time.monotonic() - start


async def show(crowd: Crowd, content: bytes) -> float:
    """Let a customer send a photo; return the seconds until the agent's page has all of it."""
    customer, due = crowd.customers[0], time.monotonic()
    desk = next(desk for desk in crowd.desks if desk.number == customer.number)
    number = await customer.send(due, content)
    await crowd.book.wait_for([number], PATIENCE)
    answer = await desk.browser.get(crowd.book.pictures[number])
    assert answer.status == 200
    return time.monotonic() - due


async def texts(crowd: Crowd, seconds: float) -> float:
    """Return the p95 of texts in ms."""
    return 1000 * percentile(crowd.book.latencies(await paced(crowd, RATE, seconds)), 0.95)


async def measure_photo(crowd: Crowd, seconds: float, rounds: int) -> list[Line]:
    """Measure photos with their floor, and texts with and without photos, in turn."""
    content = photo()
    shown, alone, without, meanwhile = [], [], [], []
    async with opened(crowd):
        await show(crowd, content)
        for _ in range(rounds):
            alone.append(1000 * statistics.median(pillow_alone(content) for _ in range(3)))
            shown.append(1000 * statistics.median([await show(crowd, content) for _ in range(3)]))
            without.append(await texts(crowd, seconds))
            sending = asyncio.create_task(texts(crowd, seconds))
            while not sending.done():
                await show(crowd, content)
            meanwhile.append(await sending)
    return [
        Line(
            f"photo of {len(content) / 1e6:.2f} MB, stored and shown, against Pillow alone",
            *(f"{spread(shown, 0)} ms", f"{spread(alone, 0)} ms", ratio(shown, alone), "1.6 x", "1.2 x"),
        ),
        Line(
            "text p95 meanwhile, against without",
            *(f"{spread(meanwhile)} ms", f"{spread(without)} ms", ratio(meanwhile, without), "1.5 x", "1.2 x"),
        ),
    ]
