"""What has become of a ticket, in words for the agent who looks at it: who ended it, and who took it from them."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

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
        return _("This ticket is closed.")
    if last["actor"] == "customer":
        return _("The customer ended this chat.")
    if _is(last["agent"], agent):
        return _("You closed this ticket.")
    return _("%(agent)s closed this ticket.", agent=_name(last["agent"]))


def _lost(states: list[Row], agent: Row) -> str | None:
    """Return how an agent lost a ticket that was theirs until the last change; None when they did it, or had it not."""
    last = states[-1] if states else {}
    before = states[-2] if len(states) > 1 else {}
    if last.get("event") == "assigned" and "from" not in last["detail"] and before.get("event") == "returned":
        lost = _lost(states[:-1], agent)
        return lost and f"{lost} {_('%(agent)s has it now.', agent=_name(last['detail'].get('agent')))}"
    if not last or not _is(last["detail"].get("from"), agent) or _is(last["agent"], agent):
        return None
    if last["event"] == "returned":
        return _("This ticket went back to the queue while you were offline.")
    assignee = last["detail"].get("agent")
    if last["detail"].get("reason") == "handed_over":
        return _(
            "%(agent)s handed this ticket over to %(colleague)s.",
            agent=_name(last["agent"]),
            colleague=_name(assignee, _("another agent")),
        )
    return _("%(agent)s took over this ticket.", agent=_name(assignee))


def _is(person: Row | None, agent: Row) -> bool:
    return bool((person or {}).get("id") == agent["id"])


def _name(person: Row | None, otherwise: str = "") -> str:
    return first_name((person or {}).get("name"), otherwise or _("An agent"))
