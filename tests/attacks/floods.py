"""What other people notice while somebody floods the desk: `python -m tests.attacks.floods [--rate N] [NAME ...]`.

Starts the desk as it is shipped, with one worker, its own Postgres and all limits, and measures from another address:
customers write, until the agent's page has it; agents reply, until the customer's page has it; customers load their
page. What is due is sent when it is due, however long the rest takes. Each flood is a process of its own, with an
address of its own. One that comes from another machine would not take this one's processors: so, for root, the desk
goes before all else that the machine does; for others, the flood has the lowest priority.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from supportchat.config import ROOT
from tests.bench import pages
from tests.bench.crowd import Crowd, percentile
from tests.bench.messages import until
from tests.bench.wire import Browser, Failed
from tests.faults.desk import Desk, running

from .attacks import ATTACKS
from .stranger import cpu_seconds

OTHERS = "127.0.0.2"  # limits are for each address, and the stranger has another one
AGENTS, TABS = 4, 2
RATE = 12.0  # acts of other people in a second
PATIENCE = 30.0
FIRST, LAST = -15, 19
REST_SECONDS = 2.0  # until what is left of the last flood is over
SOURCES = itertools.count(1)


class Customer(pages.Customer):
    """A customer's page that notes when a reply has come."""

    def show(self, content: str, now: float) -> None:
        """Show lines."""
        super().show(content, now)
        if "message--theirs" in content:
            self.book.arrive(content, now)


class Agent(pages.Desk):
    """An agent's page that notes when a customer's message has come."""

    def show(self, content: str, now: float) -> None:
        """Show lines."""
        pages.Page.show(self, content, now)
        if "message--theirs" in content:
            self.book.arrive(content, now)

    async def reply(self, due: float) -> int:
        """Reply, and return the number of the message."""
        number = self.book.new(due)
        values = {"client_message_id": str(uuid.uuid4()), "message": f"bench-{number}- Please switch it off and on."}
        headers = f"{pages.HTMX}X-Agent: {self.agent}\r\n"
        await self.ask("replies", self.browser.post(f"{self.base}/messages", values, headers))
        return number


class Others(Crowd):
    """People who use the desk as they should, at another address than the one that floods it."""

    customer, desk = Customer, Agent

    @property
    def flooding(self) -> Browser:
        """The browser of the agent who floods the desk, when it is one."""
        return self.agents[-1]

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser("127.0.0.1", self.server.port, OTHERS)

    async def measure(self, seconds: float) -> list[float]:
        """Return how long each act took, for some time."""
        desks = [desk for desk in self.desks if desk.browser.cookies is not self.flooding.cookies]
        writes = [self._written(self.customers, Customer.send), self._written(desks, Agent.reply)]
        acts: Iterator[Callable[[float], Coroutine[Any, Any, float]]] = itertools.cycle([*writes, self._looked()])
        start = time.monotonic() + 0.1
        begun = []
        for number in range(int(RATE * seconds)):
            due = start + number / RATE
            await until(due)
            begun.append(asyncio.create_task(next(acts)(due)))
        return await asyncio.gather(*begun)

    def _looked(self) -> Callable[[float], Coroutine[Any, Any, float]]:
        turns = itertools.cycle(self.customers)

        async def looked(due: float) -> float:
            with contextlib.suppress(Failed):
                await next(turns).browser.get("/chat")
                return time.monotonic() - due
            return PATIENCE

        return looked

    def _written(
        self, who: Sequence[pages.Page], write: Callable[..., Awaitable[int]]
    ) -> Callable[[float], Coroutine[Any, Any, float]]:
        turns = itertools.cycle(who)

        async def written(due: float) -> float:
            number = await write(next(turns), due)
            await self.book.wait_for([number], PATIENCE)
            return self.book.latencies([number])[0]

        return written


@dataclass
class Felt:
    """What others noticed of one flood."""

    before: list[float]
    during: list[float]
    megabytes: tuple[int, int]
    busy: tuple[float, ...]  # the parts of one processor that the worker, Postgres and the flood took

    @property
    def ratio(self) -> float:
        """How many times as long the 95th percentile was."""
        return percentile(self.during, 0.95) / percentile(self.before, 0.95)


