"""The provider by which an agent may log in as well: to connect it, and to disconnect it."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...agents import logins
from ...database import Conflict, TooFast, call
from ...provider.errands import ProviderError
from ...provider.flows import leave, log_problem, own_provider, problem_sentence
from ...web.errors import described
from ...web.policies import for_people
from ...web.sentences import sentence
from ..forms import ProofForm
from ..proof import refusal
from .blueprint import account_page, bp


@bp.get("/account/provider")
@for_people
def provider_page() -> ResponseReturnValue:
    """Show how to connect the provider."""
    own_provider()
    return _form(ProofForm())


@bp.post("/account/provider")
@for_people
def connect_provider() -> ResponseReturnValue:
    """Send an agent who shows once more who they are to the provider."""
    own_provider()
    form = ProofForm(request.form)
    if refused := refusal(form, _form):
        return refused
    try:
        return leave("account", session_hash=logins.agent_token_hash())
    except ProviderError as error:
        log_problem(error)
        return _form(form, problem_sentence(error.code)), 502
    except TooFast as error:
        status, code, detail = described(error)
        return _form(form, sentence(code, detail)), status


@bp.post("/account/provider/delete")
@for_people
def disconnect_provider() -> ResponseReturnValue:
    """Forget who an agent is to the provider."""
    try:
        call(
            "disconnect_identity",
            agent_id=g.agent["id"],
            token_hash=logins.agent_token_hash(),
            issuer=own_provider().issuer,
        )
    except Conflict as error:
        return account_page(problem=problem_sentence(error.code)), 409
    return redirect(url_for("account.show"), 303)


def _form(form: ProofForm, error: str = "") -> str:
    return render_template("account/provider.html", agent=g.agent, form=form, error=error)
