"""The saved replies of who asks, and the one that was saved just now."""

from __future__ import annotations

from flask import g, request

from ..database import call
from ..database.rows import SavedReply


def replies_of_agent() -> list[SavedReply]:
    """Return the replies that the agent who asks can use."""
    found: list[SavedReply] = call("list_replies", agent_id=g.agent["id"])
    return found


def just_saved(replies: list[SavedReply] | None = None) -> SavedReply | None:
    """Return the reply that the address says was `saved`; None where it says nothing, or there is no such reply.

    :param replies: those of the agent, where the page has read them already.
    """
    named = request.args.get("saved")
    if not named:
        return None
    known = replies_of_agent() if replies is None else replies
    return next((reply for reply in known if reply["id"] == named), None)
