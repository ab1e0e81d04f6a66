"""The page on which admins say how a site names its customers, and the card of a customer at the desk."""

from __future__ import annotations

import secrets
import uuid

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..config import current_config
from ..database import Conflict, NotFound, call
from ..database.rows import SiteIdentity
from ..web.errors import described
from ..web.policies import for_people_with
from ..web.sentences import sentence
from .card import Cards
from .forms import IdentityForm

IDENTITY = "/sites/<key>/identity"

bp = Blueprint("identity", __name__)


@bp.get(IDENTITY)
@for_people_with("manage_desk")
def show(key: str) -> ResponseReturnValue:
    """Show how a site names its customers."""
    identity = _identity(key)
    return _page(identity, IdentityForm.of(identity), is_saved="saved" in request.args)


@bp.post(IDENTITY)
@for_people_with("manage_desk")
def change(key: str) -> ResponseReturnValue:
    """Change how a site names its customers."""
    identity, form = _identity(key), IdentityForm(request.form)
    if not form.validate():
        return _page(identity, form), 422
    call("change_identity", agent_id=g.agent["id"], key=key, values=form.values)
    return redirect(url_for("identity.show", key=key, saved=""), 303)


@bp.post(f"{IDENTITY}/secrets")
@for_people_with("manage_desk")
def add_secret(key: str) -> ResponseReturnValue:
    """Make another secret for a site, and show it this once."""
    secret = secrets.token_urlsafe(32)
    try:
        call("add_site_secret", agent_id=g.agent["id"], key=key, secret=secret)
    except Conflict as error:
        status, code, detail = described(error)
        identity = _identity(key)
        return _page(identity, IdentityForm.of(identity), error=sentence(code, detail)), status
    identity = _identity(key)
    return _page(identity, IdentityForm.of(identity), secret=secret)


@bp.post(f"{IDENTITY}/secrets/<uuid:secret_id>/delete")
@for_people_with("manage_desk")
def delete_secret(key: str, secret_id: uuid.UUID) -> ResponseReturnValue:
    """Take a secret away: what it has signed counts no more."""
    call("delete_site_secret", agent_id=g.agent["id"], key=key, secret_id=str(secret_id))
    return redirect(url_for("identity.show", key=key), 303)


@bp.get("/tickets/<int(max=999999999):number>/card")
@for_people_with("answer")
def card(number: int) -> ResponseReturnValue:
    """Show what the shop's own tables tell of a ticket's customer."""
    cards: Cards = current_app.extensions["cards"]
    found = cards.get(g.agent["id"], number)
    return render_template("tickets/_card.html", card=found, number=number)


def _identity(key: str) -> SiteIdentity:
    found: SiteIdentity | None = call("show_identity", agent_id=g.agent["id"], key=key)
    if found is None:
        raise NotFound("site_not_found")
    return found


def _page(
    identity: SiteIdentity, form: IdentityForm, *, secret: str = "", error: str = "", is_saved: bool = False
) -> str:
    return render_template(
        "identity/show.html",
        agent=g.agent,
        identity=identity,
        form=form,
        secret=secret,
        error=error,
        is_saved=is_saved,
        address=current_config().address,
    )
