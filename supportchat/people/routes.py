"""The page on which admins invite, change and disable people."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from wtforms import Form

from ..agents.forms import InvitationForm, PersonForm
from ..config import current_config
from ..database import Conflict, DatabaseError, Invalid, NotFound, call
from ..database.rows import Agent, Disabled, Enabled, MadeLink, People
from ..web import compression
from ..web.cookies import token_hash
from ..web.errors import described, on_refusal
from ..web.htmx import from_htmx
from ..web.policies import for_people_with
from ..web.redirects import to_desk
from ..web.sentences import sentence

PERSON = "/people/<uuid:person_id>"

bp = Blueprint("people", __name__)


@bp.get("/people")
@for_people_with("manage_people")
def index() -> ResponseReturnValue:
    """Show who is on the team, and who was invited."""
    return _page()


@bp.post("/people/invitations")
@for_people_with("manage_people")
def invite() -> ResponseReturnValue:
    """Invite somebody, and show the link once."""
    form = InvitationForm(request.form)
    if not form.validate():
        return _page(error=_first_error(form)), 422
    email = form.email.data or ""
    had_one = any(invited["email"].lower() == email.lower() for invited in _team()["invited"])
    said = _("%(email)s already had an invitation. Its link no longer works.", email=email) if had_one else ""
    return _with_link("invite_person", "invitation", said=said, email=email, role=form.role.data or "agent")


@bp.post("/people/invitations/<uuid:link_id>")
@for_people_with("manage_people")
def renew(link_id: uuid.UUID) -> ResponseReturnValue:
    """Replace the link of an invitation, and show the new one once."""
    return _with_link("renew_invitation", "invitation", link_id=str(link_id))


@bp.post("/people/links/<uuid:link_id>/delete")
@for_people_with("manage_people")
def withdraw(link_id: uuid.UUID) -> ResponseReturnValue:
    """Withdraw an invitation, or a link for a password."""
    call("withdraw_link", agent_id=g.agent["id"], link_id=str(link_id))
    return _done(_("The link no longer works."))


@bp.post(PERSON)
@for_people_with("manage_people")
def change(person_id: uuid.UUID) -> ResponseReturnValue:
    """Change somebody's role, or their name and limit."""
    who = {"agent_id": g.agent["id"], "person_id": str(person_id)}
    if "role" in request.form:
        changed: Agent = call("change_person", **who, role=request.form["role"][:32])
        return (
            to_desk()
            if changed["id"] == g.agent["id"] and "manage_people" not in changed["rights"]
            else _done(_("Saved."))
        )
    form = PersonForm(request.form)
    if not form.validate():
        return _page(error=_first_error(form)), 422
    call("change_person", **who, name=form.name.data, max_tickets=int(form.max_tickets.data or 0))
    return _done(_("Saved."))


@bp.post(f"{PERSON}/password")
@for_people_with("manage_people")
def make_password_link(person_id: uuid.UUID) -> ResponseReturnValue:
    """Make a link with which somebody sets a new password, and show it once."""
    return _with_link("make_password_link", "password", person_id=str(person_id))


@bp.post(f"{PERSON}/access/delete")
@for_people_with("manage_people")
def disable(person_id: uuid.UUID) -> ResponseReturnValue:
    """Log somebody out everywhere, for good, and return their tickets to the queue."""
    done: Disabled = call("disable_person", agent_id=g.agent["id"], person_id=str(person_id))
    if not done["returned"]:
        return _done(_("%(person)s can no longer log in.", person=done["name"]))
    return _done(
        ngettext(
            "%(person)s can no longer log in. %(num)s ticket went back to the queue.",
            "%(person)s can no longer log in. %(num)s tickets went back to the queue.",
            done["returned"],
            person=done["name"],
        )
    )


@bp.post(f"{PERSON}/access")
@for_people_with("manage_people")
def enable(person_id: uuid.UUID) -> ResponseReturnValue:
    """Let somebody log in again."""
    done: Enabled = call("enable_person", agent_id=g.agent["id"], person_id=str(person_id))
    if done["has_way_in"]:
        return _done(_("%(person)s can log in again.", person=done["name"]))
    return _done(_("%(person)s needs a new password. Create a link for it below.", person=done["name"]))


@bp.post(f"{PERSON}/two-factor/delete")
@for_people_with("manage_people")
def remove_two_factor(person_id: uuid.UUID) -> ResponseReturnValue:
    """Turn two-factor off for somebody who has lost their phone, and log them out everywhere."""
    name = call("remove_two_factor", agent_id=g.agent["id"], person_id=str(person_id))
    return _done(_("%(person)s can now log in with just the password.", person=name))


@bp.post("/people/two-factor")
@for_people_with("manage_desk")
def require_two_factor() -> ResponseReturnValue:
    """Say who has to have two-factor, and ask once if somebody has to set it up then."""
    required = request.form.get("required", "")[:32]
    if required in ("admins", "everyone") and "sure" not in request.form:
        team = _team()
        if more := _without_two_factor(team, required) - _without_two_factor(team, team["two_factor_required"]):
            return _page(asked={"required": required, "people": len(more)})
    call("change_settings", agent_id=g.agent["id"], values={"two_factor_required": required})
    return _done(_("Saved."))


@bp.errorhandler(Conflict)
@bp.errorhandler(Invalid)
@bp.errorhandler(NotFound)
def on_refused(error: DatabaseError) -> ResponseReturnValue:
    """Show the page as it is now, with the reason where it belongs and what was typed."""
    if error.code == "page_of_another":
        return on_refusal(error)
    status, code, detail = described(error)
    return _page(error=sentence(code, detail)), status


def _with_link(function: str, kind: str, *, said: str = "", **arguments: Any) -> ResponseReturnValue:
    """Make a link and show it. Nothing can show it again: the database has a hash of it."""
    token = secrets.token_urlsafe(32)
    made: MadeLink = call(function, agent_id=g.agent["id"], token_hash=token_hash(token), **arguments)
    compression.leave_out()
    path, config = url_for("links.show", token=token), current_config()
    # Without PUBLIC_URL only the browser knows by which address others reach the desk: its script completes the path.
    shown = {"kind": kind, "address": config.address + path, "path": "" if config.public_url else path}
    return _page(made={**made, **shown}, said=said)


def _done(said: str = "") -> ResponseReturnValue:
    return _page(said=said) if from_htmx() else redirect(url_for("people.index"), 303)


def _first_error(form: Form) -> str:
    return str(next(problem for field in form for problem in field.errors))


def _page(*, error: str = "", **values: Any) -> str:
    return render_template(
        "people/_people.html" if from_htmx() else "people/show.html",
        agent=g.agent,
        **_team(),
        error=error,
        about=_about(),
        typed=request.form if error else {},
        **values,
    )


def _team() -> People:
    team: People = call("list_people", agent_id=g.agent["id"])
    return team


def _without_two_factor(team: People, required: str) -> set[str]:
    """Return the ids of those who have to set two-factor up under such a rule."""
    return {
        person["id"]
        for person in team["people"]
        if person["is_active"] and person["has_password"] and not person["has_two_factor"]
        if required == "everyone" or (required == "admins" and person["role"] == "admin")
    }


def _about() -> str:
    """Return what was done something to: the id of a person or link, or 'invite'."""
    return str(next(iter((request.view_args or {}).values()), "invite"))
