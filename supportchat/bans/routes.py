"""The page that lists bans and spam, and where admins say which first messages are held."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from ..database import call
from ..database.rows import Bans
from ..web.htmx import from_htmx
from ..web.policies import for_people_with

bp = Blueprint("bans", __name__)


@bp.get("/bans")
@for_people_with("ban")
def index() -> ResponseReturnValue:
    """Show who is banned, and what was closed as spam."""
    return _page()


@bp.post("/bans/<uuid:ban_id>/delete")
@for_people_with("ban")
def end(ban_id: uuid.UUID) -> ResponseReturnValue:
    """End a ban."""
    call("end_ban", agent_id=g.agent["id"], ban_id=str(ban_id))
    return _done(_("The ban has ended."))


@bp.post("/bans/holding")
@for_people_with("manage_desk")
def hold_links() -> ResponseReturnValue:
    """Say whether first messages with links wait for somebody to release them."""
    holds = "on" if request.form.get("hold_links") == "on" else "off"
    call("change_settings", agent_id=g.agent["id"], values={"hold_links": holds})
    return _done()


def _done(said: str = "") -> ResponseReturnValue:
    return _page(said=said) if from_htmx() else redirect(url_for("bans.index"), 303)


def _page(**values: Any) -> str:
    listed: Bans = call("list_bans", agent_id=g.agent["id"])
    name = "bans/_bans.html" if from_htmx() else "bans/show.html"
    return render_template(name, agent=g.agent, listed=listed, **values)
