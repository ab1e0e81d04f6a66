"""Whether anything has come of a conversation since it was read: of a page that opens, before the hub knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from ..database.rows import Joined

KEPT_SECONDS = 10.0


class News:
    """When something was heard of each conversation last, as far back as `KEPT_SECONDS`."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # the latest at the end
        self._missed = float("-inf")

    def hear(self, session_id: str) -> None:
        """Note that something has come of a conversation."""
        now = monotonic()
        self._heard.pop(session_id, None)
        self._heard[session_id] = now
        self._forget_old(now)

    def miss(self) -> None:
        """Note that up to now anything may have come, of any conversation."""
        self._missed = monotonic()

    def has_come(self, session_id: str, since: float) -> bool:
        """Whether anything of a conversation has come since a moment, or may have."""
        known_since = max(self._missed, monotonic() - KEPT_SECONDS)
        return since <= max(known_since, self._heard.get(session_id, known_since))

    def _forget_old(self, now: float) -> None:
        while self._heard:
            session_id = next(iter(self._heard))
            if self._heard[session_id] > now - KEPT_SECONDS:
                break
            del self._heard[session_id]


@dataclass(frozen=True)
class Found:
    """What a page needs that is about to show a conversation, as it was when it was asked for."""

    joined: Joined
    asked_at: float
    news: News

    @property
    def session_id(self) -> str:
        """Which conversation it is."""
        return self.joined["conversation"]["session_id"]

    @property
    def is_current(self) -> bool:
        """Whether nothing has come since. What comes from now on is for the conversation that the page joins."""
        return not self.news.has_come(self.session_id, self.asked_at)
