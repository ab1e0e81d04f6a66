"""The card of a customer: what `supportchat.support_card` answers, cut to a small fixed set, and kept for a minute."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from flask import current_app
from gevent.lock import BoundedSemaphore

from ..database import Database, DatabaseError
from ..database.rows import FoundCard
from ..web.text import clean_line

KEPT_SECONDS = 60.0
FAILED_SECONDS = 10.0
MOST_KEPT = 500
MOST_AT_ONCE = 2  # of the database's connections, of which the rest of the desk needs some too
MOST_ROWS = 20
TITLE_CHARACTERS, BADGE_CHARACTERS = 80, 24
LABEL_CHARACTERS, VALUE_CHARACTERS = 40, 200
LINK_CHARACTERS = 500

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A line of a card; with a link, its value leads there."""

    label: str
    value: str
    link: str


class Card(NamedTuple):
    """What agents see. `error` says why there is nothing: 'slow', 'large', 'closed', 'failed', 'shape' or 'busy'."""

    title: str = ""
    badge: str = ""
    rows: tuple[Row, ...] = ()
    link: Row | None = None
    error: str = ""


class Cards:
    """Asks for cards, a few at a time, and keeps each for a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[int, tuple[float, Card | None]] = {}
        self._places = BoundedSemaphore(MOST_AT_ONCE)

    def known(self, number: int) -> Card | Literal[False] | None:
        """Return the card of a ticket's customer, if it was asked for within the last minute; otherwise False."""
        until, card = self._kept.get(number, (0.0, None))
        return card if time.monotonic() < until else False

    def get(self, agent_id: str, number: int) -> Card | None:
        """Return the card of a ticket's customer; None when there is none."""
        if (known := self.known(number)) is not False:
            return known
        if not self._places.acquire(blocking=False):
            return Card(error="busy")
        try:
            card = self._asked(agent_id, number)
        finally:
            self._places.release()
        self._keep(number, card)
        return card

    def _asked(self, agent_id: str, number: int) -> Card | None:
        try:
            found: FoundCard | None = self._database.call("customer_card", agent_id=agent_id, number=number)
        except DatabaseError as error:
            if error.code in ("right_missing", "ticket_not_found"):
                raise
            log.warning("customer card: %s", error.code)
            return Card(error="slow" if error.code == "database_unavailable" else "failed")
        if found is None:
            return None
        if found["error"]:
            log.warning("customer card: %s", found["error"])
            return Card(error=found["error"])
        try:
            return card_of(json.loads(found["card"] or "null"))
        except (ValueError, RecursionError):  # numbers of thousands of digits, brackets in brackets
            return Card(error="shape")

    def _keep(self, number: int, card: Card | None) -> None:
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[number] = time.monotonic() + (FAILED_SECONDS if card and card.error else KEPT_SECONDS), card


def kept_card(number: int) -> Card | Literal[False] | None:
    """Return what this process knows of a customer's card, for templates."""
    cards: Cards = current_app.extensions["cards"]
    return cards.known(number)


def card_of(answer: Any) -> Card | None:
    """Return what of an answer can be shown. None: the function knows nothing of this customer."""
    if answer is None:
        return None
    if not isinstance(answer, dict):
        return Card(error="shape")
    given = answer.get("rows")
    rows = [row for each in (given if isinstance(given, list) else [])[:MOST_ROWS] if (row := _row(each)) is not None]
    link = (
        _row({**answer["link"], "value": answer["link"].get("label")}) if isinstance(answer.get("link"), dict) else None
    )
    return Card(
        title=_text(answer.get("title"), TITLE_CHARACTERS),
        badge=_text(answer.get("badge"), BADGE_CHARACTERS),
        rows=tuple(rows),
        link=link if link and link.link else None,
    )


def _row(given: Any) -> Row | None:
    if not isinstance(given, dict):
        return None
    value = _text(given.get("value"), VALUE_CHARACTERS)
    label = _text(given.get("label"), LABEL_CHARACTERS)
    return Row(label, value, safe_link(given.get("link") or given.get("url"))) if label and value else None


def _text(value: Any, most: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    # A float that is no number, or an integer of a thousand digits, is text like any other.
    return clean_line(str(value)[: 4 * most])[:most]


def safe_link(address: Any) -> str:
    """Return an address that agents may be led to: https, and nothing that hides where it leads; '' for any other."""
    if (
        not isinstance(address, str)
        or len(address) > LINK_CHARACTERS
        or not address.isascii()
        or not address.isprintable()
    ):
        return ""
    try:
        parts = urlsplit(address)
        is_safe = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and " " not in address
    except ValueError:
        return ""
    return address if is_safe and "\\" not in address else ""
