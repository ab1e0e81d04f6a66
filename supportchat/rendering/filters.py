"""How templates write names, times and reasons."""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from ..agents.logins import agent_token_hash
from ..images.boxes import picture_box
from ..images.kinds import ACCEPTED, rules_for_page
from .links import linkified
from .names import called

REASONS = {
    "least_loaded": "fewest open tickets",
    "knows_customer": "knows the customer",
    "no_agents": "there are no agents yet",
    "nobody_here": "no agents online",
    "everybody_away": "all agents are away",
    "everybody_full": "all agents are at their limit",
    "given_back": "returned to the queue, no one else has room",
    "about_to_be_assigned": "an agent has room",
}


def init_app(app: Flask) -> None:
    """Give the filters to every template."""
    for function in (
        initials,
        first_name,
        full_name,
        customer_name,
        hue,
        clock,
        with_local_times,
        duration,
        reason,
        taken,
        capacity,
        why_unassigned,
        kept_view,
        linkified,
        lines,
        callable_number,
    ):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["is_agents_browser"] = is_agents_browser
    app.jinja_env.globals["picture_box"] = picture_box
    app.jinja_env.globals["picture_rules"] = rules_for_page()
    app.jinja_env.globals["accepted_pictures"] = ACCEPTED


def initials(name: str | None) -> str:
    """Return one or two letters for a name; '?' for nobody's."""
    words = [word for word in (name or "").split() if word[0].isalnum()]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


def first_name(name: str | None, otherwise: str = "an agent") -> str:
    """Return what to call somebody by, and another word for a name that is not known."""
    return called(name) if name else otherwise


def full_name(name: str | None, otherwise: str = "an agent") -> str:
    """Return a name, or another word for one that is not known."""
    return name or otherwise


def customer_name(name: str | None, number: int) -> str:
    """Return what a customer is called: by their name, or else by the number of the ticket."""
    return name or f"Visitor {number}"


def hue(identity: str | None) -> int:
    """Return which of the eight colours of an avatar belongs to somebody, the same on every page."""
    return zlib.crc32(str(identity or "").encode()) % 8


def clock(moment: str | None) -> str:
    """Write the time of an ISO 8601 moment, in UTC. Scripts write the reader's own time over it."""
    return datetime.fromisoformat(moment).strftime("%H:%M UTC") if moment else ""


def with_local_times(text: str) -> Markup:
    """Mark each moment of a sentence, written as '2026-01-31 14:05 UTC', for scripts to write it in local time."""
    marked = r'<time datetime="\1T\2Z" data-moment>\1 \2 UTC</time>'
    return Markup(re.sub(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", marked, str(escape(text))))  # noqa: S704


def lines(text: str) -> list[str]:
    """Return the lines of a text that say something: each has a direction of its own."""
    return [line for line in text.split("\n") if line.strip()]


def duration(seconds: float | None) -> str:
    """Write a number of seconds in the one unit that says enough."""
    if seconds is None:
        return ""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    if round(seconds / 60) < 60:
        return f"{round(seconds / 60)} min"
    if round(seconds / 3600) < 48:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} days"


def callable_number(phone: str) -> str:
    """Return a phone number for a `tel:` link; '' for a text that is none, which older versions have taken."""
    if not re.fullmatch(r"\+?[\d\s().\-/\u2010-\u2015]+", phone):
        return ""
    digits = "".join(str(int(character)) for character in phone if character.isdecimal())
    return ("+" if phone.startswith("+") else "") + digits if 5 <= len(digits) <= 15 else ""


def kept_view(view: str) -> str | None:
    """Return a view of the queue as an address carries it: None for the one that needs no word."""
    return None if view == "mine" else view


def is_agents_browser() -> bool:
    """Whether an agent has logged in here. It asks no database: pages about errors want to know."""
    return bool(agent_token_hash())


def reason(code: str | None) -> str:
    """Write why a ticket was given to somebody, or to nobody."""
    return REASONS.get(code, code.replace("_", " ")) if code else ""


def taken(load: int, most: int) -> str:
    """Write how many tickets an agent has of those that they take, also when it is more than that."""
    return f"{load} of {most} tickets" + (", no new ones for now" if load > most else "")


def why_unassigned(figures: dict[str, Any]) -> str:
    """Write why nobody takes the tickets that wait: the figures of `unassigned_reason`."""
    match figures["code"]:
        case "everybody_away":
            return f"{_all_of(figures['here'], figures['agents'], 'online')} away"
        case "everybody_full":
            at_limit = "at the limit" if figures["available"] == 1 else "at their limit"
            return f"{_all_of(figures['available'], figures['agents'], 'available')} {at_limit}"
    return reason(figures["code"])


def _all_of(count: int, agents: int, which: str) -> str:
    noun = "agent" if count == agents else f"{which} agent"
    return f"the only {noun} is" if count == 1 else f"{'both' if count == 2 else f'all {count}'} {noun}s are"


def capacity(figures: dict[str, Any]) -> str:
    """Write how many agents take new tickets, and how much room they have: the figures of `unassigned_reason`."""
    available = f"{figures['available']} of {figures['agents']} agent{'' if figures['agents'] == 1 else 's'} available"
    if figures["code"] == "everybody_full":
        return f"{available}, at {'the' if figures['available'] == 1 else 'their'} limit"
    # Somebody may have taken over more than they are given, while another one has room.
    has_sum = figures["places"] > 0 and figures["load"] <= figures["places"]
    return available + (f", {figures['load']} of {figures['places']} places taken" if has_sum else "")
