"""What a customer's browser can ask for. Its key alone decides which conversation is meant."""

from __future__ import annotations

from . import chat, framed, identity, messages, reading, socket
from .blueprint import bp, sock

__all__ = ["bp", "chat", "framed", "identity", "messages", "reading", "sock", "socket"]
