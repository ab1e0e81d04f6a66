"""The queue."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...agents.logins import agent_token_hash
from ...database import call
from ...realtime.hub import current_hub
from ...rendering.fragments import joined, partial
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from ..pages import queue_values
from .blueprint import bp


@bp.get("")
@for_people_with("answer")
def index() -> ResponseReturnValue:
    """Show the queue."""
    if not from_htmx():
        return redirect(url_for("agents.desk", view=request.args.get("view")), 303)
    current_hub().saw_poll("agent", agent_token_hash())
    return _queue()


@bp.post("/order")
@for_people_with("answer")
def choose_order() -> ResponseReturnValue:
    """Remember in which order the agent wants the queue."""
    call("set_queue_order", agent_id=g.agent["id"], order=request.form.get("order", "")[:32])
    if from_htmx():
        return _queue()
    view, rows, ticket = (request.args.get(name) for name in ("view", "rows", "ticket"))
    return redirect(url_for("agents.desk", view=view, rows=rows, ticket=ticket), 303)


def _queue() -> ResponseReturnValue:
    queue = render_template("tickets/_queue.html", agent=g.agent, **queue_values(request.args.get("view")))
    # They may have switched on another device.
    return joined(
        queue,
        partial(
            render_template("agents/_availability.html", agent=g.agent, here="desk"), "#availability", "outerMorph"
        ),
    )
