"""The time zones that browsers name."""

from __future__ import annotations

import functools
import zoneinfo

LONGEST = 64


def known_time_zone(value: str | None) -> str | None:
    """Return the name of a time zone if there is one of that name."""
    return value if value and len(value) <= LONGEST and value in _time_zones() else None


@functools.cache
def _time_zones() -> set[str]:
    # Each look opens every file of the database: 50 ms in which nobody else is served. The package tzdata is among
    # them: it has the old names, which browsers send, and systems may not.
    # No browser knows the two that are left out.
    return zoneinfo.available_timezones() - {"Factory", "localtime"}
