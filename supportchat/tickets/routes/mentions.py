"""Colleagues who are mentioned in notes: their names for whoever types one, and that they have read it."""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import MentionChoice
from ...rendering.filters import hue, initials
from ...web import limits
from ...web.forms import whole_number
from ...web.policies import for_people_with
from .blueprint import TICKET, bp

NAME_CHARACTERS = 80


@bp.get("/mentions")
@for_people_with("answer")
def mentionable() -> ResponseReturnValue:
    """Return the colleagues with a name that begins with `q`, as the script of the composer takes them."""
    typed = request.args.get("q", "")[:NAME_CHARACTERS]
    found: list[MentionChoice] = call("complete_mention", agent_id=g.agent["id"], text=typed)
    return jsonify([_choice(colleague) for colleague in found])


@bp.post(f"{TICKET}/mentions")
@for_people_with("answer")
def read_mentions(number: int) -> ResponseReturnValue:
    """Remember that the agent has read the notes of a ticket that mention them, up to the number `note`."""
    limits.check("receipts", g.agent["id"])
    call("read_mentions", agent_id=g.agent["id"], number=number, note_no=whole_number("note"))
    return "", 204


def _choice(colleague: MentionChoice) -> dict[str, Any]:
    return {
        "name": colleague["name"],
        "email": colleague["email"] or "",
        "written": colleague["written"],
        "initials": initials(colleague["name"]),
        "hue": hue(colleague["id"]),
        "picture": f"/pictures/{colleague['picture']}" if colleague["picture"] else "",
    }
