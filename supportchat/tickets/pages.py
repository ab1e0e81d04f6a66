"""What the templates of the queue and of a ticket are given, by the page of the desk and by the fragments alike."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _

from ..database import call
from ..database.batches import is_cut
from ..database.rows import Draft, Line, Message, Note, Queue, QueueAhead, QueueRow, Ticket, TicketLines
from ..realtime.connection import VIEWS
from ..replies.acts import boxes_of
from ..web.forms import new_message_id, whole_number
from .changes import said_of
from .times import CHOICES

PAGE = 50
ROWS = 100
MOST_ROWS = 2000
FIRST_COLLEAGUES = 20  # those that ticket_of_agent() gives

# Of notes, between earlier lines that somebody has asked for: no socket brings the rest.
EARLIER_BATCHES = 5


def queue_values(view: str | None = None) -> dict[str, Any]:
    """Return the queue of the agent who asks, as many rows as the address says. Without a view: their own tickets."""
    view = view if view in VIEWS else "mine"
    limit = min(max(whole_number("rows"), ROWS), MOST_ROWS)
    queue: Queue = call("list_tickets", agent_id=g.agent["id"], view=view, limit=limit)
    return {
        "queue": queue,
        "drafts": {(draft["number"], draft["mode"]): draft["draft"] for draft in queue["drafts"]},
        "draft_acts": {
            draft["number"]: boxes_of(draft["acts"]) for draft in queue["drafts"] if draft["mode"] == "reply"
        },
        "said_drafts": said_drafts(queue["drafts"]),
        "groups": groups_of(queue),
        "view": view,
        "limit": limit,
        "snooze_choices": CHOICES,
        "selected": request.args.get("ticket", ""),
    }


def said_drafts(drafts: list[Draft]) -> list[dict[str, Any]]:
    """Return drafts for the scripts of a page: with the boxes of what is to happen to their tickets."""
    return [{**draft, "acts": boxes_of(draft["acts"])} for draft in drafts]


def groups_of(queue: Queue) -> list[tuple[str, str, list[QueueRow]]]:
    """Return the rows of a queue as the page shows them: groups of name, heading and rows, also those without rows."""
    groups = {name: [row for row in queue["rows"] if _group(row) == name] for name in ("reply", "customer", "snoozed")}
    mentioned = {row["number"] for row in queue["mentioned"]}
    return [
        ("mentioned", _("Mentioned you"), queue["mentioned"]),
        ("reply", _("Needs a reply"), groups["reply"]),
        ("customer", _("Waiting for the customer"), groups["customer"]),
        ("snoozed", _("Snoozed"), groups["snoozed"]),
        ("closed", _("Recently closed"), [row for row in queue["closed"] if row["number"] not in mentioned]),
    ]


def _group(row: QueueRow) -> str:
    if row["snoozed"]:
        return "snoozed"
    return "reply" if row["awaiting_since"] or row["woke_at"] else "customer"


def waiting_ticket(queue: QueueAhead, but: int) -> int | None:
    """Return the number of the agent's own ticket that comes first in their queue, but for one, if it needs a reply."""
    others = [row for row in queue["rows"] if row["number"] != but]
    return next((row["number"] for row in others[:1] if _group(row) == "reply"), None)


def state_values(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket for its head, its composer and the pane of the customer: what a change of its state changes."""
    return {
        "ticket": ticket,
        **_colleagues(ticket),
        "reply_id": new_message_id(),
        "note_id": new_message_id(),
        "agent": g.agent,
        "said": said_of(ticket, g.agent),
        "snooze_choices": CHOICES,
    }


def _colleagues(ticket: Ticket) -> dict[str, Any]:
    """Return who could take a ticket over: the first of them, or all where the address says so."""
    if ticket["colleagues"] is not None and request.args.get("colleagues") == "all":
        return {"colleagues": call("list_agents")}
    return {"colleagues": ticket["colleagues"], "has_more": len(ticket["colleagues"] or ()) == FIRST_COLLEAGUES}


def ticket_values(number: int) -> dict[str, Any]:
    """Return a ticket for the pane of the conversation and that of the customer, with its latest lines.

    Where the address says so, with those before a seq (the way back without scripts), or around one (`at`).
    """
    at = whole_number("at")
    before = whole_number("before") or (at + PAGE // 2 if at else None)
    shown: TicketLines = call("show_ticket", agent_id=g.agent["id"], number=number, before=before, limit=PAGE)
    ticket, notes = shown["ticket"], shown["notes"]
    return {
        **state_values(ticket),
        "timeline": timeline(shown["messages"], notes),
        # After which note the page's socket goes on: the last one, or that with which the batch ended.
        "last_note_no": notes[-1]["note_no"] if is_cut(notes) else ticket["last_note_no"],
        "is_latest": before is None
        or shown["messages"][-1:] == []
        or shown["messages"][-1]["seq"] == ticket["last_seq"],
        **earlier_links(number),
    }


def earlier_links(number: int) -> dict[str, str]:
    """Return where lines before the shown ones come from."""
    return {
        "earlier_page": url_for("agents.desk", ticket=number),
        "earlier_lines": url_for("tickets.messages", number=number),
    }


def earlier_lines(number: int, before: int) -> tuple[list[Message], list[Line]]:
    """Return the messages of a ticket before a seq; and with the notes between them, up to so many batches."""
    shown: TicketLines = call("show_ticket", agent_id=g.agent["id"], number=number, before=before, limit=PAGE)
    rows, notes = shown["messages"], shown["notes"]
    batch = notes
    batches = 1
    while is_cut(batch) and batches < EARLIER_BATCHES:
        batches += 1
        batch = call(
            "notes_after",
            session_id=shown["ticket"]["session_id"],
            after=notes[-1]["note_no"],
            from_seq=rows[0]["seq"] if rows[0]["seq"] > 1 else 0,
            to_seq=rows[-1]["seq"],
        )
        notes += batch
    return rows, timeline(rows, notes)


def timeline(rows: list[Message], notes: list[Note]) -> list[Line]:
    """Put each note after the message that was the last one when it was written."""
    return sorted([*rows, *notes], key=_place)


def _place(row: Line) -> tuple[int, int]:
    return (row["after_seq"], row["note_no"]) if "note_no" in row else (row["seq"], 0)
