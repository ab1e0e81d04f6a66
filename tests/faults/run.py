"""One fault under load: the loads, the ledger they leave, and the verdict on it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from supportchat.config import ROOT

from .checker import Verdict, check, stored_rows
from .desk import Desk
from .ledger import Ledger

MESSAGES = int(os.environ.get("FAULT_MESSAGES") or 120)
IS_FULL = os.environ.get("FAULTS") == "all"
# What two cores can serve beside the load itself: see docs/delivery.md.
RATE = float(os.environ.get("FAULT_RATE") or 40)
LEAST_RATE = 5.0
RUNNING_SECONDS = 60.0


@dataclass
class LoadProcess:
    """One load that runs."""

    process: subprocess.Popen[str]
    ledger: Path
    log: Path

    def say(self, line: str) -> None:
        """Give it a line; '' ends its input."""
        assert self.process.stdin is not None
        if line:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        else:
            self.process.stdin.close()

    def expect(self, line: str) -> None:
        """Wait until it has printed a line; fail when it ends instead."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == line, self.log.read_text()


@dataclass
class Run:
    """What runs beside a fault; `verdict` stands once it is over."""

    desk: Desk
    folder: Path
    verdict: Verdict = field(default_factory=Verdict)
    ledgers: list[Ledger] = field(default_factory=list)
    loads: list[LoadProcess] = field(default_factory=list)
    asked: int = 0

    def start(
        self,
        *,
        url: str = "",
        prefix: tuple[str, ...] = (),
        name: str = "customer",
        customers: int = 6,
        agents: int = 2,
        messages: int = MESSAGES,
        rate: float = RATE,
        copies: int = 1,
        at_least: float = 60.0,
    ) -> LoadProcess:
        """Start a load, and wait until its pages are open. `at_least`: seconds that it may take in any case."""
        number = len(self.loads)
        self.asked += messages
        ledger, log = self.folder / f"ledger-{number}.json", self.folder / f"load-{number}.log"
        command = [
            *(sys.executable, "-m", "tests.faults.load", url or self.desk.url, str(ledger)),
            *("--name", name, "--customers", str(customers), "--messages", str(messages), "--rate", str(rate)),
            *("--copies", str(copies), "--seconds", str(at_least + messages / LEAST_RATE)),
            *("--agents", *(self.desk.new_agents(agents) if agents else [])),
        ]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*prefix, *command],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        load = LoadProcess(process, ledger, log)
        self.loads.append(load)
        load.expect("running\n")
        return load

    @property
    def ledger(self) -> Ledger:
        """What all loads know together."""
        return Ledger.joined(self.ledgers)

    def let_write(self, load: LoadProcess, seconds: float) -> None:
        """Let a load go on for a while."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            load.process.wait(seconds)
            raise AssertionError(f"the load has ended: {load.log.read_text()}")

    def finish(self) -> Verdict:
        """Say that the fault is over, wait for the loads, and compare."""
        for load in self.loads:
            load.say("over\n")
        for load in self.loads:
            load.expect("quiet\n")
        for load in self.loads:
            load.say("")
        codes = [load.process.wait() for load in self.loads]
        # 3: pages that have not come to show the same.
        assert set(codes) == {0}, "\n".join(load.log.read_text() for load in self.loads)
        self.ledgers = [Ledger.load(load.ledger) for load in self.loads]
        self.verdict = check(self.ledger, stored_rows(self.desk.conninfo))
        return self.verdict

    def kill(self) -> None:
        """End what still runs."""
        for load in self.loads:
            if load.process.poll() is None:
                load.process.kill()
            load.process.wait()
            for pipe in (load.process.stdin, load.process.stdout):
                if pipe is not None:
                    pipe.close()


@contextlib.contextmanager
def under_load(desk: Desk, **options: object) -> Iterator[Run]:
    """Run a load while the body lets a fault happen, and leave the verdict. The options are those of `Run.start`."""
    with tempfile.TemporaryDirectory(prefix="supportchat-fault-") as folder:
        run = Run(desk, Path(folder))
        try:
            run.start(**options)  # type: ignore[arg-type]
            yield run
            run.finish()
        finally:
            run.kill()
