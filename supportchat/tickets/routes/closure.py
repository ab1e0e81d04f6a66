"""The end of a ticket, and its return."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import ClosedTicket, Ticket
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from .blueprint import TICKET, Paned, after_return, bp, to_desk, turn_to_next


@bp.post(f"{TICKET}/closure")
@for_people_with("answer")
def close(number: int) -> ResponseReturnValue:
    """Close a ticket and end its chat. The page goes on with the one that has waited longest, and offers a way back."""
    closed: ClosedTicket = call("close_ticket", agent_id=g.agent["id"], number=number)
    return go_on(closed) if from_htmx() else to_desk(number)


def go_on(closed: ClosedTicket, done: str = "closed") -> Paned:
    """Have the page show the ticket that has waited longest, and offer a way back to the one that was closed.

    :param done: 'closed', 'spam', 'spam_banned' or 'snoozed'.
    """
    number, version = closed["ticket"]["number"], closed["ticket"]["version"]
    toast = render_template("tickets/_toast.html", number=number, done=done, version=version)
    return turn_to_next(closed["queue"], toast, leaving=number)


@bp.delete(f"{TICKET}/closure")
@bp.post(f"{TICKET}/closure/delete", endpoint="reopen_by_form")
@for_people_with("answer")
def reopen(number: int) -> ResponseReturnValue:
    """Open a closed ticket again, for oneself. With `show` it is as before, and the page turns to it."""
    ticket: Ticket = call("reopen_ticket", agent_id=g.agent["id"], number=number, as_before="show" in request.args)
    return after_return(ticket)
