"""What an agent can do with tickets. Each action is a resource of its ticket, and each resource a module."""

from __future__ import annotations

from . import (
    assignment,
    bulk,
    closure,
    drafts,
    held,
    mentions,
    messages,
    notes,
    queue,
    reading,
    screening,
    snoozing,
    sorting,
    ticket,
    undo,
)
from .blueprint import bp

__all__ = [
    "assignment",
    "bp",
    "bulk",
    "closure",
    "drafts",
    "held",
    "mentions",
    "messages",
    "notes",
    "queue",
    "reading",
    "screening",
    "snoozing",
    "sorting",
    "ticket",
    "undo",
]
