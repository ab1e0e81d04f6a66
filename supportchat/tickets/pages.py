"""What the templates of the queue and of a ticket are given, by the page of the desk and by the fragments alike."""

from __future__ import annotations

from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _

from ..database import call
from ..database.batches import is_cut
from ..web.forms import new_message_id, whole_number
from .changes import said_of

VIEWS = ("mine", "unassigned", "all")
PAGE = 50
ROWS = 100
MOST_ROWS = 2000

# Of notes, between earlier lines that somebody has asked for: no socket brings the rest.
EARLIER_BATCHES = 5

Ticket = dict[str, Any]
Line = dict[str, Any]


def queue_values(view: str | None = None) -> dict[str, Any]:
    """Return the queue of the agent who asks, as many rows as the address says. Without a view: their own tickets."""
    view = view if view in VIEWS else "mine"
    limit = min(max(whole_number("rows"), ROWS), MOST_ROWS)
    queue = call("list_tickets", agent_id=g.agent["id"], view=view, limit=limit)
    return {
        "queue": queue,
        "groups": groups_of(queue),
        "view": view,
        "limit": limit,
        "selected": request.args.get("ticket", ""),
    }


def groups_of(queue: dict[str, Any]) -> list[tuple[str, str, list[Ticket]]]:
    """Return the rows of a queue as the page shows them: groups of name, heading and rows, without empty ones."""
    groups = [
        ("reply", _("Needs a reply"), [row for row in queue["rows"] if row["awaiting_since"]]),
        ("customer", _("Waiting for the customer"), [row for row in queue["rows"] if not row["awaiting_since"]]),
        ("closed", _("Recently closed"), queue["closed"]),
    ]
    return [group for group in groups if group[2]]


def next_ticket() -> tuple[int | None, dict[str, int]]:
    """Return the number of the agent's own ticket that has waited longest for a reply, if any does, and the counts."""
    queue = call("list_tickets", agent_id=g.agent["id"], view="mine", limit=1)
    waiting = [row["number"] for row in queue["rows"] if row["awaiting_since"]]
    return (waiting[0] if waiting else None), queue["counts"]


def ticket_for(number: int) -> Ticket:
    """Return a ticket as the agent who asks may see it.

    :raise NotFound: when there is none of this number.
    """
    ticket: Ticket = call("ticket_of_agent", agent_id=g.agent["id"], number=number)
    return ticket


def ticket_values(number: int) -> dict[str, Any]:
    """Return a ticket for the pane of the conversation and that of the customer, with its latest lines.

    Where the address says so, with those before a seq: the way back without scripts.
    """
    ticket = ticket_for(number)
    before = whole_number("before") or None
    rows = call("messages_before", session_id=ticket["session_id"], before=before, limit=PAGE)
    shown = timeline(ticket, rows)
    return {
        "ticket": ticket,
        "timeline": shown,
        "last_note_no": _last_note_no(ticket, shown),
        "is_latest": before is None,
        "colleagues": call("list_agents"),
        "reply_id": new_message_id(),
        "note_id": new_message_id(),
        "agent": g.agent,
        "said": said_of(ticket, g.agent),
        **earlier_links(number),
    }


def earlier_links(number: int) -> dict[str, str]:
    """Return where lines before the shown ones come from."""
    return {
        "earlier_page": url_for("agents.desk", ticket=number),
        "earlier_lines": url_for("tickets.messages", number=number),
    }


def timeline(ticket: Ticket, rows: list[Line], batches: int = 1) -> list[Line]:
    """Put the notes that were written while these lines were the last ones between them, up to so many batches."""
    if not rows:
        return []
    first, last = rows[0]["seq"], rows[-1]["seq"]
    between = {"session_id": ticket["session_id"], "from_seq": first if first > 1 else 0, "to_seq": last}
    notes: list[Line] = call("notes_after", after=0, **between)
    batch = notes
    while is_cut(batch) and (batches := batches - 1):
        batch = call("notes_after", after=notes[-1]["note_no"], **between)
        notes += batch
    return sorted([*rows, *notes], key=_place)


def _last_note_no(ticket: Ticket, shown: list[Line]) -> int:
    """Return the note after which the page's socket goes on: the last one, or that with which the batch ended."""
    notes = [line for line in shown if "note_no" in line]
    last: int = notes[-1]["note_no"] if is_cut(notes) else ticket["last_note_no"]
    return last


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return (row["after_seq"], row["note_no"]) if "note_no" in row else (row["seq"], 0)
