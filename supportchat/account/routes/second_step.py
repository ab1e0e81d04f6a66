"""The second step of a login, with two-factor."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...agents import logins
from ...agents.entering import enter
from ...agents.forms import LoginForm
from ...agents.two_factor import begin_code
from ...database import Invalid, NotFound, TooFast, call
from ...web import limits
from ...web.errors import described
from ...web.policies import open_to_all
from ...web.redirects import safe_next
from ...web.refusals import log_login
from ...web.sentences import sentence
from ..forms import CodeForm
from .blueprint import bp


@bp.get("/agent/login/code")
@open_to_all
def second_step() -> ResponseReturnValue:
    """Ask for the code of a login whose password was right."""
    if logins.current_agent():
        return redirect(safe_next(request.args.get("next", "")), 303)
    if logins.pending_login() is None:
        return redirect(url_for("agents.login", next=request.args.get("next")), 303)
    return _form(CodeForm())


@bp.post("/agent/login/code")
@open_to_all
def finish_login() -> ResponseReturnValue:
    """Log an agent in whose second code is right."""
    form, pending = CodeForm(request.form), logins.pending_login()
    if pending is None:
        return _expired()
    code = form.recovery_code.data or form.code.data or ""
    try:
        proof = begin_code(pending["agent_id"], logins.known_browser(), code)
        begun = logins.finish_login(proof) if proof else None
    except Invalid:
        begun = None
    except NotFound:
        return _expired()
    except TooFast as error:
        status, reason, detail = described(error)
        return _form(form, sentence(reason, detail)), status
    log_login(pending["email"], is_right=begun is not None)
    if begun is None:
        call("refuse_login", email=pending["email"], address=limits.address())
        return _form(form, sentence("code_wrong")), 422
    return enter(begun, request.args.get("next"))


def _expired() -> ResponseReturnValue:
    return render_template("agents/login.html", form=LoginForm(), error=sentence("login_expired")), 422


def _form(form: CodeForm, error: str = "") -> str:
    return render_template("account/second_step.html", form=form, error=error)
