"""What an agent can do with tickets. Each action is a resource of its ticket.

A form without scripts can only post, so what is undone by DELETE has a second address.
"""

from __future__ import annotations

import contextlib
import uuid
from urllib.parse import parse_qs

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..agents.logins import agent_token_hash
from ..database import Conflict, DatabaseError, call
from ..database.batches import is_cut
from ..images.serving import serve_image
from ..realtime.hub import current_hub
from ..rendering.fragments import current_fragments, joined, partial
from ..web import limits, posting
from ..web.errors import on_refusal
from ..web.forms import message_id, message_text, new_message_id, uuid_of, whole_number
from ..web.htmx import from_htmx, shown_address
from ..web.policies import for_agents
from .pages import (
    EARLIER_BATCHES,
    PAGE,
    Ticket,
    earlier_links,
    next_ticket,
    queue_values,
    ticket_for,
    ticket_values,
    timeline,
)

bp = Blueprint("tickets", __name__, url_prefix="/tickets")


@bp.get("")
@for_agents
def index() -> ResponseReturnValue:
    """Show the queue."""
    if not from_htmx():
        return redirect(url_for("agents.desk", view=request.args.get("view")), 303)
    current_hub().saw_poll("agent", agent_token_hash())
    queue = render_template("tickets/_queue.html", agent=g.agent, **queue_values(request.args.get("view")))
    # They may have switched on another device.
    return joined(
        queue, partial(render_template("agents/_availability.html", agent=g.agent), "#availability", "outerMorph")
    )


@bp.get("/<int(max=999999999):number>")
@for_agents
def show(number: int) -> ResponseReturnValue:
    """Show a ticket: its conversation, and the customer beside it."""
    if not from_htmx():
        return redirect(url_for("agents.desk", ticket=number), 303)
    return _whole_ticket(number)


@bp.get("/<int(max=999999999):number>/changes")
@for_agents
def changes(number: int) -> ResponseReturnValue:
    """Show what a change of a ticket's state has made of its head, its composer and its customer."""
    return _changed(number)


@bp.get("/<int(max=999999999):number>/messages")
@for_agents
def messages(number: int) -> ResponseReturnValue:
    """Return the lines after a seq, notes among them; or those before one, with the link to more."""
    ticket = ticket_for(number)
    if before := whole_number("before"):
        rows = call("messages_before", session_id=ticket["session_id"], before=before, limit=PAGE)
        earlier = render_template("shared/_earlier.html", rows=rows, **earlier_links(number))
        return joined(
            _rendered(ticket, timeline(ticket, rows, EARLIER_BATCHES)), partial(earlier, "#earlier", "innerMorph")
        )
    rows = call("messages_after", session_id=ticket["session_id"], after=whole_number("after"))
    notes = call("notes_after", session_id=ticket["session_id"], after=whole_number("after_note"))
    here = partial(render_template("tickets/_customer_here.html", ticket=ticket), f"#customer-here-{number}")
    has_more = is_cut(rows) or is_cut(notes)
    header = {"HX-Trigger": current_fragments().state_header("agent", ticket, request.args.get("epoch"), has_more)}
    return joined(_rendered(ticket, [*rows, *notes]), here), header


@bp.post("/<int(max=999999999):number>/messages")
@for_agents
def reply(number: int) -> ResponseReturnValue:
    """Send a reply to the customer."""
    limits.check("messages", g.agent["id"])
    answer = posting.store_message("post_reply", message_text(), g.agent["id"], agent_id=g.agent["id"], number=number)
    current_hub().offer(answer)
    if not from_htmx():
        return _to_desk(number)
    ticket = ticket_for(number)
    form = render_template("tickets/_reply_form.html", ticket=ticket, reply_id=new_message_id())
    return joined(_rendered(ticket, answer["messages"]), partial(form, "#reply", "outerMorph"))


@bp.post("/<int(max=999999999):number>/notes")
@for_agents
def add_note(number: int) -> ResponseReturnValue:
    """Write a note that only agents see."""
    limits.check("messages", g.agent["id"])
    note = call("add_note", agent_id=g.agent["id"], number=number, client_message_id=message_id(), note=message_text())
    if not from_htmx():
        return _to_desk(number)
    ticket = ticket_for(number)
    form = render_template("tickets/_note_form.html", ticket=ticket, note_id=new_message_id())
    return joined(
        current_fragments().note(number, note),
        partial(form, "#note", "outerMorph"),
        partial(render_template("tickets/_customer.html", ticket=ticket), f"#customer-{number}", "outerHTML"),
    )


@bp.get("/<int(max=999999999):number>/assignment")
@for_agents
def colleagues(number: int) -> ResponseReturnValue:
    """Show who could take a ticket over, as it is at this moment."""
    return render_template(
        "tickets/_colleagues.html", ticket=ticket_for(number), agent=g.agent, colleagues=call("list_agents")
    )


