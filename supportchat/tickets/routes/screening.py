"""What becomes of those who write to no good: a ticket that is held, spam, and bans."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from ...database import Invalid, call
from ...database.rows import MarkedSpam
from ...web.forms import whole_number
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from ...web.text import clean_line
from .blueprint import TICKET, after_action, bp, to_desk
from .closure import go_on

REASON_CHARACTERS = 200
MOST_DAYS = 3650


@bp.delete(f"{TICKET}/hold")
@bp.post(f"{TICKET}/hold/delete", endpoint="release_by_form")
@for_people_with("answer")
def release(number: int) -> ResponseReturnValue:
    """Let a held ticket go to whoever has room."""
    return after_action(call("release_ticket", agent_id=g.agent["id"], number=number))


@bp.post(f"{TICKET}/spam")
@for_people_with("answer")
def mark_spam(number: int) -> ResponseReturnValue:
    """Close a ticket as spam; who may ban bans its browser for a day. The page goes on as after `close`."""
    marked: MarkedSpam = call("mark_spam", agent_id=g.agent["id"], number=number)
    if not from_htmx():
        return to_desk(number)
    return go_on(marked, "spam_banned" if marked["banned"] else "spam")


@bp.post(f"{TICKET}/bans")
@for_people_with("ban")
def ban(number: int) -> ResponseReturnValue:
    """Ban the customer of a ticket: `what` is 'browser' or 'network'; `days` is how long, empty for good."""
    reason = clean_line(request.form.get("reason", "")[: 4 * REASON_CHARACTERS])[:REASON_CHARACTERS]
    ticket = call(
        "ban_customer",
        agent_id=g.agent["id"],
        number=number,
        what=request.form.get("what", "")[:32],
        days=_days(),
        reason=reason,
    )
    return after_action(ticket)


def _days() -> int | None:
    """Return for how many days a ban is to last; None for good, which only an empty field says."""
    if request.form.get("days") == "":
        return None
    days = whole_number("days")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("days_out_of_range")
    return days
