"""What agents have typed and not sent, for their own other pages."""

from __future__ import annotations

from flask import g, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...replies.acts import kept_acts
from ...web import limits
from ...web.forms import MESSAGE_CHARACTERS, typed_text
from ...web.policies import for_people_with
from ..pages import said_drafts
from .blueprint import TICKET, bp

PAGE_CHARACTERS = 36


@bp.get("/drafts")
@for_people_with("answer")
def drafts() -> ResponseReturnValue:
    """Return the agent's own drafts, for the scripts of their page."""
    return {"drafts": said_drafts(call("drafts_of_agent", agent_id=g.agent["id"]))}


@bp.post(f"{TICKET}/drafts")
@for_people_with("answer")
def save_draft(number: int) -> ResponseReturnValue:
    """Keep what the agent has typed as `mode`, 'reply' or 'note'; `page` is the page that need not be told."""
    limits.check("typing", g.agent["id"])
    saved_at = call(
        "save_draft",
        agent_id=g.agent["id"],
        number=number,
        mode=request.form.get("mode", "")[:8],
        draft=typed_text().replace("\0", "")[: MESSAGE_CHARACTERS + 1],
        page=request.form.get("page", "")[:PAGE_CHARACTERS],
        acts=kept_acts(),
    )
    return {"saved_at": saved_at}


def forget_draft(number: int, mode: str) -> None:
    """Empty a draft whose form was sent without scripts: the box held it, whatever was sent."""
    call("save_draft", agent_id=g.agent["id"], number=number, mode=mode, draft="")
