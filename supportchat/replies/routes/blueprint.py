"""The blueprint that the routes of saved replies share, and what they load."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template

from ...database import NotFound, call
from ...database.rows import SavedReply
from ..saved import just_saved, replies_of_agent

bp = Blueprint("replies", __name__)


def list_page(**values: Any) -> str:
    """Render the page of saved replies, for those who may also with what is set for the whole desk."""
    if "manage_desk" in g.agent["rights"]:
        values["held_seconds"] = call("show_settings", agent_id=g.agent["id"])["undo_send_seconds"]
    replies = replies_of_agent()
    return render_template("replies/index.html", agent=g.agent, replies=replies, saved=just_saved(replies), **values)


def reply_for(reply_id: object) -> SavedReply:
    """Return a reply that the agent who asks can use.

    :raise NotFound: when there is none.
    """
    found = next((reply for reply in replies_of_agent() if reply["id"] == str(reply_id)), None)
    if found is None:
        raise NotFound("reply_not_found")
    return found
