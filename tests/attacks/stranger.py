"""What another user feels while a stranger attacks: `python -m tests.attacks.stranger [--desk FOLDER] [NAME ...]`.

Starts the desk of a folder, by default of this one, on a database of its own; runs each attack for a few seconds while
a customer writes; and prints how long this customer's messages took before and during it, and the memory of the worker.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from supportchat.config import ROOT
from tests.server import free_port, kill_family

from .attacks import ATTACKS
from .browser import Browser

CUSTOMER = "127.0.0.2"  # bounds are for each address, and the stranger has another one
PAUSE_SECONDS = 0.1
START_SECONDS = 60


@dataclass
class Felt:
    """How the customers' messages went."""

    seconds: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)  # how many CPU seconds the worker had meanwhile
    failures: int = 0

    @property
    def worst(self) -> float:
        """How long the slowest took."""
        return max(self.seconds, default=0.0)

    @property
    def longest_stall(self) -> float:
        """The most CPU seconds that the worker took to answer one of them, however busy the machine is."""
        return max(self.worked, default=0.0)

    def __str__(self) -> str:
        ordered = sorted(self.seconds) or [0.0]
        at95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
        return "/".join(f"{1000 * value:.0f}" for value in (statistics.median(ordered), at95, ordered[-1]))


class Customers:
    """A few people who write in turn, none of them faster than a person may."""

    def __init__(self, url: str) -> None:
        self._browsers = itertools.cycle([Browser(url, CUSTOMER).start() for _ in range(4)])

    def write(self, seconds: float, worker: psutil.Process) -> Felt:
        """Write to this worker for some time, and return how it went."""
        felt, end = Felt(), time.monotonic() + seconds
        while time.monotonic() < end:
            start, before = time.monotonic(), cpu_seconds(worker)
            try:
                is_sent = next(self._browsers).say("Is anybody there?") == 303
            except OSError:
                is_sent = False
            felt.seconds.append(time.monotonic() - start)
            felt.worked.append(cpu_seconds(worker) - before)
            felt.failures += not is_sent
            time.sleep(PAUSE_SECONDS)
        return felt


@dataclass
class Outcome:
    """What one attack did."""

    before: Felt
    during: Felt
    megabytes: tuple[int, int]
    is_same_worker: bool


def run(name: str, url: str, seconds: float, parent: int, customers: Customers, before_seconds: float = 2) -> Outcome:
    """Run an attack on a desk, whose gunicorn or one above it has the process id `parent`."""
    worker = worker_of(parent)
    before = customers.write(before_seconds, worker)
    memory = [worker.memory_info().rss]
    with attacking(name, url, seconds), watching(worker, memory):
        during = customers.write(seconds, worker)
    megabytes = memory[0] // 2**20, max(memory) // 2**20
    return Outcome(before, during, megabytes, worker.is_running() and worker_of(parent).pid == worker.pid)


def cpu_seconds(process: psutil.Process) -> float:
    """Return how long a process has worked; nothing of one that has gone."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def worker_of(parent: int) -> psutil.Process:
    """Return gunicorn's youngest worker: of its processes the one that has no other below it."""
    family = psutil.Process(parent).children(recursive=True)
    return [p for p in family if {"gunicorn", "tests.serving"} & {*p.cmdline()}][-1]


@contextlib.contextmanager
def attacking(name: str, url: str, seconds: float) -> Iterator[None]:
    """Have an attack run meanwhile."""
    command = [sys.executable, "-m", "tests.attacks.attacks", name, url, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def watching(worker: psutil.Process, memory: list[int]) -> Iterator[None]:
    """Have the memory of a process looked at meanwhile."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(psutil.NoSuchProcess):
                memory.append(worker.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    yield
    over.set()
    watcher.join()


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the desk of a folder with everything that belongs to it; give its address and process id."""
    with tempfile.TemporaryDirectory(prefix="supportchat-stranger-") as name:
        Path(name).chmod(0o711)
        port, log = free_port(), Path(name) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supportchat.server.run"],
                cwd=folder,
                env={**os.environ, "DATA_DIR": f"{name}/data", "PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            end = time.monotonic() + START_SECONDS
            while "Ready." not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            if process.poll() is None:
                kill_family(psutil.Process(process.pid))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS])
    parser.add_argument("--desk", type=Path, default=ROOT)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    print("| attack | POST before, p50/p95/max ms | during | failed | worker MB | |", "|---|" + "---|" * 5, sep="\n")
    for name in options.names or ATTACKS:
        with desk(options.desk) as (url, pid):
            outcome = run(name, url, options.seconds, pid, Customers(url))
        during, failed = outcome.during, f"{outcome.during.failures} of {len(outcome.during.seconds)}"
        end = "" if outcome.is_same_worker else "worker lost"
        low, high = outcome.megabytes
        print(f"| {name} | {outcome.before} | {during} | {failed} | {low} -> {high} | {end} |", flush=True)


if __name__ == "__main__":
    main()
