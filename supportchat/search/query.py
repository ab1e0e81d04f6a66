"""What is typed into the search box: words, and operators such as `is:open` or `tag:"spare parts"`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ..web.text import clean_line
from .marking import has_words

QUERY_CHARACTERS = 200
MOST_OF_A_KIND = 5
STATES = ("open", "closed", "unassigned", "mine", "waiting", "snoozed", "urgent", "high", "low", "spam")
_OPERATOR = re.compile(r'(?<!\S)(from|tag|is|before|after):("[^"]*"|\S+)', re.IGNORECASE)
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", re.ASCII)


@dataclass
class Query:
    """A search: the words, and what else is asked for."""

    text: str
    words: str = ""
    author: str | None = None
    tags: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    before: str | None = None
    after: str | None = None
    # The operators whose value means nothing, and words without a letter or a digit.
    unknown: list[str] = field(default_factory=list)
    # Those that are one too many: a sixth tag, a second author.
    excess: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.words or self.author or self.tags or self.states or self.before or self.after)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `search_tickets`."""
        names = ("words", "author", "tags", "states", "before", "after")
        return {name: getattr(self, name) for name in names}


def parsed(typed: str) -> Query:
    """Parse what was typed. Nothing beyond 200 characters is looked at."""
    text = clean_line(typed[: 4 * QUERY_CHARACTERS])[:QUERY_CHARACTERS].strip()
    query = Query(text, words=" ".join(_OPERATOR.sub(" ", text).split()))
    for match in _OPERATOR.finditer(text):
        name, value = match[1].lower(), match[2].strip('"').strip()
        if not value:
            continue
        meant = _meant(name, value)
        if meant is None:
            query.unknown.append(match[0])
        elif not _take(query, name, meant):
            query.excess.append(match[0])
    if query.words and not has_words(query.words):
        query.unknown.append(query.words)
        query.words = ""
    return query


def _meant(name: str, value: str) -> str | None:
    """Return the value of an operator as a search takes it; None if it means nothing."""
    if name in ("before", "after"):
        return _day(value)
    if name == "is":
        return value.lower() if value.lower() in STATES else None
    return "me" if name == "from" and value.lower() == "me" else value


def _take(query: Query, name: str, value: str) -> bool:
    """Ask for it as well, and return True; False if that would be too much."""
    if name in ("tag", "is"):
        values = query.tags if name == "tag" else query.states
        if value not in values:
            if len(values) == MOST_OF_A_KIND:
                return False
            values.append(value)
        return True
    attribute = "author" if name == "from" else name
    if getattr(query, attribute) in (None, value):
        setattr(query, attribute, value)
        return True
    return False


def _day(value: str) -> str | None:
    """Return the first moment of a day, a month or a year, in UTC; None for what is none."""
    match = _DAY.fullmatch(value)
    if not match:
        return None
    try:
        return f"{date(int(match[1]), int(match[2] or 1), int(match[3] or 1)).isoformat()}T00:00:00Z"
    except ValueError:
        return None
