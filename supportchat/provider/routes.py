"""Log in by the provider: out to it, and back from it, whatever the browser has left for."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..agents import logins
from ..agents.entering import enter
from ..agents.forms import LoginForm
from ..config import current_config
from ..database import Conflict, NotFound, TooFast, call
from ..database.rows import Agent, ProviderFlow
from ..web import limits
from ..web.cookies import cookie_name, cookie_options
from ..web.errors import described
from ..web.policies import open_to_all
from ..web.refusals import log_login
from ..web.sentences import sentence
from .errands import ProviderError
from .flows import (
    CALLBACK,
    EXPIRED,
    brought_code,
    leave,
    log_problem,
    own_provider,
    problem_sentence,
    redirect_address,
    taken_flow,
)
from .people import Person
from .provider import Provider

bp = Blueprint("provider", __name__)


def init_app(app: Flask) -> None:
    """Give the app its provider, if it has one, and templates its name."""
    config = app.extensions["config"]
    app.extensions["provider"] = Provider(config) if config.oidc_issuer else None
    app.jinja_env.globals["provider_name"] = config.oidc_name
    app.register_blueprint(bp)


@bp.post("/agent/login/provider")
@open_to_all
def go() -> ResponseReturnValue:
    """Send somebody to the provider to log in."""
    own_provider()
    try:
        return leave("login", target=request.args.get("next", ""))
    except ProviderError as error:
        log_problem(error)
        return _login_page(problem_sentence(error.code)), 502
    except TooFast as error:
        status, code, detail = described(error)
        return _login_page(sentence(code, detail)), status


@bp.get(CALLBACK)
@open_to_all
def come_back() -> ResponseReturnValue:
    """Go on with somebody who comes from the provider. What is in this address is used up, and shown nowhere."""
    own_provider()
    page = "agents.login"
    try:
        flow = taken_flow()
        page = "account.show" if flow["purpose"] == "account" else page
        response = make_response(_go_on(flow, _person(flow)))
    except ProviderError as error:
        log_problem(error)
        response = make_response(redirect(url_for(page, problem=error.code), 303))
        if error.code == EXPIRED:
            return response  # the browser may have begun another one
    response.delete_cookie(cookie_name("o"), **cookie_options())
    return response


def _person(flow: ProviderFlow) -> Person:
    code, named = brought_code()
    return own_provider().person(code, flow["nonce"], flow["code_verifier"], redirect_address(), named)


def _go_on(flow: ProviderFlow, person: Person) -> ResponseReturnValue:
    try:
        return {"login": _log_in, "invitation": _join, "account": _connect}[flow["purpose"]](flow, person)
    except (Conflict, NotFound) as error:
        if error.code == "session_ended":
            raise _other_login() from error
        raise ProviderError(error.code, f"refused: {error.code}") from error


def _log_in(flow: ProviderFlow, person: Person) -> ResponseReturnValue:
    agent: Agent | None = call("agent_of_identity", **_identity(person), role=person.role, account=person.account)
    if agent is None:
        raise _unknown()
    return _enter(agent, person, flow["target"])


def _join(flow: ProviderFlow, person: Person) -> ResponseReturnValue:
    agent: Agent = call(
        "accept_invitation_by_identity",
        token_hash=flow["link_hash"],
        **_identity(person),
        name=person.name,
        email=person.email or None,
    )
    return _enter(agent, person, url_for("agents.desk"))


def _connect(flow: ProviderFlow, person: Person) -> ResponseReturnValue:
    if logins.current_agent() is None or logins.agent_token_hash() != flow["session_hash"]:
        raise _other_login()
    call("connect_identity", agent_id=g.agent["id"], token_hash=flow["session_hash"], **_identity(person))
    return redirect(url_for("account.show"), 303)


def _other_login() -> ProviderError:
    return ProviderError("provider_other_login", "another login is in this browser by now, or none")


def _unknown() -> ProviderError:
    call("refuse_login", email="", address=limits.address())
    return ProviderError("provider_unknown", "nobody here is bound to this account")


def _enter(agent: Agent, person: Person, target: str | None) -> ResponseReturnValue:
    begun = logins.begin_session(agent["id"], **_identity(person))
    if begun is None:
        raise _unknown()
    if not begun.needs_code:  # else the second step has the last word
        log_login(agent["email"] or "", is_right=True)
    return enter(begun, target)


def _identity(person: Person) -> dict[str, Any]:
    return {"issuer": current_config().oidc_issuer, "subject": person.subject}


def _login_page(error: str) -> str:
    return render_template("agents/login.html", form=LoginForm(), error=error)
