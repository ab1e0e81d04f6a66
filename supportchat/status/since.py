"""Since when a check fails, as far as this process has seen: nothing checks while nobody looks at /status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .checks import Check

WORTH_SAYING = timedelta(minutes=1)


class FirstSeen:
    """Remembers when each check was first seen to fail, until it is seen to pass."""

    def __init__(self) -> None:
        self._moments: dict[str, datetime] = {}

    def note(self, checks: list[Check], now: datetime | None = None) -> None:
        """Take in what the checks have found, and write into those that fail since when they do."""
        now = now or datetime.now(UTC)
        failing = {check.key for check in checks if check.state != "ok"}
        self._moments = {name: self._moments.get(name, now) for name in failing}
        for check in checks:
            moment = self._moments.get(check.key, now)
            check.since = moment.isoformat() if now - moment >= WORTH_SAYING else ""
