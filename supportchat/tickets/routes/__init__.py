"""What an agent can do with tickets. Each action is a resource of its ticket, and each resource a module."""

from __future__ import annotations

from . import assignment, closure, drafts, messages, notes, queue, reading, screening, ticket
from .blueprint import bp

__all__ = ["assignment", "bp", "closure", "drafts", "messages", "notes", "queue", "reading", "screening", "ticket"]
