"""The password, and how good a new one is."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from ...agents import logins
from ...agents.passwords import hash_password
from ...agents.strength import shown_strength, strength_of
from ...database import TooFast, call
from ...images import notices
from ...web import limits
from ...web.errors import described
from ...web.policies import for_people
from ...web.sentences import sentence
from ..forms import PasswordForm
from .blueprint import bp


@bp.get("/account/password")
@for_people
def password() -> ResponseReturnValue:
    """Show the form for another password."""
    return _form(PasswordForm())


@bp.post("/account/password")
@for_people
def change_password() -> ResponseReturnValue:
    """Give an agent another password, and end their other logins."""
    form = PasswordForm(request.form)
    if not form.validate():
        return _form(form), 422
    new = form.password.data or ""
    if problem := strength_of(new, g.agent["name"], g.agent["email"] or "").problem:
        form.password.errors = (sentence(problem),)
        return _form(form), 422
    try:
        known = logins.checked(g.agent["email"], form.current.data or "")
    except TooFast as error:
        status, code, detail = described(error)
        return _form(form, error=sentence(code, detail)), status
    if known is None:
        form.current.errors = (sentence("password_wrong"),)
        form.password.errors = (_("Enter the new password again as well."),)
        return _form(form), 422
    call(
        "change_password",
        agent_id=g.agent["id"],
        password_hash=hash_password(new),
        token_hash=logins.agent_token_hash(),
        browser=logins.known_browser(),
    )
    notices.say("password_changed")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/password/strength")
@for_people
def show_strength() -> ResponseReturnValue:
    """Say how good a password is while it is typed."""
    limits.check("typing", f"strength/{logins.agent_token_hash()}")
    return shown_strength(request.form.get("password", ""), g.agent["name"], g.agent["email"] or "")


def _form(form: PasswordForm, error: str = "") -> str:
    return render_template("account/password.html", agent=g.agent, form=form, error=error)
