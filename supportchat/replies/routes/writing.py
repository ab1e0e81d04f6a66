"""What the composer of a ticket asks of saved replies."""

from __future__ import annotations

import uuid
from typing import Any

from flask import g, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...database import NotFound, call
from ...database.rows import SavedReply, StoredPicture, TicketReplies
from ...images.serving import serve_stored
from ...tickets.pages import queue_values, ticket_values
from ...web.forms import MESSAGE_CHARACTERS, typed_text, uuid_of
from ...web.policies import for_people_with
from ...web.text import clean_text, is_too_long
from ..acts import acts, then_of, typed_tags, typed_then
from ..variables import filled, values_of
from .blueprint import bp

TICKET = "/tickets/<int(max=999999999):number>/replies"
MOST_SHOWN = 8
QUERY_CHARACTERS = 80
MOST_WORDS = 5
ALL = 700


@bp.get(TICKET)
@for_people_with("answer")
def find(number: int) -> ResponseReturnValue:
    """Return the replies with some words, filled in for a ticket, as the script of the composer takes them."""
    words = request.args.get("q", "")[:QUERY_CHARACTERS].split()[:MOST_WORDS]
    return jsonify([_choice(reply, number) for reply in _found(number, words, MOST_SHOWN)])


@bp.post(TICKET)
@for_people_with("answer")
def insert(number: int) -> ResponseReturnValue:
    """Show the ticket with what was typed, all replies, and the text of the chosen one: the way without scripts."""
    replies = _found(number, [], ALL)
    chosen = uuid_of(request.form.get("saved_reply"))
    reply = next((reply for reply in replies if reply["id"] == chosen), None)
    written: dict[str, Any] = {
        "mode": "note" if request.form.get("mode") == "note" else "reply",
        "message": _joined(_typed(), reply["message"] if reply else ""),
        "acts": acts(then_of(reply), reply["tags"]) if reply else acts(typed_then(), typed_tags()),
        "picture": _picture_address(reply) if reply else "",
        "replies": sorted(replies, key=lambda each: each["name"].lower()),
    }
    if reply:
        call("use_reply", agent_id=g.agent["id"], reply_id=reply["id"])
    return render_template(
        "agents/desk.html", **queue_values() | ticket_values(number) | {"selected": str(number), "written": written}
    )


@bp.post("/replies/<uuid:reply_id>/uses")
@for_people_with("answer")
def use(reply_id: uuid.UUID) -> ResponseReturnValue:
    """Count that somebody has used a reply."""
    call("use_reply", agent_id=g.agent["id"], reply_id=str(reply_id))
    return "", 204


@bp.get("/replies/<uuid:reply_id>/picture")
@for_people_with("answer")
def picture(reply_id: uuid.UUID) -> ResponseReturnValue:
    """Serve the picture of a reply."""
    stored: StoredPicture | None = call("picture_of_reply", agent_id=g.agent["id"], reply_id=str(reply_id))
    if stored is None:
        raise NotFound("not_found")
    return serve_stored(stored, stored["key"])


def _found(number: int, words: list[str], limit: int) -> list[SavedReply]:
    found: TicketReplies = call("replies_for_ticket", agent_id=g.agent["id"], number=number, words=words, limit=limit)
    values = values_of(found, g.agent["name"])
    return [{**reply, "message": filled(reply["message"], values)} for reply in found["replies"]]


def _choice(reply: SavedReply, number: int) -> dict[str, Any]:
    return {
        "name": reply["name"],
        "text": reply["message"],
        "uses": url_for("replies.use", reply_id=reply["id"]),
        "picture": _picture_address(reply),
        "acts": acts(then_of(reply), reply["tags"]),
    }


def _picture_address(reply: SavedReply) -> str:
    return url_for("replies.picture", reply_id=reply["id"]) if reply["has_picture"] else ""


def _typed() -> str:
    text = typed_text()
    return text if is_too_long(text, MESSAGE_CHARACTERS) else clean_text(text)


def _joined(typed: str, inserted: str) -> str:
    return "\n".join(part for part in (typed, inserted) if part)
