"""What a saved reply leaves open, like `{{customer.first_name|there}}`, and what a ticket fills it with."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask_babel import gettext

from ..database import Invalid
from ..database.rows import TicketReplies
from ..rendering.filters import first_name
from ..web.forms import message_text

_END = r"[ \t]*(?:\|([^{}|\n]{0,80}))?\}\}"
# Whatever looks like one in a saved reply.
VARIABLE = re.compile(r"\{\{[ \t]*([^\W\d][\w-]{0,29}(?:\.[\w-]{1,30}){1,3})\??" + _END)
# In a message only names of ours, and what a saved reply has brought: agents may write about templates.
_OPEN = re.compile(
    r"\{\{[ \t]*(?:(?:customer|ticket|agent|desk)\.[a-z_]{1,30}|[^\W\d][\w-]{0,29}(?:\.[\w-]{1,30}){1,3}\?)" + _END
)
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

    One without a value gets what stands behind the bar; without that it stays as it is. A name that is none of ours
    gets a question mark, by which it is known as left open by a saved reply, wherever its text goes.
    """
    return VARIABLE.sub(lambda variable: _value(variable, values), text)


def _value(variable: re.Match[str], values: Mapping[str, str]) -> str:
    value = values.get(variable[1], "")
    if value and "{{" not in value:
        return value
    if variable[2] is not None:
        return variable[2].strip()
    return variable[0] if _OPEN.fullmatch(variable[0]) else f"{{{{{variable[1]}?}}}}"


def unfilled(text: str) -> list[str]:
    """Return what is left open in a message, each once, as it is written there."""
    return list(dict.fromkeys(variable[0] for variable in _OPEN.finditer(text)))


def unknown(text: str) -> list[str]:
    """Return the variables in a saved reply with a name that nothing fills in, each once, as they are written there."""
    return list(dict.fromkeys(found[0] for found in VARIABLE.finditer(text) if found[1] not in NAMES))


def problem_with_names(text: str) -> str:
    """Return what is wrong with the names in a saved reply, and which there are; '' for nothing."""
    found = unknown(text)[:MOST_NAMED]
    if not found:
        return ""
    return gettext(
        "Nothing fills in %(unknown)s. The names are: %(names)s.",
        unknown=", ".join(found),
        names=", ".join(NAMES),
    )


def written_text() -> str:
    """Return the text of the message that an agent has sent.

    :raise Invalid: when a variable in it is still open, or it is far too long.
    """
    text = message_text()
    if left := unfilled(text):
        raise Invalid("variables_unfilled", ", ".join(left[:MOST_NAMED]))
    return text
