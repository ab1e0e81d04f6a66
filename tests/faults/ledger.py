"""What the clients of a load have sent, been promised, and seen. A load writes it; the checker reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The text of every message of a load: its client_message_id, the mark of its conversation, and its kind.
TOKEN = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) of ([0-9a-f]{12}) as (message|reply|note)")
KIND_OF_SENDER = {"user": "message", "agent": "reply"}


def text_of(cid: str, mark: str, kind: str) -> str:
    """Return the text that carries a token."""
    return f"{cid} of {mark} as {kind}"


@dataclass
class Sent:
    """One message, with every answer that its attempts got. Times are seconds since the epoch."""

    cid: str
    mark: str
    kind: str
    sender: str
    at: float
    seq: int | None = None
    acked_at: float | None = None
    refused: bool = False


@dataclass
class Answer:
    """What one request got. Status 0: no answer at all."""

    what: str
    status: int
    seconds: float
    at: float
    has_retry_after: bool = False


@dataclass
class Shown:
    """A line that appeared on a screen. `cid` is '' for a line of the system."""

    seq: int
    cid: str
    at: float


@dataclass
class Screen:
    """A page that shows a conversation."""

    name: str
    mark: str
    audience: str
    opened_at: float
    # What the page began with: a page shows the last lines of a long conversation, and those that come after.
    first_seq: int = 1
    first_note: int = 1
    # In the order in which they came.
    shown: list[Shown] = field(default_factory=list)
    notes: list[Shown] = field(default_factory=list)
    # (connection, seq), in the order in which the frames of its sockets came
    frames: list[tuple[int, int]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    # (time, close code), and when the server had told all that was missed
    closed: list[tuple[float, int]] = field(default_factory=list)
    caught_up: list[float] = field(default_factory=list)
    # How often the server had it load anew.
    resets: int = 0
    # (time, why) of handshakes that failed
    not_opened: list[tuple[float, str]] = field(default_factory=list)

    @property
    def lines(self) -> list[Shown]:
        """The lines as they stand on the screen: the list sorts itself by seq."""
        return sorted(self.shown, key=lambda line: line.seq)


@dataclass
class Ledger:
    """Everything that one load knows."""

    sent: list[Sent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    screens: list[Screen] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Read it from a file."""
        values: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())
        sent = [Sent(**message) for message in values["sent"]]
        answers = [Answer(**answer) for answer in values["answers"]]
        return cls(sent, answers, [_screen(screen) for screen in values["screens"]])

    @classmethod
    def joined(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """Return the ledger of several loads that ran at once."""
        whole = cls()
        for ledger in ledgers:
            whole.sent += ledger.sent
            whole.answers += ledger.answers
            whole.screens += ledger.screens
        return whole


def _screen(values: dict[str, Any]) -> Screen:
    screen = Screen(**values)
    for lines in (screen.shown, screen.notes):
        lines[:] = [Shown(**line) for line in lines]  # type: ignore[arg-type]
    for pairs in (screen.frames, screen.closed, screen.not_opened):
        pairs[:] = [tuple(pair) for pair in pairs]  # type: ignore[misc]
    return screen
