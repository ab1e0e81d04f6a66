"""Who has a ticket."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import Ticket
from ...rendering.fragments import joined, partial
from ...web.forms import uuid_of
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from .blueprint import TICKET, bp, changed, to_desk, with_undo


@bp.get(f"{TICKET}/assignment")
@for_people_with("answer")
def colleagues(number: int) -> ResponseReturnValue:
    """Show who could take a ticket over, as it is at this moment; `of` is who has it."""
    ticket = {"number": number, "agent": {"id": _agent_id("of") or g.agent["id"]}}
    return render_template("tickets/_colleagues.html", ticket=ticket, agent=g.agent, colleagues=call("list_agents"))


@bp.post(f"{TICKET}/assignment")
@for_people_with("answer")
def assign(number: int) -> ResponseReturnValue:
    """Claim a ticket, or hand it over: `agent` is who gets it, `expected` whom the page showed ('' for nobody).

    Whoever has handed one over is offered a way back; `undo` says that they took it.
    """
    agent_id, had = g.agent["id"], _agent_id("expected")
    to = _agent_id("agent") or agent_id
    ticket: Ticket = call("assign_ticket", agent_id=agent_id, number=number, assignee_id=to, expected_id=had)
    if not from_htmx():
        return to_desk(number)
    if "undo" in request.form:
        return joined(changed(ticket), partial("", "#toast"))
    if had is None or to in (agent_id, had):
        return changed(ticket)
    toast = render_template("tickets/_toast.html", number=number, done="handed_over", to=ticket["agent"], had=had)
    return joined(changed(ticket), partial(toast, "#toast"))


@bp.delete(f"{TICKET}/assignment")
@bp.post(f"{TICKET}/assignment/delete", endpoint="unassign_by_form")
@for_people_with("answer")
def unassign(number: int) -> ResponseReturnValue:
    """Return a ticket to the queue."""
    return with_undo(call("unassign_ticket", agent_id=g.agent["id"], number=number), "return")


def _agent_id(field: str) -> str | None:
    return uuid_of(request.values.get(field), "agent_not_found")
