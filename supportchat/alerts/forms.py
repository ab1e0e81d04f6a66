"""What browsers say about themselves, and agents about how they want to be told."""

from __future__ import annotations

from typing import Any

from flask import request

from ..chat.time_zones import known_time_zone
from ..database import Invalid
from .encryption import browser_keys
from .reach import is_good_endpoint

SCOPES = ("mine", "unassigned", "all")
SWITCHES = ("sound", "desktop", "push", "shows_text")


def settings_said() -> dict[str, Any]:
    """Return the settings of the form that was sent: ticked or not, and quiet hours if both ends are given."""
    form = request.form
    start, end = form.get("quiet_from", "")[:5], form.get("quiet_until", "")[:5]
    if bool(start) != bool(end):
        raise Invalid("quiet_hours_half")
    values: dict[str, Any] = {name: name in form for name in SWITCHES}
    values |= {"scope": form.get("scope", "")[:16], "quiet_from": start or None, "quiet_until": end or None}
    if zone := known_time_zone(form.get("time_zone")):
        values["time_zone"] = zone
    return values


def device_said() -> dict[str, str]:
    """Return the push subscription of the browser that asks.

    :raise Invalid: when it is none, or names an address that no push service has.
    """
    endpoint, p256dh, auth = (request.form.get(name, "") for name in ("endpoint", "p256dh", "auth"))
    if not is_good_endpoint(endpoint):
        raise Invalid("device_unknown")
    try:
        browser_keys(p256dh[:128], auth[:64])
    except ValueError as error:
        raise Invalid("device_unknown") from error
    return {"endpoint": endpoint, "p256dh": p256dh, "auth": auth}
