"""The messages of a ticket's conversation, with the notes between them."""

from __future__ import annotations

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.batches import is_cut
from ...database.rows import Message, Note
from ...realtime.hub import current_hub
from ...rendering.fragments import current_fragments, joined, partial
from ...web import limits, posting
from ...web.forms import message_text, new_message_id, whole_number
from ...web.htmx import from_htmx
from ...web.policies import for_agents
from ..pages import EARLIER_BATCHES, PAGE, earlier_links, ticket_for, timeline
from .blueprint import TICKET, bp, lines, to_desk


@bp.get(f"{TICKET}/messages")
@for_agents
def messages(number: int) -> ResponseReturnValue:
    """Return the lines after a seq, notes among them; or those before one, with the link to more."""
    before = whole_number("before")
    return _before(number, before) if before else _after(number)


def _before(number: int, before: int) -> ResponseReturnValue:
    ticket = ticket_for(number)
    rows = call("messages_before", session_id=ticket["session_id"], before=before, limit=PAGE)
    earlier = render_template("shared/_earlier.html", rows=rows, **earlier_links(number))
    return joined(lines(ticket, timeline(ticket, rows, EARLIER_BATCHES)), partial(earlier, "#earlier", "innerMorph"))


def _after(number: int) -> ResponseReturnValue:
    ticket = ticket_for(number)
    rows: list[Message] = call("messages_after", session_id=ticket["session_id"], after=whole_number("after"))
    notes: list[Note] = call("notes_after", session_id=ticket["session_id"], after=whole_number("after_note"))
    here = partial(render_template("tickets/_customer_here.html", ticket=ticket), f"#customer-here-{number}")
    has_more = is_cut(rows) or is_cut(notes)
    header = {"HX-Trigger": current_fragments().state_header("agent", ticket, request.args.get("epoch"), has_more)}
    return joined(lines(ticket, [*rows, *notes]), here), header


@bp.post(f"{TICKET}/messages")
@for_agents
def reply(number: int) -> ResponseReturnValue:
    """Send a reply to the customer."""
    limits.check("messages", g.agent["id"])
    answer = posting.store_message("post_reply", message_text(), g.agent["id"], agent_id=g.agent["id"], number=number)
    current_hub().offer(answer)
    if not from_htmx():
        return to_desk(number)
    ticket = ticket_for(number)
    form = render_template("tickets/_reply_form.html", ticket=ticket, reply_id=new_message_id())
    return joined(lines(ticket, answer["messages"]), partial(form, "#reply", "outerMorph"))
