"""What agents sort tickets by: tags, and how urgent they are."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import TaggedTicket
from ...web.forms import whole_number
from ...web.policies import for_people_with
from ...web.text import clean_line
from .blueprint import TICKET, after_action, bp, with_undo

TAG_CHARACTERS = 40


def typed_tag() -> str:
    """Return the name of a tag as it was typed, on one line; the database refuses what is too long."""
    return clean_line(request.form.get("tag", "")[: 5 * TAG_CHARACTERS])


@bp.post(f"{TICKET}/tags")
@for_people_with("answer")
def tag(number: int) -> ResponseReturnValue:
    """Give a ticket a tag by its name."""
    return _tagged(call("tag_ticket", agent_id=g.agent["id"], number=number, add=[typed_tag()]))


@bp.post(f"{TICKET}/tags/delete")
@for_people_with("answer")
def untag(number: int) -> ResponseReturnValue:
    """Take a tag from a ticket; `tag` is its id."""
    return _tagged(call("tag_ticket", agent_id=g.agent["id"], number=number, remove=[whole_number("tag")]))


def _tagged(ticket: TaggedTicket) -> ResponseReturnValue:
    return with_undo(ticket, "tag") if ticket["changed"] else after_action(ticket)


@bp.post(f"{TICKET}/priority")
@for_people_with("answer")
def prioritise(number: int) -> ResponseReturnValue:
    """Say how soon somebody is to see to a ticket."""
    return after_action(call("set_priority", agent_id=g.agent["id"], number=number, priority=whole_number("priority")))
