"""A ticket as a whole, and what has become of it."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from .blueprint import TICKET, bp, changed, ticket_for, to_desk, whole_ticket


@bp.get(TICKET)
@for_people_with("answer")
def show(number: int) -> ResponseReturnValue:
    """Show a ticket: its conversation, and the customer beside it."""
    return whole_ticket(number) if from_htmx() else to_desk(number)


@bp.get(f"{TICKET}/changes")
@for_people_with("answer")
def changes(number: int) -> ResponseReturnValue:
    """Show what a change of a ticket's state has made of its head, its composer and its customer."""
    return changed(ticket_for(number))
