"""What has become of a ticket, in words for the agent who looks at it: who ended it, and who took it from them."""

from __future__ import annotations

from typing import Any

from ..rendering.filters import first_name

Row = dict[str, Any]
STATES = ("assigned", "returned", "closed")


def said_of(ticket: Row, agent: Row) -> Row:
    """Return what to say of a ticket that this agent cannot reply to: `closed`, who ended it; `lost`, who took it."""
    states = [event for event in ticket["history"] if event["event"] in STATES]
    if ticket["status"] == "closed":
        return {"closed": _closed(states, agent)}
    return {"lost": _lost(states, agent)}


def _closed(states: list[Row], agent: Row) -> str:
    last = states[-1] if states else {}
    if last.get("event") != "closed":
        return "This ticket is closed"
    if last["actor"] == "customer":
        return "The customer ended this chat"
    return f"{'You' if _is(last['agent'], agent) else _name(last['agent'])} closed this ticket"


def _lost(states: list[Row], agent: Row) -> str | None:
    """Return how an agent lost a ticket that was theirs until the last change; None when they did it, or had it not."""
    last = states[-1] if states else {}
    before = states[-2] if len(states) > 1 else {}
    if last.get("event") == "assigned" and "from" not in last["detail"] and before.get("event") == "returned":
        lost = _lost(states[:-1], agent)
        return lost and f"{lost} {_name(last['detail'].get('agent'))} has it now."
    if not last or not _is(last["detail"].get("from"), agent) or _is(last["agent"], agent):
        return None
    if last["event"] == "returned":
        return "This ticket went back to the queue while you were offline."
    assignee = last["detail"].get("agent")
    if last["detail"].get("reason") == "handed_over":
        return f"{_name(last['agent'])} handed this ticket to {_name(assignee, 'another agent')}."
    return f"{_name(assignee)} took over this ticket."


def _is(person: Row | None, agent: Row) -> bool:
    return bool((person or {}).get("id") == agent["id"])


def _name(person: Row | None, otherwise: str = "An agent") -> str:
    return first_name((person or {}).get("name"), otherwise)
