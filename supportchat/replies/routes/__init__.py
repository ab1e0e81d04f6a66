"""The routes of saved replies: their page, the file of them, and what the composer asks."""

from __future__ import annotations

from . import exchange, replies, writing
from .blueprint import bp

__all__ = ["bp", "exchange", "replies", "writing"]
