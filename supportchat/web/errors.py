"""Every failure has a status and a code, by which it becomes a sentence where it happened. See `error_pages`."""

from __future__ import annotations

import errno
import secrets
from urllib.parse import quote

from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from ..database import Conflict, DatabaseError, Forbidden, Invalid, NotFound, TooFast, Unavailable
from ..images.refused import ImageRefused
from ..images.stores import StoreRefuses, StoreUnavailable
from .error_pages import failure
from .redirects import to_login
from .refusals import log_forbidden, log_refusal
from .sentences import SENTENCES, counting_down, in_words, sentence

REFUSALS = (DatabaseError, ImageRefused, StoreUnavailable)
STATUS: dict[type[Exception], int] = {Forbidden: 403, NotFound: 404, Conflict: 409, Invalid: 422}
CODES = {404: "not_found", 408: "body_too_slow"}
OWN_WORDS = ("body_too_large", "text_too_large")
IMAGE_STATUS = {"image_too_large": 413, "image_in_progress": 429}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def init_app(app: Flask) -> None:
    """Install the handlers."""
    app.register_error_handler(HTTPException, on_http_error)
    for refusal in REFUSALS:
        app.register_error_handler(refusal, on_refusal)
    app.register_error_handler(Exception, on_fault)
    app.after_request(_say_when_to_come_back)
    app.jinja_env.globals["sentence_for"] = sentence


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
    if isinstance(error, NotFound) and error.code == "session_ended":
        return to_login()
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
        g.retry_after, g.too_fast = error.retry_after, error.code
        return 429, error.code, in_words(error.retry_after)
    if isinstance(error, Forbidden):
        log_forbidden(error)
    if isinstance(error, DatabaseError):
        return STATUS[type(error)], error.code, error.detail
    raise error


def _say_when_to_come_back(response: Response) -> Response:
    if response.status_code == 429 and "retry_after" in g:
        response.headers["Retry-After"] = str(g.retry_after)
        response.headers["X-Reason"] = quote(counting_down(g.too_fast))
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
