"""The routes of an agent's own page."""

from __future__ import annotations

from . import password, profile, sessions
from .blueprint import bp

__all__ = ["bp", "password", "profile", "sessions"]
