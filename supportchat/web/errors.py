"""Every failure becomes a sentence where it happened: in the form, in a corner of the page, or as a page."""

from __future__ import annotations

import errno
import secrets
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from ..agents.logins import agent_token_hash
from ..database import Conflict, DatabaseError, Invalid, NotFound, TooFast, Unavailable
from ..images.refused import ImageRefused
from ..images.stores import StoreRefuses, StoreUnavailable
from . import security
from .bodies import is_form_taken
from .forms import LoginForm
from .htmx import from_htmx
from .refusals import log_refusal
from .sentences import SENTENCES, in_words, sentence

REFUSALS = (DatabaseError, ImageRefused, StoreUnavailable)
STATUS: dict[type[Exception], int] = {NotFound: 404, Conflict: 409, Invalid: 422}
CODES = {404: "not_found", 408: "body_too_slow"}
OWN_WORDS = ("body_too_large", "text_too_large")
IMAGE_STATUS = {"image_too_large": 413, "image_in_progress": 429}
# What the same request, sent again, may well do.
WORTH_RETRYING = (408, 429, 500, 502, 503, 504)
RETRY_SECONDS = 2
DESK = ("/agent", "/tickets", "/status")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def init_app(app: Flask) -> None:
    """Install the handlers."""
    app.register_error_handler(HTTPException, on_http_error)
    for refusal in REFUSALS:
        app.register_error_handler(refusal, on_refusal)
    app.register_error_handler(Exception, on_fault)
    app.after_request(_say_when_to_come_back)


def on_http_error(error: HTTPException) -> ResponseReturnValue:
    """Answer what Flask itself, or an `abort`, has refused."""
    if error.code is None or error.code < 400:
        return error.get_response()
    _log_what_a_proxy_may_have_done(error)
    if error.code == 413:  # what werkzeug refuses, of a body that is not too large, are its fields
        return failure(413, str(error.description) if error.description in OWN_WORDS else "text_too_large")
    code = str(error.description)
    return failure(error.code, code if code in SENTENCES else CODES.get(error.code, "not_understood"))


def _log_what_a_proxy_may_have_done(error: HTTPException) -> None:
    if error.code == 413:
        most = f"at most {current_app.config['MAX_CONTENT_LENGTH']} bytes, and less for text"
        log_refusal("length", request.headers.get("Content-Length"), most, "no setting")
    elif isinstance(error, WebsocketMismatch) and request.path.endswith("/ws"):
        came = " and ".join(request.headers.get(name, "nothing") for name in ("Upgrade", "Connection"))
        expected = "'websocket' and 'upgrade' as Upgrade and Connection"
        log_refusal("websocket", came, expected, "the proxy, which must pass them on")


def on_refusal(error: Exception) -> ResponseReturnValue:
    """Answer what the database or the store of pictures has refused, or that they could not be asked."""
    return failure(*described(error))


def described(error: Exception) -> tuple[int, str, str]:
    """Return status, code and detail of a refusal, and log what an operator has to know of it."""
    if isinstance(error, ImageRefused):
        return IMAGE_STATUS.get(error.code, 422), error.code, error.detail
    if isinstance(error, StoreUnavailable):
        current_app.logger.error("images: %s", error)
        return (413, "image_not_taken", "") if isinstance(error, StoreRefuses) else (503, "image_not_stored", "")
    if isinstance(error, Unavailable):
        current_app.logger.error("database: %s %s (%s)", error.code, error.detail, error.__cause__)
        return 503, error.code, ""
    if isinstance(error, TooFast):
        g.retry_after = error.retry_after
        return 429, error.code, in_words(error.retry_after)
    if isinstance(error, DatabaseError):
        return STATUS[type(error)], error.code, error.detail
    raise error


def _say_when_to_come_back(response: Response) -> Response:
    if response.status_code == 429 and "retry_after" in g:
        response.headers["Retry-After"] = str(g.retry_after)
    return response


def on_fault(error: Exception) -> ResponseReturnValue:
    """Answer a fault of our own, by a number under which the log has the rest."""
    if isinstance(error, OSError) and (error.errno in NO_ROOM or _is_without_temporary_folder(error)):
        current_app.logger.error("no room: %s", error)
        return failure(503, "no_room")
    number = secrets.token_hex(4)
    current_app.logger.exception("fault %s", number)
    return failure(500, "fault", number=number)


def _is_without_temporary_folder(error: OSError) -> bool:
    # tempfile's own, of every folder that it has tried: no file's name comes with it.
    return error.errno == errno.ENOENT and error.filename is None and "temporary directory" in str(error)


def failure(status: int, code: str, detail: str = "", number: str = "") -> ResponseReturnValue:
    """Answer with a sentence: into the form that htmx sent, into the corner of its page, or as a page of its own.

    Who wanted to log in gets that form again. Whatever another site may have sent is neither read nor shown, and gets
    no form: one click on "Send again" would send it from a page of ours.
    """
    if not security.is_from_our_pages():
        return _refused(status, code)
    form_as_sent = _form_as_sent()
    values = _values(status, code, detail) | {"number": number, "form": form_as_sent}
    if from_htmx():
        response = make_response(render_template("shared/_error.html", **values), status)
        response.headers["HX-Retarget"] = _place_of_error()
        response.headers["HX-Reswap"] = "innerHTML"
        response.headers["X-Reason"] = quote(values["sentence"])  # to be said where the message stands
    elif _is_login() and not number:
        form = LoginForm(MultiDict(form_as_sent))
        response = make_response(render_template("agents/login.html", form=form, error=values["sentence"]), status)
    else:
        response = make_response(render_template("shared/error.html", **values), status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _refused(status: int, code: str) -> ResponseReturnValue:
    values = _values(status, code) | {"retry": False, "number": "", "form": {}}
    return render_template("shared/_error.html" if from_htmx() else "shared/refused.html", **values), status


def _values(status: int, code: str, detail: str = "") -> dict[str, Any]:
    return {
        "sentence": sentence(code, detail),
        "status": status,
        "retry": status in WORTH_RETRYING,
        "home": _home(),
        "needs_own_window": code in ("cookies_refused", "sandboxed") and not _is_login(),
    }


def _home() -> str:
    # For a host that is not ours, addresses cannot be built.
    if not security.is_our_host():
        return ""
    return "/agent" if agent_token_hash() or request.path.startswith(DESK) else "/chat"


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
