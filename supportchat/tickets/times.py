"""When a snoozed ticket is to come back: what an agent chooses, in their time zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _

from ..chat.time_zones import known_time_zone
from ..database import Invalid

MORNING = time(9)
# What `due_time` knows, and what agents call it.
CHOICES = {
    "hour": _("In 1 hour"),
    "three_hours": _("In 3 hours"),
    "tomorrow": _("Tomorrow, 9:00"),
    "monday": _("Next Monday, 9:00"),
    "customer": _("The customer’s next message"),
}
MOMENT_CHARACTERS = 19


def due_time(choice: str, moment: str, time_zone: str | None, now: datetime | None = None) -> datetime | None:
    """Return the moment that a choice means, in UTC; None for the customer's next message.

    :param moment: a date and a time as a form sends them, for a choice that is none of `CHOICES`.
    :raise Invalid: when it is no moment.
    """
    zone = ZoneInfo(known_time_zone(time_zone) or "UTC")
    here = (now or datetime.now(UTC)).astimezone(zone)
    if choice == "customer":
        return None
    if choice in ("hour", "three_hours"):
        return (now or datetime.now(UTC)) + timedelta(hours=1 if choice == "hour" else 3)
    if choice in ("tomorrow", "monday"):
        days = 1 if choice == "tomorrow" else 7 - here.weekday()
        return datetime.combine(here.date() + timedelta(days=days), MORNING, zone).astimezone(UTC)
    try:
        # Of a year beyond those that a moment can have in another zone there is no UTC.
        return datetime.fromisoformat(moment[:MOMENT_CHARACTERS]).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("snooze_out_of_range") from error
