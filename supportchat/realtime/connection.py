"""An open page from the hub's point of view: a bounded outbox, drained by the socket's only writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..rendering.languages import ENGLISH, shipped_language
from .news import Found

OUTBOX_LIMIT = 100
TEXT_LIMIT = 64  # characters of what a page says about itself
VIEWS = ("mine", "unassigned", "all", "snoozed")

# RFC 6455 close codes; the page reconnects after the first two, not after the last.
RESTART = 1012
OVERLOAD = 1013
SIGNED_OUT = 4401


@dataclass(frozen=True)
class Shown:
    """What a page shows. It sends this whenever its socket opens or it switches to another ticket."""

    ticket: int = 0
    seq: int = 0  # of its last line
    note_no: int = 0  # of its last note
    epoch: str | None = None  # the history that its lines are of
    at: str | None = None  # when its last line was written: an older copy of the database has the same epoch
    agent: str | None = None  # whose page it is
    language: str | None = None
    view: str = ""  # of the queue, at a desk; '' of a page that an earlier version has made

    @classmethod
    def parse(cls, hello: dict[str, Any]) -> Shown:
        """Parse a page's hello. Missing or invalid fields are ignored."""
        ticket, seq, note_no = (as_count(hello.get(name)) for name in ("ticket", "after", "after_note"))
        epoch, at, agent = (_as_text(hello.get(name)) for name in ("epoch", "at", "agent"))
        language = shipped_language(_as_text(hello.get("lang")))
        return cls(ticket, seq, note_no, epoch, at, agent, language, view_of(hello))


def view_of(message: dict[str, Any]) -> str:
    """Return the view of the queue that a page's message names; '' for none that there is."""
    view = message.get("view")
    return view if isinstance(view, str) and view in VIEWS else ""


def as_count(value: Any) -> int:
    """Return what a page has said of a counter; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= TEXT_LIMIT else None


class Writer(Protocol):
    """Who sends what a page is to get."""

    def set(self) -> None:
        """Do what there is to be done."""


class Connection:
    """Queues frames until the socket takes them. A page that cannot keep up is disconnected; it catches up by seq."""

    def __init__(self, *, agent_id: str = "", token_hash: str = "", address: str = "") -> None:
        """:param address: the IP address of the page."""
        self.writer: Writer | None = None  # until its socket is served
        self.agent_id = agent_id
        self.token_hash = token_hash
        self.address = address
        self.close_code: int | None = None
        self.language = ENGLISH
        self.view = ""
        self.found: Found | None = None  # of the conversation that it is about to show
        # How much of its conversation this page has been sent.
        self.last_seq = 0
        self.last_note_no = 0
        # Called to fetch the next batch once the outbox is empty; None if the page lacks nothing.
        self.refill: Callable[[], None] | None = None
        self._frames: list[str] = []  # a deque takes 600 bytes even while it is empty

    @property
    def viewer(self) -> str:
        """Whose page it is: an agent's id, or the hash of a browser's key."""
        return self.agent_id or self.token_hash

    def push(self, frame: str) -> None:
        """Queue a frame. If the outbox is full, disconnect the page instead, to reconnect later."""
        if len(self._frames) >= OUTBOX_LIMIT:
            self.close(OVERLOAD)
        elif self.close_code is None:
            self._frames.append(frame)
            self._wake()

    def push_once(self, frame: str) -> None:
        """Queue a frame unless the same one is already waiting."""
        if frame not in self._frames:
            self.push(frame)

    def take(self) -> str | None:
        """Return the next frame, or None."""
        while not self._frames and self.refill is not None:
            self.refill()
        return self._frames.pop(0) if self._frames else None

    def take_waiting(self) -> list[str]:
        """Return all frames that wait, at least the next one if there is any."""
        first = self.take()
        if first is None:
            return []
        frames = [first, *self._frames]
        self._frames.clear()
        return frames

    def close(self, code: int) -> None:
        """Make the writer close the socket, with the first code given."""
        if self.close_code is None:
            self.close_code = code
            self.refill = None
            self._frames.clear()
            self._wake()

    def _wake(self) -> None:
        if self.writer is not None:
            self.writer.set()
