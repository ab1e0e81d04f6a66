"""What happens to a ticket once a saved reply is sent: it gets tags, and is closed or snoozed."""

from __future__ import annotations

from typing import Any, TypedDict

from flask import request
from flask_babel import gettext

from ..database.rows import HeldActs, SavedReply
from ..tickets.times import CHOICES, due_time
from ..web.text import clean_line

FIELD_CHARACTERS = 64
TAGS_CHARACTERS = 1000
MOST_TAGS = 20


class Act(TypedDict):
    """A box of the composer that is ticked: its name and value, and what stands beside it."""

    name: str
    value: str
    label: str


def then_of(reply: SavedReply) -> str:
    """Return what becomes of the ticket: 'close', a choice of when a snoozed one comes back, or ''."""
    return "close" if reply["close_after"] else reply["snooze"] or ""


def acts(then: str, tags: list[str]) -> list[Act]:
    """Return the boxes for what is to happen after a reply."""
    found: list[Act] = []
    if then == "close":
        found.append({"name": "then", "value": then, "label": gettext("Close the ticket after sending")})
    elif then in CHOICES:
        until = str(CHOICES[then])
        found.append({"name": "then", "value": then, "label": gettext("Snooze after sending: %(until)s", until=until)})
    if tags:
        named = ", ".join(tags)
        found.append({"name": "tags", "value": named, "label": gettext("Add tags: %(tags)s", tags=named)})
    return found


def boxes_of(kept: HeldActs) -> list[Act]:
    """Return the boxes for what is kept with a draft or a held reply."""
    return acts(kept.get("then", ""), kept.get("tags", []))


def kept_acts() -> HeldActs:
    """Return what the form says is to happen, as it is kept with a draft."""
    then, tags = typed_then(), typed_tags()
    return {**({"then": then} if then else {}), **({"tags": tags[:MOST_TAGS]} if tags else {})}


def typed_then() -> str:
    """Return what the form says is to become of the ticket; '' for nothing."""
    then = request.form.get("then", "")[:FIELD_CHARACTERS]
    return then if then == "close" or then in CHOICES else ""


def typed_tags() -> list[str]:
    """Return the tags of the form, which commas divide; one too many is left for the database to refuse."""
    tags = map(clean_line, request.form.get("tags", "")[:TAGS_CHARACTERS].split(","))
    return list(dict.fromkeys(filter(None, tags)))[: MOST_TAGS + 1]


def typed_acts() -> dict[str, Any]:
    """Return what `reply_and_act` takes besides the message; nothing for a reply after which nothing happens."""
    then, tags = typed_then(), typed_tags()
    found: dict[str, Any] = {"tags": tags} if tags else {}
    if then == "close":
        found["then"] = then
    elif then:
        until = due_time(then, "", request.form.get("time_zone", "")[:FIELD_CHARACTERS])
        found |= {"then": then, "until": until.isoformat() if until else None}
    return found
