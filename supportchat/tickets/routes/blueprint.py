"""The blueprint that the routes of each resource share, and how their answers are put together."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qs

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...database import Conflict, DatabaseError, call
from ...database.rows import QueueAhead, Ticket, UndoneTickets
from ...rendering.fragments import joined, partial
from ...web.errors import on_refusal
from ...web.htmx import from_htmx, shown_address
from ..pages import state_values, ticket_values, waiting_ticket

# A form without scripts can only post, so what is undone by DELETE has a second address.
TICKET = "/<int(max=999999999):number>"

Paned = tuple[str, dict[str, str]]  # what the page shows, and the headers that say where

bp = Blueprint("tickets", __name__, url_prefix="/tickets")


@bp.errorhandler(Conflict)
def on_conflict(error: Conflict) -> ResponseReturnValue:
    """Tell the loser of a race who was first, and show the ticket as it is now."""
    response = make_response(on_refusal(error))
    number = (request.view_args or {}).get("number")
    # Who undoes a closing looks at another ticket by now.
    if from_htmx() and number is not None and "show" not in request.args:
        response.headers["HX-Retarget"] = "#notice"
        # Without the ticket, when that cannot be read just now: what was refused stays refused.
        with contextlib.suppress(DatabaseError):
            response.data = joined(response.get_data(as_text=True), changed(ticket_for(number)))
    return response


def ticket_for(number: int) -> Ticket:
    """Return a ticket as the agent who asks may see it.

    :raise NotFound: when there is none of this number.
    """
    ticket: Ticket = call("ticket_of_agent", agent_id=g.agent["id"], number=number)
    return ticket


def taken_back(act: str, changes: list[dict[str, int]]) -> UndoneTickets:
    """Take back what was done with tickets: `act` is one of `undo.ACTS`.

    :raise Conflict: when it was one ticket, and something has become of it since.
    """
    undone: UndoneTickets = call("undo_tickets", agent_id=g.agent["id"], act=act, changes=changes)
    if len(changes) == 1 and undone["refused"]:
        raise Conflict(undone["refused"][0]["code"], undone["refused"][0]["detail"])
    return undone


def after_action(ticket: Ticket) -> ResponseReturnValue:
    """Answer what has changed a ticket: with what that has made of it, or by leading back to it."""
    return changed(ticket) if from_htmx() else to_desk(ticket["number"])


def with_undo(ticket: Ticket, act: str) -> ResponseReturnValue:
    """Answer as `after_action` does, and offer to take it back: `act` is one of `undo.ACTS`."""
    if not from_htmx():
        return to_desk(ticket["number"])
    change = {"number": ticket["number"], "version": ticket["version"]}
    toast = render_template("tickets/_toast.html", number=ticket["number"], done=act, ticket=ticket, changes=[change])
    return joined(changed(ticket), partial(toast, "#toast"))


def after_return(ticket: Ticket) -> ResponseReturnValue:
    """Answer what has brought a ticket back as `after_action` does; with `show` the page turns to it."""
    if from_htmx() and "show" in request.args:
        number = ticket["number"]
        return in_pane(joined(whole_ticket(number), partial("", "#toast")), number)
    return after_action(ticket)


def to_desk(number: int) -> ResponseReturnValue:
    """Lead to the page of a ticket."""
    return redirect(url_for("agents.desk", ticket=number), 303)


def changed(ticket: Ticket) -> str:
    """Render what a change of its state makes of a ticket's head, composer and customer; lines come by the socket.

    They are morphed: a colleague's change must neither close a menu nor take a text from somebody who is using it.
    """
    values, number = state_values(ticket), ticket["number"]
    return joined(
        partial(render_template("tickets/_header.html", **values), f"#ticket-header-{number}", "innerMorph"),
        partial(render_template("tickets/_composer.html", **values), f"#ticket-composer-{number}", "innerMorph"),
        partial(render_template("tickets/_customer.html", **values), f"#customer-{number}", "outerMorph"),
    )


def whole_ticket(number: int) -> str:
    """Render a ticket for the pane of the conversation, and its customer beside it."""
    values = ticket_values(number)
    customer = render_template("tickets/_customer.html", **values)
    return joined(render_template("tickets/_ticket.html", **values), partial(customer, "#customer"))


def turn_to_next(queue: QueueAhead, toast: str, leaving: int) -> Paned:
    """Have the page go on with the ticket that has waited longest, which is not the one that it leaves."""
    following = waiting_ticket(queue, leaving)
    if following:
        pane = whole_ticket(following)
    else:
        nothing = render_template("tickets/_nothing_chosen.html", caught_up=queue["counts"])
        pane = joined(nothing, partial("", "#customer"))
    return in_pane(joined(pane, partial(toast, "#toast")), following)


def in_pane(content: str, number: int | None) -> Paned:
    """Have the page show another ticket, or none, in the same view of its queue."""
    view = parse_qs(shown_address().query).get("view", [None])[0]
    address = url_for("agents.desk", view=view, ticket=number)
    return content, {"HX-Retarget": "#ticket", "HX-Reswap": "innerHTML", "HX-Push-Url": address}
