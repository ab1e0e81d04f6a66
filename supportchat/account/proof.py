"""Whoever changes how an account is protected shows once more who they are."""

from __future__ import annotations

from collections.abc import Callable

from flask import g
from flask.typing import ResponseReturnValue

from ..agents import logins, two_factor
from ..agents.forms import SHORTEST_PASSWORD
from ..database import TooFast
from ..web.errors import described
from ..web.sentences import sentence
from .forms import ProofForm


def refusal(form: ProofForm, page: Callable[[ProofForm, str], str]) -> ResponseReturnValue | None:
    """Return the answer to somebody who has not shown who they are: the page again; None to whoever has."""
    if not form.validate():
        return page(form, ""), 422
    try:
        if _is_proven(form.proof.data or ""):
            return None
    except TooFast as error:
        status, code, detail = described(error)
        return page(form, sentence(code, detail)), status
    form.proof.errors = (sentence("proof_wrong"),)
    return page(form, ""), 422


def _is_proven(typed: str) -> bool:
    if not two_factor.is_like_a_code(typed):
        return logins.checked(g.agent["email"], typed) is not None
    # A password may look like a recovery code, but has more characters than a code of the app.
    if len(typed) >= SHORTEST_PASSWORD and logins.matching(g.agent["email"], typed):
        return True
    return two_factor.is_right_code(g.agent["id"], logins.known_browser(), typed)
