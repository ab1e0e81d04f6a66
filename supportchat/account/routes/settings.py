"""What admins set for the whole desk."""

from __future__ import annotations

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ...database import call
from ...web.policies import for_people_with
from .blueprint import bp


@bp.post("/account/two-factor/requirement")
@for_people_with("manage_desk")
def require_two_factor() -> ResponseReturnValue:
    """Say who has to have two-factor."""
    required = request.form.get("required", "")[:32]
    call("change_settings", agent_id=g.agent["id"], values={"two_factor_required": required})
    return redirect(url_for("account.show"), 303)
