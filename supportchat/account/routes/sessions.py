"""Where an agent is logged in."""

from __future__ import annotations

import uuid

from flask import g, redirect, url_for
from flask.typing import ResponseReturnValue

from ...agents.logins import agent_token_hash
from ...database import call
from ...images import notices
from ...web.policies import for_people
from .blueprint import bp


@bp.post("/account/sessions/delete")
@for_people
def end_other_sessions() -> ResponseReturnValue:
    """Log an agent out everywhere else."""
    call("end_agent_sessions", agent_id=g.agent["id"], token_hash=agent_token_hash())
    notices.say("logins_ended")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/sessions/<uuid:session_id>/delete")
@for_people
def end_session(session_id: uuid.UUID) -> ResponseReturnValue:
    """Log an agent out in one other browser."""
    call("end_agent_sessions", agent_id=g.agent["id"], token_hash=agent_token_hash(), session_id=str(session_id))
    notices.say("login_ended")
    return redirect(url_for("account.show"), 303)
