"""Why a ticket waits, and why somebody was given it: the codes that SQL writes (`unassigned_reason`), in words."""

from __future__ import annotations

from flask_babel import lazy_gettext

from ..database.rows import Reason
from .languages import gettext, ngettext

REASONS = {
    "least_loaded": lazy_gettext("fewest open tickets"),
    "knows_customer": lazy_gettext("knows the customer"),
    "no_agents": lazy_gettext("there are no agents yet"),
    "nobody_here": lazy_gettext("no agents online"),
    "everybody_away": lazy_gettext("all agents are away"),
    "everybody_full": lazy_gettext("all agents are at their limit"),
    "nobody_else": lazy_gettext("returned to the queue, no one else has room"),
    "about_to_be_assigned": lazy_gettext("an agent has room"),
    "held_link": lazy_gettext("held: has a link"),
    "held_spam": lazy_gettext("held: wrote again after spam"),
}


def reason(code: str | None) -> str:
    """Write why a ticket was given to somebody, or to nobody."""
    return str(REASONS.get(code, code.replace("_", " "))) if code else ""


def why_held(held: str) -> str:
    """Write why a ticket is held, as a sentence of its own."""
    return gettext("Held: wrote again after spam") if held == "spam" else gettext("Held: has a link")


def reason_for_customer(code: str | None) -> str:
    """Write for the customer why nobody replies yet."""
    if code == "everybody_full":
        return gettext("All our agents are busy right now. You’re in line, and your message is saved.")
    if code and code.startswith("held_"):
        return gettext("Your message is saved, and we’ll reply here.")
    return gettext("No one is online right now. Your message is saved, and we’ll reply here.")


def has_room(figures: Reason) -> bool:
    """Whether an agent can take a waiting ticket at once: the figures of `unassigned_reason`."""
    return figures["code"] == "about_to_be_assigned"


def taken(load: int, most: int) -> str:
    """Write how many tickets an agent has of those that they take, also when it is more than that."""
    if load > most:
        return ngettext(
            "%(load)s of %(num)s ticket, no new ones for now",
            "%(load)s of %(num)s tickets, no new ones for now",
            most,
            load=load,
        )
    return ngettext("%(load)s of %(num)s ticket", "%(load)s of %(num)s tickets", most, load=load)


def why_unassigned(figures: Reason) -> str:
    """Write why nobody takes the tickets that wait: the figures of `unassigned_reason`."""
    match figures["code"]:
        case "everybody_away":
            return _all_away(figures["here"], are_all=figures["here"] == figures["agents"])
        case "everybody_full":
            return _all_full(figures["available"], are_all=figures["available"] == figures["agents"])
    return reason(figures["code"])


def _all_away(count: int, *, are_all: bool) -> str:
    if count == 2:
        return gettext("both agents are away") if are_all else gettext("both online agents are away")
    if are_all:
        return ngettext("the only agent is away", "all %(num)s agents are away", count)
    return ngettext("the only online agent is away", "all %(num)s online agents are away", count)


def _all_full(count: int, *, are_all: bool) -> str:
    if count == 2:
        return (
            gettext("both agents are at their limit")
            if are_all
            else gettext("both available agents are at their limit")
        )
    if are_all:
        return ngettext("the only agent is at the limit", "all %(num)s agents are at their limit", count)
    return ngettext(
        "the only available agent is at the limit", "all %(num)s available agents are at their limit", count
    )


def what_helps(figures: Reason) -> str:
    """Write what an admin can do so that new chats need not wait: the figures of `unassigned_reason`."""
    match figures["code"]:
        case "no_agents":
            return gettext("Create one: %(command)s", command=".venv/bin/flask --app wsgi create-agent")
        case "everybody_full":
            return gettext("New chats wait until a ticket is closed or another agent opens /agent.")
    return gettext("New chats wait until an agent opens /agent and is available.")


def capacity(figures: Reason) -> str:
    """Write how many agents take new tickets, and how much room they have: the figures of `unassigned_reason`."""
    available = ngettext(
        "%(available)s of %(num)s agent available",
        "%(available)s of %(num)s agents available",
        figures["agents"],
        available=figures["available"],
    )
    if figures["code"] == "everybody_full":
        limit = ngettext("at the limit", "at their limit", figures["available"])
        return f"{available} · {limit}"
    # Somebody may have taken over more than they are given, while another one has room.
    has_sum = figures["places"] > 0 and figures["load"] <= figures["places"]
    return f"{available} · {taken(figures['load'], figures['places'])}" if has_sum else available
