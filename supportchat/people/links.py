"""One-time links: what each is for, and the form that uses it up. Mail scanners open links: a GET changes nothing."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..agents import logins
from ..agents.entering import enter
from ..agents.forms import EMAIL_CHARACTERS, NAME_CHARACTERS, JoinForm, PasswordForm, SetupForm
from ..agents.passwords import hash_password
from ..agents.strength import shown_strength, strength_of
from ..database import DatabaseError, NotFound, TooFast, call
from ..database.rows import Agent, ShownLink
from ..provider.errands import ProviderError
from ..provider.flows import leave, log_problem, own_provider, problem_sentence
from ..web import limits
from ..web.cookies import token_hash
from ..web.errors import described
from ..web.policies import open_to_all
from ..web.sentences import sentence

FORMS = {"setup": SetupForm, "invitation": JoinForm, "password": PasswordForm}
FUNCTIONS = {"setup": "set_up", "invitation": "accept_invitation", "password": "use_password_link"}

bp = Blueprint("links", __name__)


@bp.get("/links/<token>")
@open_to_all
def show(token: str) -> ResponseReturnValue:
    """Show what a link is for."""
    link = _link(token)
    return _form(link, FORMS[link["purpose"]]())


@bp.post("/links/<token>")
@open_to_all
def use(token: str) -> ResponseReturnValue:
    """Use a link up: whoever set the desk up or joined it is logged in, and who has a new password logs in with it."""
    link = _link(token)
    form = FORMS[link["purpose"]](request.form)
    if not form.validate():
        return _form(link, form), 422
    values: dict[str, Any] = {name: value for name, value in form.data.items() if name != "password"}
    try:
        if problem := _problem_of(link, form.data):
            form.password.errors = (sentence(problem),)
            return _form(link, form), 422
        password_hash = hash_password(form.data["password"])
        agent: Agent = call(
            FUNCTIONS[link["purpose"]], token_hash=token_hash(token), password_hash=password_hash, **values
        )
        if link["purpose"] == "password":
            return redirect(url_for("agents.login"), 303)
        begun = logins.begin_session(agent["id"], password_hash=password_hash)
    except NotFound:
        raise
    except DatabaseError as error:
        status, code, detail = described(error)
        return _form(link, form, sentence(code, detail)), status
    if begun is None:
        return redirect(url_for("agents.login"), 303)
    first_page = "people.index" if link["purpose"] == "setup" else "agents.desk"
    return enter(begun, url_for(first_page))


@bp.post("/links/<token>/strength")
@open_to_all
def show_strength(token: str) -> ResponseReturnValue:
    """Say how good a password is while it is typed."""
    link = _link(token)
    limits.check("typing", f"strength/{token_hash(token)}")
    name = link["name"] or request.form.get("name", "")[:NAME_CHARACTERS]
    email = link["email"] or request.form.get("email", "")[:EMAIL_CHARACTERS]
    return shown_strength(request.form.get("password", ""), name, email)


@bp.post("/links/<token>/provider")
@open_to_all
def use_with_provider(token: str) -> ResponseReturnValue:
    """Send somebody who was invited to the provider, to join with it instead of a password."""
    own_provider()
    link = _link(token)
    if link["purpose"] != "invitation":
        raise NotFound("link_unknown")
    try:
        return leave("invitation", link_hash=token_hash(token))
    except ProviderError as error:
        log_problem(error)
        return _form(link, JoinForm(), problem_sentence(error.code)), 502
    except TooFast as error:
        status, code, detail = described(error)
        return _form(link, JoinForm(), sentence(code, detail)), status


def _link(token: str) -> ShownLink:
    """Return what a link is for.

    :raise NotFound: when it was used or withdrawn, when its time is over, or when there never was one.
    """
    link: ShownLink | None = call("show_link", token_hash=token_hash(token))
    if link is None:
        raise NotFound("link_unknown")
    g.own_turn = f"link/{token_hash(token)}"  # they wait for nobody who guesses passwords at the same address
    return link


def _problem_of(link: ShownLink, typed: dict[str, Any]) -> str:
    """Return why the password is refused, as the code of a sentence; '' for one that is taken."""
    name, email = (typed.get(field) or link[field] or "" for field in ("name", "email"))
    return strength_of(typed["password"], name, email).problem


def _form(link: ShownLink, form: Any, error: str = "") -> str:
    return render_template("people/link.html", link=link, form=form, error=error)
