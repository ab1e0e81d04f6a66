"""The messages of a ticket's conversation, with the notes between them."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.batches import is_cut
from ...database.rows import RepliedAndActed, TicketLines
from ...realtime.hub import current_hub
from ...rendering.fragments import current_fragments, joined, partial
from ...replies.acts import typed_acts
from ...replies.variables import written_text
from ...web import limits, posting
from ...web.forms import whole_number
from ...web.htmx import from_htmx
from ...web.policies import for_people_with
from ..pages import earlier_lines, earlier_links
from .blueprint import TICKET, bp, to_desk
from .closure import go_on
from .drafts import forget_draft
from .held import ACCEPTED, hold


@bp.get(f"{TICKET}/messages")
@for_people_with("answer")
def messages(number: int) -> ResponseReturnValue:
    """Return the lines after a seq, notes among them; or those before one, with the link to more."""
    before = whole_number("before")
    return _before(number, before) if before else _after(number)


def _before(number: int, before: int) -> ResponseReturnValue:
    rows, shown = earlier_lines(number, before)
    earlier = render_template("shared/_earlier.html", rows=rows, **earlier_links(number))
    return joined(current_fragments().lines(number, shown), partial(earlier, "#earlier", "innerMorph"))


def _after(number: int) -> ResponseReturnValue:
    after, after_note = whole_number("after"), whole_number("after_note")
    news: TicketLines = call("follow_ticket", agent_id=g.agent["id"], number=number, after=after, after_note=after_note)
    ticket, rows, notes = news["ticket"], news["messages"], news["notes"]
    fragments = current_fragments()
    here = partial(render_template("tickets/_customer_here.html", ticket=ticket), f"#customer-here-{number}")
    has_more = is_cut(rows) or is_cut(notes)
    header = {"HX-Trigger": fragments.state_header("agent", ticket, request.args.get("epoch"), has_more)}
    return joined(fragments.lines(number, [*rows, *notes]), here), header


@bp.post(f"{TICKET}/messages")
@for_people_with("answer")
def reply(number: int) -> ResponseReturnValue:
    """Send a reply to the customer, and do with the ticket what the form says then."""
    agent_id = g.agent["id"]
    limits.check("messages", agent_id)
    after = typed_acts()
    answer: RepliedAndActed = posting.store_message(
        "reply_and_act" if after else "post_reply",
        written_text(),
        agent_id,
        agent_id=agent_id,
        number=number,
        seen=whole_number("seen") or None,
        may_hold=from_htmx(),
        **after,
    )
    current_hub().offer(answer)
    if not from_htmx():
        forget_draft(number, "reply")
        return to_desk(number)
    if not answer["messages"]:
        return hold(number, answer, goes_on="then" in after)
    if went := answer.get("went"):
        content, headers = go_on(went, "snoozed" if went["ticket"]["snoozed"] else "closed")
        return content, headers | ACCEPTED
    return current_fragments().lines(number, answer["messages"])
