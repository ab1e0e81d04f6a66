"""What a saved reply leaves open, like `{{customer.first_name|there}}`, and what a ticket fills it with."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..database import Invalid
from ..database.rows import TicketReplies
from ..rendering.filters import first_name
from ..web.forms import message_text

# Only names of ours: whoever writes about templates has braces of their own.
VARIABLE = re.compile(r"\{\{[ \t]*((?:customer|ticket|agent|desk)\.[a-z_]{1,30})[ \t]*(?:\|([^{}|\n]{0,80}))?\}\}")
NAMES = ("customer.first_name", "customer.name", "ticket.number", "agent.first_name", "agent.name", "desk.name")
MOST_NAMED = 3


def values_of(found: TicketReplies, agent_name: str) -> dict[str, str]:
    """Return the value of each variable in a ticket; '' for one that is not known."""
    customer = found["customer_name"] or ""
    return {
        "customer.first_name": first_name(customer) if customer else "",
        "customer.name": customer,
        "ticket.number": str(found["number"]),
        "agent.first_name": first_name(agent_name),
        "agent.name": agent_name,
        "desk.name": found["desk_name"] or "",
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables filled in, once: what a value has between braces is no variable.

    One without a value gets what stands behind the bar; without that it stays as it is.
    """
    return VARIABLE.sub(lambda variable: _value(variable, values), text)


def _value(variable: re.Match[str], values: Mapping[str, str]) -> str:
    value = values.get(variable[1], "")
    if value and "{{" not in value:
        return value
    return variable[0] if variable[2] is None else variable[2].strip()


def unfilled(text: str) -> list[str]:
    """Return the variables in a text, each once, as they are written there."""
    return list(dict.fromkeys(variable[0] for variable in VARIABLE.finditer(text)))


def written_text() -> str:
    """Return the text of the message that an agent has sent.

    :raise Invalid: when a variable in it is still open, or it is far too long.
    """
    text = message_text()
    if left := unfilled(text):
        raise Invalid("variables_unfilled", ", ".join(left[:MOST_NAMED]))
    return text
