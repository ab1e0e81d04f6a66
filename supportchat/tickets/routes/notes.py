"""The private notes of a ticket."""

from __future__ import annotations

from flask import g, render_template
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import AddedNote
from ...rendering.fragments import current_fragments, joined, partial
from ...replies.variables import written_text
from ...web import limits
from ...web.forms import message_id
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from .blueprint import TICKET, bp, to_desk
from .drafts import forget_draft


@bp.post(f"{TICKET}/notes")
@for_people_with("answer")
def add_note(number: int) -> ResponseReturnValue:
    """Write a note that only agents see."""
    limits.check("messages", g.agent["id"])
    added: AddedNote = call(
        "add_note", agent_id=g.agent["id"], number=number, client_message_id=message_id(), note=written_text()
    )
    if not from_htmx():
        forget_draft(number, "note")
        return to_desk(number)
    ticket = added["ticket"]
    return joined(
        current_fragments().note(number, added["note"]),
        partial(
            render_template("tickets/_customer.html", ticket=ticket, agent=g.agent), f"#customer-{number}", "outerHTML"
        ),
    )
