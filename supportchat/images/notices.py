"""Notices about what was done: a picture of which only one frame was kept, a password that was changed."""

from __future__ import annotations

from flask import Flask, Response, after_this_request, g, render_template, request

from ..rendering.fragments import joined, partial
from ..web.cookies import cookie_name, cookie_options
from ..web.htmx import from_htmx
from ..web.sentences import sentence

NOTICES = ("animation_first_frame", "image_cut_off", "password_changed", "login_ended", "logins_ended")
SECONDS = 60


def init_app(app: Flask) -> None:
    """Add the notices to responses, and to the pages that they redirect to."""
    app.after_request(add_notice)
    app.jinja_env.globals["kept_notice"] = kept_notice


def say(code: str | None) -> None:
    """Add a notice to the response."""
    g.picture_notice = code


def add_notice(response: Response) -> Response:
    """Show the notice in the corner of this page, or of the next one after a redirect."""
    code = g.pop("picture_notice", None)
    if code is None or response.status_code >= 400:
        return response
    if from_htmx() and "HX-Redirect" not in response.headers:
        notice = render_template("shared/_notice.html", text=sentence(code))
        response.set_data(joined(response.get_data(as_text=True), partial(notice, "#notice")))
    else:
        response.set_cookie(cookie_name("n"), code, max_age=SECONDS, **cookie_options(in_frames=True))
    return response


def kept_notice() -> str:
    """Return the notice that the previous response left for this page, once; '' for none."""
    code = request.cookies.get(cookie_name("n"))
    if code not in NOTICES:
        return ""
    after_this_request(_forget)
    return sentence(code)


def _forget(response: Response) -> Response:
    response.delete_cookie(cookie_name("n"), **cookie_options(in_frames=True))
    return response
