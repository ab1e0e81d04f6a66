"""What there is to say about a picture that was taken, said in the answer to who has sent it."""

from __future__ import annotations

from flask import Flask, Response, after_this_request, g, render_template, request

from ..rendering.fragments import joined, partial
from ..web.cookies import cookie_name, cookie_options
from ..web.htmx import from_htmx
from ..web.sentences import sentence

NOTICES = ("animation_first_frame", "image_cut_off")
SECONDS = 60


def init_app(app: Flask) -> None:
    """Add what there is to say to the answers, and to the pages that they lead to."""
    app.after_request(add_notice)
    app.jinja_env.globals["kept_notice"] = kept_notice


def say(code: str | None) -> None:
    """Have the answer to this request say something about its picture."""
    g.picture_notice = code


def add_notice(response: Response) -> Response:
    """Put the sentence into the corner of the page: of this one, or of the one that comes next."""
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
    """Return the sentence that the answer before this page has left for it, once; '' for none."""
    code = request.cookies.get(cookie_name("n"))
    if code not in NOTICES:
        return ""
    after_this_request(_forget)
    return sentence(code)


def _forget(response: Response) -> Response:
    response.delete_cookie(cookie_name("n"), **cookie_options(in_frames=True))
    return response
