"""What there is to say about a picture that was taken, said in the answer to who has sent it."""

from __future__ import annotations

from flask import Flask, Response, flash, g, render_template

from ..rendering.fragments import joined, partial
from ..web.htmx import from_htmx
from ..web.sentences import sentence


def init_app(app: Flask) -> None:
    """Add what there is to say to the answers."""
    app.after_request(add_notice)


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
        flash(sentence(code))
    return response
