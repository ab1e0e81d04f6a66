"""How much of a conversation is read at once. The SQL functions end a batch where it says so here."""

from __future__ import annotations

from collections.abc import Sequence

from .rows import Line

MOST_LINES = 200
MOST_BYTES = 262_144  # of text: it ends with the line that comes to it


def is_cut(rows: Sequence[Line]) -> bool:
    """Whether a batch of lines or notes may have ended before everything was read: the next one has the rest."""
    return len(rows) >= MOST_LINES or sum(_bytes(row) for row in rows) >= MOST_BYTES


def _bytes(row: Line) -> int:
    text = row["note"] if "note_no" in row else row["message"]
    return len(text.encode())
