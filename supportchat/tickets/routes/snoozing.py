"""A ticket that is out of sight for a while."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import ClosedTicket, Ticket
from ...web.forms import whole_number
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from ..times import due_time
from .blueprint import TICKET, after_return, bp, taken_back, ticket_for, to_desk
from .closure import go_on

FIELD_CHARACTERS = 64


def typed_moment(choice: str) -> str | None:
    """Return the moment that a choice means, with what the form says of `at` and `time_zone`; see `due_time`."""
    moment, zone = (request.form.get(name, "")[:FIELD_CHARACTERS] for name in ("at", "time_zone"))
    until = due_time(choice, moment, zone)
    return until.isoformat() if until else None


@bp.post(f"{TICKET}/snooze")
@for_people_with("answer")
def snooze(number: int) -> ResponseReturnValue:
    """Snooze a ticket until what is chosen, or the moment `at` in `time_zone`. The page goes on as after `close`."""
    until = typed_moment(request.form.get("until", "")[:FIELD_CHARACTERS])
    snoozed: ClosedTicket = call("snooze_ticket", agent_id=g.agent["id"], number=number, until=until)
    return go_on(snoozed, "snoozed") if from_htmx() else to_desk(number)


@bp.delete(f"{TICKET}/snooze")
@bp.post(f"{TICKET}/snooze/delete", endpoint="unsnooze_by_form")
@for_people_with("answer")
def unsnooze(number: int) -> ResponseReturnValue:
    """Bring a snoozed ticket back. With `show` the page turns to it, with `version` it is as before that."""
    version = whole_number("version")
    if version:
        taken_back("snooze", [{"number": number, "version": version}])
        return after_return(ticket_for(number))
    ticket: Ticket = call("unsnooze_ticket", agent_id=g.agent["id"], number=number)
    return after_return(ticket)
