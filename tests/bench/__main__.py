"""`bin/bench`: measures a desk of this checkout, with Postgres of its own, on a free port, and prints a table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supportchat.config import ROOT
from tests.faults.desk import Desk as Server
from tests.faults.desk import running
from tests.postgres import open_folder

from . import profile, report
from .crowd import Crowd
from .fanout import measure_fanout
from .first_load import measure_first_load
from .grow import measure_grow
from .log import measure_log
from .messages import lines_of, measure_round
from .meter import Meter
from .photo import measure_photo
from .processes import measure_processes
from .report import Line
from .sockets import measure_sockets

USUAL = ("latency", "fanout", "page", "photo", "sockets")
ROWS = (*USUAL, "grow", "processes", "log")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bin/bench", description="Measures the desk. See docs/performance.md.")
    parser.add_argument("--only", action="append", choices=ROWS, help="measure this alone; may be given again")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turn with its floor (3)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each part of a round takes (6)")
    parser.add_argument("--sockets", type=int, default=5000, help="how many sockets are opened (5000)")
    parser.add_argument("--listen", action="store_true", help="pages only read frames, and ask for nothing")
    parser.add_argument(
        "--profile", action="store_true", help="print where the server's CPU time goes, and nothing else"
    )
    parser.add_argument("--grow", action="store_true", help="also measure a desk with a million tickets (15 minutes)")
    parser.add_argument("--rows", type=int, default=100_000_000, help="how long the log is (100 million)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures go (bench.json)")
    return parser.parse_args()


@contextlib.contextmanager
def served(**environ: str) -> Iterator[tuple[Server, Meter]]:
    """Start a desk of its own on an empty database."""
    environ = {"WORKERS": "1", **environ}
    with open_folder() as folder, running(Server(folder / "data", prefix=(), **environ)) as server:
        assert server.postmaster is not None
        yield server, Meter(server.supervisor.pid, server.postmaster.pid)


async def measure(
    server: Server, meter: Meter, chosen: set[str], asked: argparse.Namespace, raw: dict[str, Any]
) -> list[Line]:
    """Measure what needs the same hundred customers and a hundred tabs."""
    crowd = Crowd(server, reacts=not asked.listen)
    lines: list[Line] = []
    if "page" in chosen:
        lines += await measure_first_load(server, meter)
    if chosen - {"page"}:
        await crowd.gather()
    if "latency" in chosen:
        rounds = []
        for number in range(asked.rounds):
            say(f"messages, round {number + 1} of {asked.rounds}")
            rounds.append(await measure_round(crowd, meter, asked.seconds))
        raw["messages"] = [found.figures for found in rounds]
        lines = lines_of(rounds) + lines
    if "fanout" in chosen:
        say("further desks")
        lines += await measure_fanout(crowd, meter, asked.seconds, asked.rounds)
    if "photo" in chosen:
        say("photos")
        lines += await measure_photo(crowd, asked.seconds, asked.rounds)
    raw.setdefault("failed", {}).update(crowd.book.failed)
    return lines


async def measure_many(server: Server, meter: Meter, asked: argparse.Namespace) -> list[Line]:
    """Measure thousands of sockets, on a desk that has served nobody before."""
    crowd = Crowd(server, reacts=not asked.listen)
    await crowd.gather()
    return await measure_sockets(crowd, meter, asked.sockets, 2 * asked.seconds, say)


async def measure_several(
    server: Server, meter: Meter, folder: Path, asked: argparse.Namespace
) -> tuple[list[Line], dict[str, Any]]:
    """Measure further processes on the database of a desk."""
    crowd = Crowd(server, reacts=not asked.listen)
    await crowd.gather()
    return await measure_processes(crowd, meter, folder, asked.seconds, say)


def print_profile(asked: argparse.Namespace) -> None:
    """Print what a desk does that takes all messages that it can."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples"
        with served(**profile.settings(samples)) as (server, meter):

            async def run() -> str:
                crowd = Crowd(server, reacts=not asked.listen)
                await crowd.gather()
                return await profile.profile(crowd, meter, samples, asked.seconds)

            print(asyncio.run(run()))


def say(text: str) -> None:
    """Say how far it is."""
    print(f"{time.monotonic() - STARTED:4.0f} s  {text}", file=sys.stderr, flush=True)


STARTED = time.monotonic()


def main() -> None:
    """Measure, print the table, and keep the figures."""
    asked = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    chosen, about = set(asked.only or USUAL) | ({"grow"} if asked.grow else set()), report.machine()
    lines: list[Line] = []
    raw: dict[str, Any] = {}
    if asked.profile:
        print_profile(asked)
        return
    if together := chosen & {"latency", "fanout", "page", "photo"}:
        with served() as (server, meter):
            lines += asyncio.run(measure(server, meter, together, asked, raw))
    if "sockets" in chosen:
        with served() as (server, meter):
            lines += asyncio.run(measure_many(server, meter, asked))
    if "grow" in chosen:
        with open_folder() as folder:
            found, raw["grow"] = measure_grow(folder, say)
            lines += found
    if "processes" in chosen:
        with served() as (server, meter), open_folder() as folder:
            found, raw["processes"] = asyncio.run(measure_several(server, meter, folder, asked))
            lines += found
    if "log" in chosen:
        with open_folder() as folder:
            found, raw["log"] = measure_log(folder, asked.rows, say)
            lines += found
    text = f"\n{about}\n\n{report.table(lines)}\n"
    print(text)
    if asked.write:
        report.write(text)
    report.keep(asked.json if asked.json.is_absolute() else ROOT / asked.json, about, lines, raw)
    if raw.get("failed"):
        print(f"Refused or broken: {raw['failed']}")


if __name__ == "__main__":
    main()