@contextlib.asynccontextmanager
async def others(folder: Path) -> AsyncIterator[Others]:
    """Run a desk of its own, and have people use it."""
    with tempfile.TemporaryDirectory(prefix="supportchat-floods-") as name:
        Path(name).chmod(0o711)
        server = Desk(Path(name) / "data", WORKERS="1", LIMITS="on")
        server.folder = folder
        with running(server):
            crowd = Others(server)
            for pid in (os.getpid(), server.workers[0].pid, server.postmaster.pid):  # type: ignore[union-attr]
                put_first(pid)
            await crowd.gather(AGENTS, TABS)
            await crowd.open()
            yield crowd
            await crowd.close()


@contextlib.contextmanager
def flooding(name: str, crowd: Others, rate: float) -> Iterator[psutil.Process]:
    """Have a flood run meanwhile."""
    command = [sys.executable, "-m", "tests.attacks.attacks", name, crowd.server.url, "1000", str(rate)]
    environ = {**os.environ, "AGENT": json.dumps(crowd.flooding.cookies), "SOURCE": f"127.0.1.{next(SOURCES)}"}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, start_new_session=True) as process:
        if os.geteuid():
            os.setpriority(os.PRIO_PROCESS, process.pid, LAST)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def put_first(pid: int) -> None:
    """Let a process and its session go before others: Linux shares processors among sessions first."""
    with contextlib.suppress(OSError):  # who is not root may not
        Path(f"/proc/{pid}/autogroup").write_text(str(FIRST))


async def measure(name: str, crowd: Others, rate: float, seconds: float) -> Felt:
    """Measure before and during one flood."""
    worker, postmaster = crowd.server.workers[0], crowd.server.postmaster
    assert postmaster is not None
    before = await crowd.measure(seconds)
    memory = [worker.memory_info().rss]
    with flooding(name, crowd, rate) as flood:
        watching = asyncio.create_task(_watch(worker, memory))
        start, used = time.monotonic(), _used(worker, postmaster, flood)
        during = await crowd.measure(seconds)
        took = time.monotonic() - start
        busy = [(now - then) / took for now, then in zip(_used(worker, postmaster, flood), used, strict=True)]
        watching.cancel()
    return Felt(before, during, (memory[0] >> 20, max(memory) >> 20), tuple(busy))


async def _watch(worker: psutil.Process, memory: list[int]) -> None:
    while True:
        memory.append(worker.memory_info().rss)
        await asyncio.sleep(0.2)


def _used(worker: psutil.Process, postmaster: psutil.Process, flood: psutil.Process) -> tuple[float, ...]:
    postgres = sum(cpu_seconds(process) for process in (postmaster, *postmaster.children(recursive=True)))
    return cpu_seconds(worker), postgres, cpu_seconds(flood)


async def run(options: argparse.Namespace) -> None:
    """Print a line for each flood: the medians of the rounds, and the longest of all."""
    names = options.names or list(ATTACKS)
    rounds: dict[str, list[Felt]] = {name: [] for name in names}
    async with others(options.desk) as crowd:
        for number, name in itertools.product(range(options.rounds), names):
            rounds[name].append(await measure(name, crowd, options.rate, options.seconds))
            print(number + 1, line(name, rounds[name][-1:]), file=sys.stderr, flush=True)
            await asyncio.sleep(REST_SECONDS)
    print("| flood | before, p50/p95 ms | during | ratio | longest, ms | MB | busy: worker, Postgres, flood |")
    print("|---|" + "---|" * 6)
    for name in names:
        print(line(name, rounds[name]))


def line(name: str, rounds: list[Felt]) -> str:
    """Return the line of one flood."""
    before, during = (
        "/".join(f"{_median(1000 * percentile(felt, part) for felt in of_all):.0f}" for part in (0.5, 0.95))
        for of_all in ([felt.before for felt in rounds], [felt.during for felt in rounds])
    )
    ratio, longest = _median(felt.ratio for felt in rounds), 1000 * max(max(felt.during) for felt in rounds)
    low, high = max(felt.megabytes for felt in rounds)
    busy = ", ".join(f"{100 * _median(parts):.0f} %" for parts in zip(*(felt.busy for felt in rounds), strict=True))
    return f"| {name} | {before} | {during} | {ratio:.1f} | {longest:.0f} | {low} -> {high} | {busy} |"


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS])
    parser.add_argument("--desk", type=Path, default=ROOT)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: as many as it can")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
