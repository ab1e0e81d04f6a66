"""What the page says after a reply was saved."""

from __future__ import annotations

from flask import g, request

from ..database import call
from ..database.rows import SavedReply


def just_saved() -> SavedReply | None:
    """Return the reply that the address says was `saved`; None where it says nothing, or there is no such reply."""
    named = request.args.get("saved")
    replies: list[SavedReply] = call("list_replies", agent_id=g.agent["id"]) if named else []
    return next((reply for reply in replies if reply["id"] == named), None)
