"""How templates write names and times; for reasons see `reasons.py`."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from babel.lists import format_list
from babel.numbers import format_decimal
from babel.units import format_unit
from flask import Flask
from flask_babel import lazy_gettext, lazy_pgettext, pgettext
from markupsafe import Markup, escape

from ..database.rows import Note
from ..images.boxes import picture_box
from ..images.kinds import ACCEPTED, rules_for_page
from ..search.marking import marked
from ..web.forms import MESSAGE_CHARACTERS
from ..web.sentences import sentence
from .languages import gettext, language, once_per_language
from .markup import marked_up, plain, with_mentions
from .names import called
from .reasons import capacity, has_room, reason, reason_for_customer, taken, why_held, why_unassigned

EPOCH = datetime.fromtimestamp(0, UTC)
STATUSES = {
    "waiting": lazy_gettext("Unassigned"),
    "open": lazy_pgettext("ticket", "Open"),
    "closed": lazy_pgettext("ticket", "Closed"),
}


def init_app(app: Flask) -> None:
    """Give the filters to every template."""
    for function in (
        bdi,
        listed,
        first_sentence,
        initials,
        first_name,
        full_name,
        customer_name,
        hue,
        role_name,
        priority_name,
        marked,
        sentence,
        clock,
        with_local_times,
        duration,
        milliseconds,
        microseconds,
        ticket_status,
        reason,
        reason_for_customer,
        has_room,
        why_held,
        why_unassigned,
        taken,
        capacity,
        kept_view,
        marked_up,
        marked_up_note,
        plain,
        lines,
        callable_number,
        without_scheme,
    ):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["picture_box"] = picture_box
    app.jinja_env.globals["picture_rules"] = once_per_language(rules_for_page)
    app.jinja_env.globals["accepted_pictures"] = ACCEPTED
    app.jinja_env.globals["message_characters"] = MESSAGE_CHARACTERS
    # Once: an import of a macro takes a third of the time in which a message is rendered.
    app.jinja_env.globals["avatar"] = app.jinja_env.get_template("shared/avatar.html").module.avatar  # type: ignore[attr-defined]


def bdi(text: str) -> Markup:
    """Set a name apart from the direction of the sentence that it stands in."""
    return Markup("<bdi>{}</bdi>").format(text)


def listed(parts: Iterable[str]) -> Markup:
    """Join names to a list, as the language of the page does: "Alice, Bob, and Carol"."""
    return Markup(format_list([str(escape(part)) for part in parts], locale=language()))  # noqa: S704 - every part is escaped


def first_sentence(text: str) -> tuple[str, str]:
    """Return the first sentence of a text, which is the heading of a page, and the rest."""
    first, *rest = re.split(r"(?<=[.!?؟])\s+|(?<=。)", text, maxsplit=1)
    return first, "".join(rest)


def initials(name: str | None) -> str:
    """Return one or two letters for a name; '?' for nobody's."""
    words = [word for word in (name or "").split() if word[0].isalnum()]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


def first_name(name: str | None, otherwise: str = "") -> str:
    """Return what to call somebody by, and another word for a name that is not known."""
    return called(name) if name else otherwise or gettext("an agent")


def full_name(name: str | None, otherwise: str = "") -> str:
    """Return a name, or another word for one that is not known."""
    return name or otherwise or gettext("an agent")


def customer_name(name: str | None, number: int) -> str:
    """Return what a customer is called: by their name, or else by the number of the ticket."""
    return name or gettext("Visitor %(number)s", number=number)


def hue(identity: str | None) -> int:
    """Return which of the eight colours of an avatar belongs to somebody, the same on every page."""
    return zlib.crc32(str(identity or "").encode()) % 8


def role_name(role: str) -> str:
    """Return what a role is called; one that nobody knows by itself."""
    return {"agent": gettext("Agent"), "lead": gettext("Lead"), "admin": gettext("Admin")}.get(role, role)


def priority_name(priority: int) -> str:
    """Return what a priority is called; one that nobody knows by itself."""
    names = {
        1: gettext("Urgent"),
        2: pgettext("priority", "High"),
        3: pgettext("priority", "Normal"),
        4: pgettext("priority", "Low"),
    }
    return names.get(priority, str(priority))


def clock(moment: str | None) -> str:
    """Write the time of an ISO 8601 moment, in UTC. Scripts write the reader's own time over it."""
    return f"{moment[11:16]} UTC" if moment else ""


def without_scheme(address: str) -> str:
    """Return an address as people write it: without https://, and without a slash behind the name of the host."""
    return address.partition("://")[2].removesuffix("/")


def with_local_times(text: str) -> Markup:
    """Mark each moment of a sentence, written as '2026-01-31 14:05 UTC', for scripts to write it in local time."""
    marked = r'<time datetime="\1T\2Z" data-moment>\1 \2 UTC</time>'
    return Markup(re.sub(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", marked, str(escape(text))))  # noqa: S704 - every part is escaped


def marked_up_note(note: Note) -> Markup:
    """Return the text of a note as HTML, with the agents marked whom it mentions."""
    names: dict[str, str] = {}
    for mention in note["mentions"]:
        for name in mention["written"]:
            names[name] = f"{names.get(name, '')} {mention['agent']['id']}".lstrip()
    return with_mentions(note["note"], names)


def lines(text: str) -> list[str]:
    """Return the lines of a text that say something: each has a direction of its own."""
    return [line for line in text.split("\n") if line.strip()]


def duration(seconds: float | None) -> str:
    """Write a number of seconds in the one unit that says enough."""
    if seconds is None:
        return ""
    if round(seconds) < 60:
        return _in_unit(seconds, "second")
    if round(seconds / 60) < 60:
        return _in_unit(seconds / 60, "minute")
    if round(seconds / 3600) < 48:
        return _in_unit(seconds / 3600, "hour")
    return _in_unit(seconds / 86400, "day")


def _in_unit(count: float, unit: str) -> str:
    return format_unit(round(count), f"duration-{unit}", length="short", locale=language())


def milliseconds(count: float) -> str:
    """Write a number of milliseconds."""
    return format_unit(round(count, 1), "duration-millisecond", length="short", locale=language())


def microseconds(moment: str | None) -> int | str:
    """Return an ISO 8601 moment as microseconds since 1970, by which scripts can sort; '' for none."""
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1) if moment else ""


def decimal(number: float) -> str:
    """Write a number as the language of the page writes it."""
    return format_decimal(number, locale=language())


def callable_number(phone: str) -> str:
    """Return a phone number for a `tel:` link; '' for a text that is none, which older versions have taken."""
    if not re.fullmatch(r"\+?[\d\s().\-/\u2010-\u2015]+", phone):
        return ""
    digits = "".join(str(int(character)) for character in phone if character.isdecimal())
    return ("+" if phone.startswith("+") else "") + digits if 5 <= len(digits) <= 15 else ""


def kept_view(view: str) -> str | None:
    """Return a view of the queue as an address carries it: None for the one that needs no word."""
    return None if view == "mine" else view


def ticket_status(status: str) -> str:
    """Write the status of a ticket."""
    return str(STATUSES.get(status, status))
