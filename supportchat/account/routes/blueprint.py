"""The blueprint of the account pages, and what they all show."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template

from ...agents.browsers import browser_of
from ...agents.logins import agent_token_hash
from ...config import current_config
from ...database import call
from ...database.rows import OwnAccount
from ...provider.flows import said_problem
from ..forms import NameForm

bp = Blueprint("account", __name__)


def account_page(**values: Any) -> str:
    """Render the page of the agent who is logged in."""
    account: OwnAccount = call(
        "account",
        agent_id=g.agent["id"],
        token_hash=agent_token_hash(),
        issuer=current_config().oidc_issuer or None,
    )
    shown = {"name_form": NameForm(data={"name": g.agent["name"]}), "name_error": "", "picture_error": ""}
    shown["problem"] = said_problem()
    return render_template(
        "account/show.html",
        agent=g.agent,
        account=account,
        browser_of=browser_of,
        **{**shown, **values},
    )
