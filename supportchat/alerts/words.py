"""What a notification says: who, and only for those who want it, what."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ..database.rows import AlertedOf
from ..rendering.filters import customer_name
from ..rendering.languages import direction, language

TEXT_CHARACTERS = 120


def tag_of(number: int) -> str:
    """Return the name under which the notifications of a ticket replace each other."""
    return f"ticket-{number}"


def shown(about: AlertedOf, *, with_text: bool) -> dict[str, Any]:
    """Return what is shown of a ticket, in the language of whoever is told."""
    title, body = _said_of(about)
    return {
        "title": title,
        "body": (with_text and _shortened(about)) or body,
        "tag": tag_of(about["number"]),
        "lang": language(),
        "dir": direction(),
    }


def shown_as_test() -> dict[str, Any]:
    """Return what a test shows."""
    return {
        "title": _("It reaches you"),
        "body": _("This is the test that you asked for."),
        "tag": "test",
        "lang": language(),
        "dir": direction(),
    }


def alert_problem(code: str) -> str:
    """Say why a notification could not be sent to a device."""
    match code:
        case "unreachable" | "not_public":
            return _("Not sent: its push service cannot be reached from the server.")
        case "429":
            return _("Not sent yet: its push service says that there are too many.")
        case "keys" | "400" | "401" | "403":
            return _(
                "Not sent: its push service refused it (%(code)s). Remove the device, and turn it on again there.",
                code=code,
            )
    return _("Not sent: its push service answered %(code)s.", code=code)


def _said_of(about: AlertedOf) -> tuple[str, str]:
    number, name = about["number"], customer_name(about["customer_name"], about["number"])
    if about["mention"]:
        by = about["mention"]["agent"]["name"]
        return _("%(agent)s mentioned you", agent=by), _("#%(number)s: %(customer)s", number=number, customer=name)
    return name, _("#%(number)s: new message", number=number)


def _shortened(about: AlertedOf) -> str:
    text = " ".join((about["mention"]["note"] if about["mention"] else about["message"] or "").split())
    if not text:
        return _("Picture") if about["has_image"] else ""
    return text if len(text) <= TEXT_CHARACTERS else text[: TEXT_CHARACTERS - 1].rstrip() + "…"
