"""How hard a password is to guess, and which ones are refused."""

from __future__ import annotations

from typing import NamedTuple

from flask import render_template
from flask_babel import gettext as _

from ..web.sentences import sentence
from .forms import PASSWORD_CHARACTERS, SHORTEST_PASSWORD
from .passwords import ask_helper

# zxcvbn takes the cube of what it is given: the rest of a longer one only makes it better.
SCORED_CHARACTERS = 72
LEAST_SCORE, BEST_SCORE = 3, 4  # from 10^8 and from 10^10 guesses on
FEWEST_LETTERS = 4  # of a name that must not be in a password


class Strength(NamedTuple):
    """From 0 to 4, and why such a password is refused: the code of a sentence, '' for one that is taken."""

    score: int
    problem: str


def strength_of(password: str, name: str, email: str) -> Strength:
    """Return how good a password is for a person.

    :raise TooFast: when too many wait already.
    """
    known = [part.lower() for part in (*name.split(), email.partition("@")[0], email) if part]
    if any(part in password.lower() for part in known if len(part) >= FEWEST_LETTERS):
        return Strength(0, "password_is_you")
    score = int(ask_helper("score", password[:SCORED_CHARACTERS], known))
    if len(password) < SHORTEST_PASSWORD:
        return Strength(min(score, LEAST_SCORE - 1), "password_too_short")
    return Strength(score, "password_too_weak" if score < LEAST_SCORE else "")


def shown_strength(typed: str, name: str, email: str) -> str:
    """Return what to show of a password while it is typed."""
    strength = strength_of(typed[:PASSWORD_CHARACTERS], name, email) if typed else None
    return render_template("account/_strength.html", strength=strength, verdict=strength and _verdict(strength))


def _verdict(strength: Strength) -> str:
    if strength.problem:
        return sentence(strength.problem)
    return _("A very good password.") if strength.score == BEST_SCORE else _("A good password.")
