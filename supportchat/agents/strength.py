"""How hard a password is to guess, and which ones are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..database import TooFast
from .forms import SHORTEST_PASSWORD
from .pool import Full, SmallPool

# zxcvbn takes the cube of what it is given: the rest of a longer one only makes it better.
SCORED_CHARACTERS = 72
LEAST_SCORE, BEST_SCORE = 3, 4  # from 10^8 and from 10^10 guesses on
FEWEST_LETTERS = 4  # of a name that must not be in a password

# One thread: it keeps what it knows of a person in a dictionary that all its calls share.
_scores = SmallPool(threads=1, most_waiting=20)


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
    score = _scored(password[:SCORED_CHARACTERS], known)
    if len(password) < SHORTEST_PASSWORD:
        return Strength(min(score, LEAST_SCORE - 1), "password_too_short")
    return Strength(score, "password_too_weak" if score < LEAST_SCORE else "")


def _scored(password: str, known: list[str]) -> int:
    try:
        return _scores.run(_score, password, known)
    except Full as error:
        raise TooFast("logins_busy", "2") from error


def _score(password: str, known: list[str]) -> int:
    score: int = _zxcvbn()(password, user_inputs=known)["score"] if password else 0
    return score


@functools.cache
def _zxcvbn() -> Callable[..., Any]:
    # Its lists of words take 13 MB, and few workers are ever asked for a new password.
    from zxcvbn import matching, zxcvbn

    # It tries all combinations of what digits and signs may stand for: 72 characters took 8 seconds. Now 8 of them.
    matching.L33T_TABLE.update({"c": ["("], "g": ["6"], "i": ["1", "!"], "l": ["|"], "t": ["7"]})
    scored: Callable[..., Any] = zxcvbn
    return scored
