"""A load in a process of its own: `python -m tests.faults.load URL LEDGER ...`.

It prints `running` once every page is live, and goes on until a line of its input says that the fault is over and
enough messages are acknowledged. Then it prints `quiet`, and when its input ends it lets the pages catch up, writes its
ledger, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from .clients import Desk, Load, start_customer, until

SETTLE_SECONDS = 60.0
QUIET_SECONDS = 3.0  # longer than a sweep, which finds what no event has told


async def run(options: argparse.Namespace) -> bool:
    """Run one load; whether every page has come to show everything."""
    start = time.monotonic()
    load = Load(options.url, options.rate, start + options.seconds, options.copies)
    over, end = asyncio.Event(), asyncio.Event()
    load.spawn(_hear(over, end))
    for email in options.agents:
        await Desk(load, email, options.notes).start()
    made = await asyncio.gather(*(start_customer(load, f"{options.name} {n}") for n in range(options.customers)))
    customers = [page for page in made if page is not None]
    for number, page in enumerate(customers):
        page.start(receipts=number % 4 == 0)
    pages = len(customers) * (2 if options.agents else 1)
    if not await until(lambda: len(load.pages) >= pages and all(p.is_live for p in load.pages), load.deadline):
        sys.exit(f"{len(load.pages)} of {pages} pages are open")
    for page in customers:
        load.let_write(page, lambda: "message")
    print("running", flush=True)
    await until(lambda: over.is_set() and load.acked >= options.messages, load.deadline)
    load.is_writing = False
    load.deadline = time.monotonic() + SETTLE_SECONDS
    if load.writing:
        await asyncio.wait(load.writing, timeout=SETTLE_SECONDS)
    print("quiet", flush=True)
    await end.wait()
    load.deadline = time.monotonic() + SETTLE_SECONDS
    has_settled = await _settle(load)
    load.ledger.save(options.ledger)
    await load.stop()
    return has_settled


async def _hear(over: asyncio.Event, end: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.readline()
    over.set()
    await reader.read()
    end.set()


async def _settle(load: Load) -> bool:
    """Wait until all pages of each conversation show the same, and nothing new has come for a while."""
    quiet_since = time.monotonic()
    before: dict[str, int] = {}
    while time.monotonic() < load.deadline:
        last: dict[str, int] = {}
        for page in load.pages:
            last[page.screen.mark] = max(last.get(page.screen.mark, 0), page.last_seq)
        if last != before or any(p.contiguous < last[p.screen.mark] or not p.is_live for p in load.pages):
            quiet_since = time.monotonic()
        before = last
        if time.monotonic() - quiet_since > QUIET_SECONDS:
            return True
        await asyncio.sleep(0.1)
    return False


def main() -> int:
    """Run a load as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--name", default="load")
    parser.add_argument("--customers", type=int, default=8)
    parser.add_argument("--agents", nargs="*", default=[])
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--notes", type=float, default=0.1, help="the share of notes in what agents write")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--copies", type=int, default=1)
    options = parser.parse_args()
    random.seed()
    return 0 if asyncio.run(run(options)) else 3


if __name__ == "__main__":
    sys.exit(main())
