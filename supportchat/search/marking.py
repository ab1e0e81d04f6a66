"""Marks what was found in a text, and cuts a long one around it.

Characters are compared as by `folded` in sql/functions/folding.sql.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from markupsafe import Markup, escape

from ..server.turns import give_way

SHOWN_CHARACTERS = 180
LEAD = 50  # characters before the first mark
_WHOLE = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "ς": "σ"}
_KANA_MARKS = "\u3099\u309a"
_DENSE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Folded:
    """A text as it is compared, and from which character of it each one comes."""

    text: str
    places: list[int]


def marked(text: str, words: str) -> Markup:
    """Return a text in which the words that were searched for are marked, as much of it as a line shows."""
    give_way()  # a page has hundreds of them
    spans = _spans(text, words)
    start = 0
    if spans and spans[0][0] > SHOWN_CHARACTERS - LEAD:
        start = text.rfind(" ", 0, spans[0][0] - LEAD) + 1 or spans[0][0] - LEAD
    end = min(len(text), start + SHOWN_CHARACTERS)
    parts = [escape("… " if start else "")]
    place = start
    for first, last in spans:
        if first >= end:
            break
        parts += [escape(text[place:first]), Markup("<mark>{}</mark>").format(text[first : min(last, end)])]
        place = min(last, end)
    parts.append(escape(text[place:end] + (" …" if end < len(text) else "")))
    return Markup("").join(parts)


def has_words(text: str) -> bool:
    """Return whether there is anything in a text by which it could be found."""
    return bool(_folded(text).text.strip())


def _spans(text: str, words: str) -> list[tuple[int, int]]:
    """Return where the beginnings of words stand that were searched for, in order; none overlaps another."""
    wanted = sorted({word for word in _folded(words).text.split() if word}, key=len, reverse=True)
    if not wanted:
        return []
    # A word begins after what is none; where writing has no spaces, anywhere.
    choices = "|".join(("" if _DENSE.match(word) else r"(?<![^\s])") + re.escape(word) for word in wanted)
    folded = _folded(text)
    spans: list[tuple[int, int]] = []
    for match in re.finditer(choices, folded.text):
        first, last = folded.places[match.start()], folded.places[match.end() - 1] + 1
        if spans and first <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(last, spans[-1][1])
        else:
            spans.append((first, last))
    return spans


def _folded(text: str) -> Folded:
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in _parts(character):
            characters.append(part)
            places.append(place)
    return Folded("".join(characters), places)


@functools.lru_cache(maxsize=4096)
def _parts(character: str) -> str:
    """Return what a character is compared by: nothing for a mark, a space for what is part of no word."""
    whole = _WHOLE.get(character.lower(), character.lower())
    taken_apart = unicodedata.normalize("NFKD", whole).lower()
    kept = [part for part in taken_apart if not unicodedata.combining(part) or part in _KANA_MARKS]
    return "".join(part if _is_of_a_word(part) else " " for part in kept)


def _is_of_a_word(character: str) -> bool:
    return (
        character.isalnum()
        or character in _KANA_MARKS
        or (not character.isascii() and unicodedata.category(character)[0] in "MS")
    )
