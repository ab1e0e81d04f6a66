"""Where the server's CPU time goes while messages come as fast as it takes them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from supportchat.config import ROOT

from .crowd import Crowd
from .messages import measure_saturated, opened
from .meter import Meter
from .sampler.sitecustomize import BEGIN_OR_END

SAMPLER = Path(__file__).parent / "sampler"
LINES = 25
PACKAGE = re.compile(r"site-packages/([^/]+)")


def settings(samples: Path) -> dict[str, str]:
    """Return the environment of a desk that can be sampled."""
    return {"PYTHONPATH": str(SAMPLER), "SAMPLES": str(samples)}


@contextlib.asynccontextmanager
async def sampled(worker: int, samples: Path) -> AsyncIterator[None]:
    """Sample a worker meanwhile."""
    os.kill(worker, BEGIN_OR_END)
    yield
    os.kill(worker, BEGIN_OR_END)
    while not samples.exists():
        await asyncio.sleep(0.05)


async def profile(crowd: Crowd, meter: Meter, samples: Path, seconds: float) -> str:
    """Return the profile of messages at saturation, as text."""
    async with opened(crowd), sampled(crowd.server.workers[0].pid, samples):
        figures = await measure_saturated(crowd, meter, seconds)
    stacks = [(tuple(stack), count) for stack, count in json.loads(samples.read_text())]
    samples.unlink()
    return (
        f"{figures['rate']:.0f} messages/s, {figures['server']:.2f} CPU s for 1,000 with the sampler\n"
        + section("By package, of itself", stacks, by_package)
        + section("By module, gevent and Python itself counted to who calls them", stacks, by_module)
        + section("By our own function that stands innermost", stacks, by_own_function)
        + section("By function, of itself", stacks, lambda stack: {stack[0]})
        + section("By function, with all that it calls", stacks, set)
    )


def by_package(stack: tuple[str, ...]) -> set[str]:
    """Return the package that the innermost function is of."""
    found = PACKAGE.search(stack[0])
    if found:
        return {found[1]}
    return {"supportchat" if str(ROOT) in stack[0] else "Python itself"}


def by_module(stack: tuple[str, ...]) -> set[str]:
    """Return the module of the innermost function that is neither gevent's nor of the standard library."""
    for place in stack:
        if (PACKAGE.search(place) and "/gevent/" not in place) or str(ROOT / "supportchat") in place:
            return {place.rpartition(":")[0]}
    return {"the event loop"}


def by_own_function(stack: tuple[str, ...]) -> set[str]:
    """Return the innermost function of ours: what libraries do is counted to who asked them to."""
    return {next((place for place in stack if str(ROOT / "supportchat") in place), "no function of ours")}


def section(
    title: str, stacks: list[tuple[tuple[str, ...], int]], names: Callable[[tuple[str, ...]], Iterable[str]]
) -> str:
    """Write the names that most of the samples have."""
    counts: Counter[str] = Counter()
    for stack, count in stacks:
        for name in names(stack):
            counts[name] += count
    total = sum(count for _, count in stacks)
    rows = (f"  {100 * count / total:5.1f} %  {short(name)}\n" for name, count in counts.most_common(LINES))
    return f"\n{title}\n{''.join(rows)}"


def short(name: str) -> str:
    """Write a place without the folders before it."""
    return re.sub(r"^.*/(?:site-packages|python3\.\d+)/", "", name.replace(f"{ROOT}/", ""))
