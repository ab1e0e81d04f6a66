"""Taking back what an agent has done with tickets a moment ago."""

from __future__ import annotations

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from ...database import Invalid
from ...rendering.fragments import joined, partial
from ...web.htmx import from_htmx, is_shown
from ...web.policies import for_people_with
from ...web.redirects import sending_page
from . import bulk
from .blueprint import bp, changed, taken_back, ticket_for

ACTS = (*bulk.ACTS, "return")


@bp.post("/undo")
@for_people_with("answer")
def undo() -> ResponseReturnValue:
    """Take back an `act`. Each `change` is the number of a ticket and the version that it got by that, as "1001.7"."""
    act = request.form.get("act", "")
    changes = [_change(text) for text in request.form.getlist("change")[: bulk.AT_ONCE]]
    if act not in ACTS or not changes:
        raise Invalid("not_understood")
    undone = taken_back(act, changes)
    if not from_htmx():
        return redirect(sending_page(), 303)
    toast = render_template("tickets/_undone.html", undone=undone) if undone["refused"] else ""
    shown = [number for number in undone["done"] if is_shown(ticket=str(number))]
    return joined(*(changed(ticket_for(number)) for number in shown), partial(toast, "#toast"))


def _change(text: str) -> dict[str, int]:
    number, _, version = text[:20].partition(".")
    if not (number.isdecimal() and version.isdecimal() and len(number) <= 9 and len(version) <= 9):
        raise Invalid("not_understood")
    return {"number": int(number), "version": int(version)}
