"""How templates write names, times and reasons."""

from __future__ import annotations

import re
from datetime import datetime

from flask import Flask
from markupsafe import Markup, escape

from . import auth

REASONS = {
    "least_loaded": "least loaded",
    "knows_customer": "knows the customer",
    "no_agents": "there are no agents",
    "nobody_here": "nobody was here",
    "everybody_away": "everybody was away",
    "everybody_full": "everybody was full",
    "given_back": "returned to the queue, and nobody else has room",
    "about_to_be_assigned": "somebody has room",
}


def init_app(app: Flask) -> None:
    """Give the filters to every template."""
    for function in (initials, first_name, clock, with_local_times, duration, reason, kept_view, callable_number):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["is_agents_browser"] = is_agents_browser


def initials(name: str | None) -> str:
    """Give one or two letters for a name; '?' for nobody's."""
    words = [word for word in (name or "").split() if word[0].isalnum()]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


def first_name(name: str) -> str:
    """Give the first word of a name; a name without words as it is."""
    return (name.split() or [name])[0]


def clock(moment: str) -> str:
    """Write the time of an ISO 8601 moment, in UTC. Scripts write the reader's own time over it."""
    return datetime.fromisoformat(moment).strftime("%H:%M UTC")


def with_local_times(text: str) -> Markup:
    """Mark each moment of a sentence, written as '2026-01-31 14:05 UTC', for scripts to write it in local time."""
    marked = r'<time datetime="\1T\2Z" data-moment>\1 \2 UTC</time>'
    return Markup(re.sub(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", marked, str(escape(text))))  # noqa: S704


def duration(seconds: int | None) -> str:
    """Write a number of seconds in the one unit that says enough."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    hours = round(seconds / 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def callable_number(phone: str) -> str:
    """Give a phone number as a `tel:` link carries it; '' for a text that is none, which older versions have taken."""
    if not re.fullmatch(r"\+?[\d\s().\-/\u2010-\u2015]+", phone):
        return ""
    digits = "".join(str(int(character)) for character in phone if character.isdecimal())
    return ("+" if phone.startswith("+") else "") + digits if 5 <= len(digits) <= 15 else ""


def kept_view(view: str) -> str | None:
    """Give a view of the queue as an address carries it: None for the one that needs no word."""
    return None if view == "mine" else view


def is_agents_browser() -> bool:
    """Whether an agent has logged in here. It asks no database: pages about errors want to know."""
    return bool(auth.agent_token_hash())


def reason(code: str) -> str:
    """Write why a ticket was given to somebody, or to nobody."""
    return REASONS.get(code, code.replace("_", " "))
