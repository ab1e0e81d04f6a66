"""What the processes of a desk use: CPU seconds and memory, from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cpu:
    """CPU seconds, user and system, of the server without Postgres, of Postgres, and of this client."""

    server: float
    postgres: float
    client: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.server - other.server, self.postgres - other.postgres, self.client - other.client)


@dataclass(frozen=True)
class Meter:
    """Reads what a desk has used so far. `family` is the process of bin/run, `postmaster` is Postgres."""

    family: int
    postmaster: int

    def read(self) -> Cpu:
        """Return the CPU seconds so far."""
        postgres = cpu_of(tree(self.postmaster))
        own = os.times()
        return Cpu(cpu_of(tree(self.family)) - postgres, postgres, own.user + own.system)


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_of(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes, and of those children of theirs that have ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            # The name of a process, in brackets, may hold spaces.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICK


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
