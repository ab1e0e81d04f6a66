"""How a failure is answered: in the form that it is about, in a corner of the page, or as a page of its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ..agents.forms import LoginForm
from ..agents.logins import agent_token_hash
from . import security
from .bodies import is_form_taken
from .htmx import from_htmx
from .sentences import sentence

# What the same request, sent again, may well do.
WORTH_RETRYING = (408, 429, 500, 502, 503, 504)
RETRY_SECONDS = 2


def failure(status: int, code: str, detail: str = "", number: str = "") -> ResponseReturnValue:
    """Answer with a sentence: into the form that htmx sent, into the corner of its page, or as a page of its own.

    Who wanted to log in gets that form again. Whatever another site may have sent is neither read nor shown, and gets
    no form: one click on "Send again" would send it from a page of ours.
    """
    if not security.is_from_our_pages():
        return _refused(status, code)
    values = _values(status, code, detail) | {"number": number, "form": _form_as_sent()}
    if from_htmx():
        response = make_response(render_template("shared/_error.html", **values), status)
        response.headers["HX-Retarget"] = _place_of_error()
        response.headers["HX-Reswap"] = "innerHTML"
        response.headers["X-Refused"] = code
        response.headers["X-Reason"] = quote(values["sentence"])  # to be said where the message stands
    elif _is_login() and not number:
        form = LoginForm(MultiDict(values["form"]))
        response = make_response(render_template("agents/login.html", form=form, error=values["sentence"]), status)
    else:
        response = make_response(render_template("shared/error.html", **values), status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _refused(status: int, code: str) -> ResponseReturnValue:
    values = _values(status, code) | {"number": "", "form": {}}
    return render_template("shared/_error.html" if from_htmx() else "shared/refused.html", **values), status


def _values(status: int, code: str, detail: str = "") -> dict[str, Any]:
    return {
        "sentence": sentence(code, detail),
        "status": status,
        "retry": status in WORTH_RETRYING,
        "home": _home(),
        "needs_own_window": code in ("cookies_refused", "sandboxed"),
    }


def _home() -> str:
    # For a host that is not ours, addresses cannot be built.
    if not security.is_our_host():
        return ""
    return "/agent" if agent_token_hash() or security.is_for_desk() else "/chat"


def _is_login() -> bool:
    return request.endpoint == "agents.log_in"


def _form_as_sent() -> dict[str, str]:
    # What was refused unread is not read now.
    return request.form.to_dict() if is_form_taken() and request.method == "POST" else {}


def _place_of_error() -> str:
    # HX-Source is tag#id. Every form with an id has a place for its errors: #<id>-error.
    tag, _, name = request.headers.get("HX-Source", "").partition("#")
    is_form = tag == "form" and name and name.replace("-", "").isalnum()
    return f"#{name}-error" if is_form else "#notice"
