"""What has become of a ticket, in words for the agent who looks at it: who ended it, and who took it from them."""

from __future__ import annotations

from flask_babel import gettext as _

from ..database.rows import Agent, Person, Ticket, TicketEvent
from ..rendering.filters import first_name

STATES = ("assigned", "returned", "closed")


def said_of(ticket: Ticket, agent: Agent) -> dict[str, str | None]:
    """Return what to say of a ticket that this agent cannot reply to: `closed`, who ended it; `lost`, who took it."""
    states = [event for event in ticket["history"] if event["event"] in STATES]
    if ticket["status"] == "closed":
        return {"closed": _closed(states, agent)}
    return {"lost": _lost(states, agent)}


def _closed(states: list[TicketEvent], agent: Agent) -> str:
    last = states[-1] if states else None
    if last is None or last["event"] != "closed":
        return _("This ticket is closed.")
    if last["actor"] == "customer":
        return _("The customer ended this chat.")
    if last["detail"].get("spam"):
        return _spam(last["agent"], agent)
    if _is(last["agent"], agent):
        return _("You closed this ticket.")
    return _("%(agent)s closed this ticket.", agent=_name(last["agent"]))


def _spam(by: Person | None, agent: Agent) -> str:
    if _is(by, agent):
        return _("You closed this ticket as spam.")
    return _("%(agent)s closed this ticket as spam.", agent=_name(by))


def _lost(states: list[TicketEvent], agent: Agent) -> str | None:
    """Return how an agent lost a ticket that was theirs until the last change; None when they did it, or had it not."""
    if not states:
        return None
    last, before = states[-1], states[-2]["event"] if len(states) > 1 else ""
    if last["event"] == "assigned" and "from" not in last["detail"] and before == "returned":
        lost = _lost(states[:-1], agent)
        has_it = _("%(agent)s has it now.", agent=_name(last["detail"].get("agent")))
        return lost and f"{lost} {has_it}"
    if not _is(last["detail"].get("from"), agent) or _is(last["agent"], agent):
        return None
    if last["event"] == "returned" and last["detail"].get("reason") == "given_back":
        return _("%(agent)s returned this ticket to the queue.", agent=_name(last["agent"]))
    if last["event"] == "returned":
        return _("This ticket went back to the queue while you were offline.")
    assignee = last["detail"].get("agent")
    if last["detail"].get("reason") == "handed_over":
        colleague = first_name(assignee.get("name") if assignee else None)
        return _("%(agent)s handed this ticket over to %(colleague)s.", agent=_name(last["agent"]), colleague=colleague)
    return _("%(agent)s took over this ticket.", agent=_name(assignee))


def _is(person: Person | None, agent: Agent) -> bool:
    return person is not None and person.get("id") == agent["id"]


def _name(person: Person | None) -> str:
    return first_name(person.get("name") if person else None, _("An agent"))
