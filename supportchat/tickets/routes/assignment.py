"""Who has a ticket."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import Ticket
from ...web.forms import uuid_of
from ...web.policies import for_people_with
from .blueprint import TICKET, after_action, bp, with_undo


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

    Whoever has handed one over is offered a way back.
    """
    agent_id, had = g.agent["id"], _agent_id("expected")
    to = _agent_id("agent") or agent_id
    ticket: Ticket = call("assign_ticket", agent_id=agent_id, number=number, assignee_id=to, expected_id=had)
    return after_action(ticket) if had is None or to in (agent_id, had) else with_undo(ticket, "assign")


@bp.delete(f"{TICKET}/assignment")
@bp.post(f"{TICKET}/assignment/delete", endpoint="unassign_by_form")
@for_people_with("answer")
def unassign(number: int) -> ResponseReturnValue:
    """Return a ticket to the queue."""
    return with_undo(call("unassign_ticket", agent_id=g.agent["id"], number=number), "return")


def _agent_id(field: str) -> str | None:
    return uuid_of(request.values.get(field), "agent_not_found")
