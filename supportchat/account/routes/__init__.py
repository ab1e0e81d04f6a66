"""The routes of an agent's own page."""

from __future__ import annotations

from . import password, profile, provider, second_step, sessions, two_factor
from .blueprint import bp

__all__ = ["bp", "password", "profile", "provider", "second_step", "sessions", "two_factor"]
