"""What a customer's browser can ask for. Its key alone decides which conversation is meant."""

from __future__ import annotations

from . import chat, messages, reading, socket
from .blueprint import bp, sock

__all__ = ["bp", "chat", "messages", "reading", "sock", "socket"]
