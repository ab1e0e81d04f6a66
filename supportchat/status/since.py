"""Since when a check has failed, as far as this process knows: checks only run when somebody opens /status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .checks import Check

WORTH_SAYING = timedelta(minutes=1)


class FirstSeen:
    """Remembers when each check first failed, until it passes."""

    def __init__(self) -> None:
        self._moments: dict[str, datetime] = {}

    def note(self, checks: list[Check], now: datetime | None = None) -> None:
        """Record the results, and add to each failed check since when it has failed."""
        now = now or datetime.now(UTC)
        failing = {check.key for check in checks if check.state != "ok"}
        self._moments = {name: self._moments.get(name, now) for name in failing}
        for check in checks:
            moment = self._moments.get(check.key, now)
            check.since = moment.isoformat() if now - moment >= WORTH_SAYING else ""
