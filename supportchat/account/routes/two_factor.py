"""Two-factor: to turn it on, to turn it off, and the recovery codes."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from wtforms import Form

from ...agents import logins, two_factor
from ...database import Conflict, TooFast, call
from ...database.rows import OwnAccount
from ...web import compression
from ...web.errors import described
from ...web.policies import for_people, for_people_before_two_factor
from ...web.security import desk_name
from ...web.sentences import sentence
from ..forms import ProofForm, SetUpForm
from ..proof import refusal
from .blueprint import bp


@bp.get("/account/two-factor")
@for_people_before_two_factor
def two_factor_page() -> ResponseReturnValue:
    """Show how to set two-factor up; to somebody who has it, how to change that."""
    return _manage(ProofForm()) if _is_on() else _set_up(SetUpForm())


@bp.post("/account/two-factor")
@for_people_before_two_factor
def turn_on() -> ResponseReturnValue:
    """Turn two-factor on for an agent whose app shows a right code, and show the recovery codes once."""
    form = SetUpForm(request.form)
    secret = form.secret.data or ""
    if not form.validate() or not two_factor.SECRET.fullmatch(secret):
        return _set_up(form), 422
    step = two_factor.right_step(secret, 0, form.code.data or "")
    if step is None:
        form.code.errors = (sentence("code_not_of_secret"),)
        return _set_up(form), 422
    try:
        if logins.checked(g.agent["email"], form.current.data or "") is None:
            form.current.errors = (sentence("password_wrong"),)
            return _set_up(form), 422
        return _with_codes("turn_on_two_factor", secret=secret, step=step)
    except (TooFast, Conflict) as error:
        status, code, detail = described(error)
        return _set_up(form, error=sentence(code, detail)), status


@bp.post("/account/two-factor/delete")
@for_people
def turn_off() -> ResponseReturnValue:
    """Turn two-factor off for an agent who shows once more who they are."""
    form = ProofForm(request.form)
    if refused := refusal(form, _manage):
        return refused
    call("turn_off_two_factor", agent_id=g.agent["id"], token_hash=logins.agent_token_hash())
    return redirect(url_for("account.show"), 303)


@bp.post("/account/recovery-codes")
@for_people
def replace_recovery_codes() -> ResponseReturnValue:
    """Give an agent who shows once more who they are new recovery codes, and show them once."""
    form = ProofForm(request.form)
    return refusal(form, _manage) or _with_codes("replace_recovery_codes")


def _is_on() -> bool:
    return _account()["two_factor_since"] is not None


def _account() -> OwnAccount:
    account: OwnAccount = call("account", agent_id=g.agent["id"], token_hash=logins.agent_token_hash())
    return account


def _with_codes(function: str, **arguments: Any) -> str:
    codes = two_factor.new_recovery_codes()
    call(
        function,
        agent_id=g.agent["id"],
        token_hash=logins.agent_token_hash(),
        code_hashes=[two_factor.code_hash(code) for code in codes],
        **arguments,
    )
    compression.leave_out()
    return render_template("account/recovery_codes.html", agent=g.agent, codes=codes)


def _set_up(form: SetUpForm, error: str = "") -> str:
    given = form.secret.data or ""
    secret = given if two_factor.SECRET.fullmatch(given) else two_factor.new_secret()
    path, side = two_factor.qr_path(
        two_factor.setup_address(secret, g.agent["email"], f"{_('Support desk')} ({desk_name()})")
    )
    compression.leave_out()
    return _page("account/set_up_two_factor.html", form, error, secret=secret, qr_path=path, qr_side=side)


def _manage(form: ProofForm, error: str = "") -> str:
    return _page("account/two_factor.html", form, error, account=_account())


def _page(template: str, form: Form, error: str, **values: Any) -> str:
    return render_template(template, agent=g.agent, form=form, error=error, **values)
