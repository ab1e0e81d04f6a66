"""The table of docs/delivery.md: `python -m tests.faults.table` writes what was measured into it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from supportchat.config import ROOT

from .checker import Verdict

PAGE = ROOT / "docs" / "delivery.md"
KEPT = ROOT / ".venv" / "faults.json"
BEGIN = "<!-- The table is written by python -m tests.faults.table from the last bin/test --faults. -->\n"
END = "<!-- End of the table. -->\n"
HEAD = (
    "| fault | sent | acked | lost | doubled | disordered | foreign | longest silence |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|\n"
)


@dataclass
class Measured:
    """One row of the table."""

    fault: str
    sent: int
    acked: int
    lost: int
    doubled: int
    disordered: int
    foreign: int
    silence: float

    @classmethod
    def of(cls, fault: str, verdict: Verdict) -> Measured:
        """Return the row of a verdict."""
        return cls(
            fault,
            verdict.sent,
            verdict.acked,
            len(verdict.lost),
            len(verdict.doubled),
            len(verdict.disordered),
            len(verdict.foreign),
            round(verdict.longest_silence, 2),
        )

    def __str__(self) -> str:
        """Write it as Markdown."""
        counts = (self.sent, self.acked, self.lost, self.doubled, self.disordered, self.foreign)
        return f"| {self.fault} | {' | '.join(f'{count:,}' for count in counts)} | {self.silence:.1f} s |\n"


def keep(rows: list[Measured], path: Path = KEPT) -> None:
    """Remember what was measured, in place of what was measured before of the same fault."""
    known = {row.fault: row for row in kept(path)} | {row.fault: row for row in rows}
    path.write_text(json.dumps([vars(row) for row in known.values()], indent=1))


def kept(path: Path = KEPT) -> list[Measured]:
    """Return what was measured."""
    return [Measured(**row) for row in json.loads(path.read_text())] if path.exists() else []


def written(rows: list[Measured]) -> str:
    """Write the table as Markdown."""
    return HEAD + "".join(str(row) for row in rows)


def main() -> None:
    """Put the table into the page."""
    text = PAGE.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(text[:start] + "\n" + written(kept()) + "\n" + text[end:])


if __name__ == "__main__":
    main()
