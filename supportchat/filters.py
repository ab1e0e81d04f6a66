"""How templates write names, times and reasons."""

from __future__ import annotations

import itertools
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

# "Dr. Hans Kern" is Hans; "Hans Kern, PhD" is no "PhD".
TITLES = re.compile(
    r"(dr|prof|mr|mrs|ms|mx|miss|sir|dame|rev|herr|frau|mme|mlle|sra?|srta|dipl\.-ing|ing|mag)\.?", re.I
)
SUFFIXES = re.compile(r"(jr|sr|i{2,3}|iv|ph\.?d|m\.?d|dds|mba|esq)\.?", re.I)
# What a name can begin with that nobody is called by: an article, a particle, a family name that stands first.
NO_FIRST_NAMES = re.compile(
    r"(the|an?|der|die|das|le|la|les|el|los|las|van|von|de|da|di|du|del|al|bin|ibn|abu|nguyen|tran|pham)", re.I
)
# Vietnamese, Chinese, Japanese and Korean names begin with the family's.
FAMILY_FIRST = re.compile("[\u1ea0-\u1ef9\u01a0\u01a1\u01af\u01b0\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def init_app(app: Flask) -> None:
    """Give the filters to every template."""
    for function in (initials, first_name, clock, with_local_times, duration, reason, kept_view):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["is_agents_browser"] = is_agents_browser


def initials(name: str | None) -> str:
    """Give one or two letters for a name; '?' for nobody's."""
    words = [word for word in (name or "").split() if word[0].isalnum()]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


def first_name(name: str) -> str:
    """Return what to call somebody by: the first name where it is plain which word that is, else the whole name."""
    family, _, given = (part.strip() for part in name.partition(","))
    if not given or SUFFIXES.fullmatch(given):
        family, given = "", family
    whole = f"{given} {family}".strip()
    words = given.split()
    named = [*itertools.dropwhile(lambda word: TITLES.fullmatch(word), words)]
    is_all_there_is = len(named) < len(words) and len(named) < 2 and not family  # "Dr. Kern"
    if not named or is_all_there_is or _is_no_first_name(named[0]) or FAMILY_FIRST.search(name):
        return whole or name
    return named[0]


def _is_no_first_name(word: str) -> bool:
    is_initial = len(word) == 1 or word.endswith(".")
    return is_initial or not word[0].isalnum() or NO_FIRST_NAMES.fullmatch(word) is not None


def clock(moment: str) -> str:
    """Write the time of an ISO 8601 moment, in UTC. Scripts write the reader's own time over it."""
    return datetime.fromisoformat(moment).strftime("%H:%M UTC")


def with_local_times(text: str) -> Markup:
    """Mark each moment of a sentence, written as '2026-01-31 14:05 UTC', for scripts to write it in local time."""
    marked = r'<time datetime="\1T\2Z" data-moment>\1 \2 UTC</time>'
    return Markup(re.sub(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", marked, str(escape(text))))  # noqa: S704


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


def kept_view(view: str) -> str | None:
    """Give a view of the queue as an address carries it: None for the one that needs no word."""
    return None if view == "mine" else view


def is_agents_browser() -> bool:
    """Whether an agent has logged in here. It asks no database: pages about errors want to know."""
    return bool(auth.agent_token_hash())


def reason(code: str) -> str:
    """Write why a ticket was given to somebody, or to nobody."""
    return REASONS.get(code, code.replace("_", " "))
