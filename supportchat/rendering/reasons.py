"""Why a ticket waits, and why somebody was given it: the codes that SQL writes (`unassigned_reason`), in words."""

from __future__ import annotations

from ..database.rows import Reason

REASONS = {
    "least_loaded": "fewest open tickets",
    "knows_customer": "knows the customer",
    "no_agents": "there are no agents yet",
    "nobody_here": "no agents online",
    "everybody_away": "all agents are away",
    "everybody_full": "all agents are at their limit",
    "nobody_else": "returned to the queue, no one else has room",
    "about_to_be_assigned": "an agent has room",
}
BUSY = "All our agents are busy right now. You’re in line, and your message is saved."
NOBODY = "No one is online right now. Your message is saved, and we’ll reply here."


def reason(code: str | None) -> str:
    """Write why a ticket was given to somebody, or to nobody."""
    return REASONS.get(code, code.replace("_", " ")) if code else ""


def reason_for_customer(code: str | None) -> str:
    """Write for the customer why nobody replies yet."""
    return BUSY if code == "everybody_full" else NOBODY


def has_room(figures: Reason) -> bool:
    """Whether an agent can take a waiting ticket at once: the figures of `unassigned_reason`."""
    return figures["code"] == "about_to_be_assigned"


def why_unassigned(figures: Reason) -> str:
    """Write why nobody takes the tickets that wait: the figures of `unassigned_reason`."""
    match figures["code"]:
        case "everybody_away":
            return f"{_all_of(figures['here'], figures['agents'], 'online')} away"
        case "everybody_full":
            at_limit = "at the limit" if figures["available"] == 1 else "at their limit"
            return f"{_all_of(figures['available'], figures['agents'], 'available')} {at_limit}"
    return reason(figures["code"])


def what_helps(figures: Reason) -> str:
    """Write what an admin can do so that new chats need not wait: the figures of `unassigned_reason`."""
    match figures["code"]:
        case "no_agents":
            return "Create one: .venv/bin/flask --app wsgi create-agent"
        case "everybody_full":
            return "New chats wait until a ticket is closed, or another agent opens /agent."
    return "New chats wait until an agent opens /agent and is available."


def taken(load: int, most: int) -> str:
    """Write how many tickets an agent has of those that they take, also when it is more than that."""
    return f"{load} of {most} tickets" + (", no new ones for now" if load > most else "")


def capacity(figures: Reason) -> str:
    """Write how many agents take new tickets, and how much room they have: the figures of `unassigned_reason`."""
    available = f"{figures['available']} of {figures['agents']} agent{'' if figures['agents'] == 1 else 's'} available"
    if figures["code"] == "everybody_full":
        return f"{available}, at {'the' if figures['available'] == 1 else 'their'} limit"
    # Somebody may have taken over more than they are given, while another one has room.
    has_sum = figures["places"] > 0 and figures["load"] <= figures["places"]
    return available + (f", {figures['load']} of {figures['places']} places taken" if has_sum else "")


def _all_of(count: int, agents: int, which: str) -> str:
    noun = "agent" if count == agents else f"{which} agent"
    return f"the only {noun} is" if count == 1 else f"{'both' if count == 2 else f'all {count}'} {noun}s are"
