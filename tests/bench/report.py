"""What is printed and kept: one line for each figure, with its floor, the ratio, and what must be reached."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from supportchat.config import ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- Written by bin/bench --write. -->\n"
END = "<!-- End of what bin/bench writes. -->\n"
HEAD = ("figure", "measured", "floor", "ratio", "must", "aim")


@dataclass
class Line:
    """One figure. `ratio` is that to the floor, where there is one."""

    figure: str
    measured: str
    floor: str = ""
    ratio: str = ""
    must: str = ""
    aim: str = ""


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write the median of rounds, with the least and the most."""
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def ratio(values: Sequence[float], floors: Sequence[float]) -> str:
    """Write the median of the rounds' ratios, each to the floor of its own round."""
    return f"{statistics.median([value / floor for value, floor in zip(values, floors, strict=True)]):.2f} x"


def table(lines: list[Line]) -> str:
    """Write lines as a table in Markdown."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(tuple(asdict(line).values()) for line in lines)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def machine() -> str:
    """Describe the machine, the version of the desk, and the day."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    model = next(
        (
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in row
        ),
        platform.machine(),
    )
    now = datetime.datetime.now(datetime.UTC)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{commit or 'unknown version'}, {now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of"
        f" {model}, load of the machine before: {load}"
    )


def write(text: str) -> None:
    """Put the figures of this run into docs/performance.md, in place of those of the last one."""
    page = PAGE.read_text()
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(page[:start] + text + page[end:])


def keep(path: Path, about: str, lines: list[Line], raw: dict[str, Any]) -> None:
    """Write everything as JSON."""
    path.write_text(
        json.dumps({"about": about, "lines": [asdict(line) for line in lines], "raw": raw}, indent=1) + "\n"
    )