@bp.post("/<int(max=999999999):number>/assignment")
@for_agents
def assign(number: int) -> ResponseReturnValue:
    """Claim a ticket, or hand it over: `agent` is who gets it, `expected` whom the page showed ('' for nobody)."""
    call(
        "assign_ticket",
        agent_id=g.agent["id"],
        number=number,
        assignee_id=_agent_id("agent") or g.agent["id"],
        expected_id=_agent_id("expected"),
    )
    return _after_action(number)


@bp.delete("/<int(max=999999999):number>/assignment")
@bp.post("/<int(max=999999999):number>/assignment/delete", endpoint="unassign_by_form")
@for_agents
def unassign(number: int) -> ResponseReturnValue:
    """Return a ticket to the queue."""
    call("unassign_ticket", agent_id=g.agent["id"], number=number)
    return _after_action(number)


@bp.post("/<int(max=999999999):number>/closure")
@for_agents
def close(number: int) -> ResponseReturnValue:
    """Close a ticket and end its chat. The page goes on with the one that has waited longest, and offers a way back."""
    call("close_ticket", agent_id=g.agent["id"], number=number)
    if not from_htmx():
        return _to_desk(number)
    following, counts = next_ticket()
    if following:
        pane = _whole_ticket(following)
    else:
        pane = joined(render_template("tickets/_nothing_chosen.html", caught_up=counts), partial("", "#customer"))
    return _in_pane(joined(pane, partial(render_template("tickets/_toast.html", number=number), "#toast")), following)


@bp.delete("/<int(max=999999999):number>/closure")
@bp.post("/<int(max=999999999):number>/closure/delete", endpoint="reopen_by_form")
@for_agents
def reopen(number: int) -> ResponseReturnValue:
    """Open a closed ticket again, for oneself. With `show` the page turns to it."""
    call("reopen_ticket", agent_id=g.agent["id"], number=number)
    if from_htmx() and "show" in request.args:
        return _in_pane(joined(_whole_ticket(number), partial("", "#toast")), number)
    return _after_action(number)


@bp.post("/<int(max=999999999):number>/typing")
@for_agents
def type_reply(number: int) -> ResponseReturnValue:
    """Let the customer see that somebody is typing."""
    limits.check("typing", g.agent["id"])
    call("signal_typing", session_id=ticket_for(number)["session_id"], sender="agent", agent_id=g.agent["id"])
    return "", 204


@bp.post("/<int(max=999999999):number>/receipts")
@for_agents
def acknowledge(number: int) -> ResponseReturnValue:
    """Remember how far this agent has received and read."""
    limits.check("receipts", g.agent["id"])
    call(
        "record_receipt",
        session_id=ticket_for(number)["session_id"],
        reader="agent",
        agent_id=g.agent["id"],
        delivered=whole_number("delivered"),
        read=whole_number("read"),
    )
    return "", 204


@bp.get("/<int(max=999999999):number>/images/<uuid:image_id>")
@for_agents
def image(number: int, image_id: uuid.UUID) -> ResponseReturnValue:
    """Serve a picture of a ticket's conversation."""
    return serve_image(ticket_for(number)["session_id"], image_id)


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
            response.data = joined(response.get_data(as_text=True), _changed(number))
    return response


def _after_action(number: int) -> ResponseReturnValue:
    return _changed(number) if from_htmx() else _to_desk(number)


def _whole_ticket(number: int) -> str:
    values = ticket_values(number)
    customer = render_template("tickets/_customer.html", **values)
    return joined(render_template("tickets/_ticket.html", **values), partial(customer, "#customer"))


def _in_pane(content: str, number: int | None) -> ResponseReturnValue:
    # The page shows another ticket now, in the same view of its queue.
    view = parse_qs(shown_address().query).get("view", [None])[0]
    address = url_for("agents.desk", view=view, ticket=number)
    return content, {"HX-Retarget": "#ticket", "HX-Reswap": "innerHTML", "HX-Push-Url": address}


def _changed(number: int) -> str:
    values = ticket_values(number)
    ticket = values["ticket"]
    return joined(
        partial(render_template("tickets/_header.html", **values), f"#ticket-header-{number}"),
        partial(render_template("tickets/_composer.html", **values), f"#ticket-composer-{number}", "innerMorph"),
        partial(render_template("tickets/_customer.html", **values), f"#customer-{number}", "outerHTML"),
        partial(_rendered(ticket, values["timeline"]), f"#messages-{number}", "upsert key:data-seq"),
    )


def _rendered(ticket: Ticket, rows: list[dict[str, object]]) -> str:
    return current_fragments().lines(ticket["number"], rows)


def _agent_id(field: str) -> str | None:
    return uuid_of(request.form.get(field), "agent_not_found")


def _to_desk(number: int) -> ResponseReturnValue:
    return redirect(url_for("agents.desk", ticket=number), 303)
