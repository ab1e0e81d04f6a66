"""What is done with many tickets at once."""

from __future__ import annotations

from flask import g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ...database import Invalid, call
from ...database.rows import ChangedTickets
from ...rendering.fragments import joined, partial
from ...web.forms import uuid_of
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from ...web.redirects import sending_page
from .blueprint import bp
from .snoozing import typed_moment
from .sorting import typed_tag

AT_ONCE = 50
ACTS = ("close", "tag", "assign", "priority", "snooze")
PRIORITIES = ("1", "2", "3", "4")


@bp.get("/bulk")
@for_people_with("answer")
def bulk_agents() -> ResponseReturnValue:
    """Show who could get the chosen tickets."""
    return render_template("tickets/_bulk_agents.html", agent=g.agent, colleagues=call("list_agents"))


@bp.post("/bulk")
@for_people_with("answer")
def change_many() -> ResponseReturnValue:
    """Do the same with tickets, each a `number`, and say what could not be done.

    `act` is one of `ACTS`, with the agent, the priority or the time behind a colon.
    """
    act, _, choice = request.form.get("act", "")[:64].partition(":")
    chosen = (text for text in request.form.getlist("number") if text.isdecimal() and len(text) <= 9)
    numbers = list(dict.fromkeys(map(int, chosen)))
    if act not in ACTS:
        raise Invalid("not_understood")
    if not 0 < len(numbers) <= AT_ONCE:
        raise Invalid("too_many_chosen" if numbers else "nothing_chosen")
    changed: ChangedTickets = call(
        "change_tickets", agent_id=g.agent["id"], numbers=numbers, act=act, value=_value(act, choice)
    )
    if not from_htmx():
        return redirect(sending_page(), 303)
    toast = render_template("tickets/_bulk_done.html", changed=changed, act=act, agent=g.agent)
    return joined(partial(toast, "#toast"))


def _value(act: str, choice: str) -> str | None:
    match act:
        case "tag":
            return typed_tag()
        case "assign":
            return uuid_of(choice) or str(g.agent["id"])
        case "priority":
            if choice not in PRIORITIES:
                raise Invalid("not_understood")
            return choice
        case "snooze":
            return typed_moment(choice)
    return None
