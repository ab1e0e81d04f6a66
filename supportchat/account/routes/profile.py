"""Name and picture."""

from __future__ import annotations

import os

from flask import Response, current_app, g, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue

from ...agents.pictures import put_picture, take_picture
from ...database import NotFound, call
from ...images.stores import ImageStore
from ...web.policies import for_people, open_to_all
from ..forms import NameForm
from .blueprint import account_page, bp

PICTURE_TYPE = "image/webp"


@bp.get("/account")
@for_people
def show() -> ResponseReturnValue:
    """Show an agent their own page."""
    return account_page()


@bp.post("/account/name")
@for_people
def rename() -> ResponseReturnValue:
    """Change what an agent is called."""
    form = NameForm(request.form)
    if not form.validate():
        return account_page(name_form=form), 422
    call("change_name", agent_id=g.agent["id"], name=form.name.data)
    return redirect(url_for("account.show"), 303)


@bp.post("/account/keys")
@for_people
def choose_keys() -> ResponseReturnValue:
    """Keep whether single keys do something at the desk of an agent."""
    call("set_keys", agent_id=g.agent["id"], single_keys=request.form.get("single_keys") != "off")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/picture")
@for_people
def change_picture() -> ResponseReturnValue:
    """Give an agent the picture that was sent."""
    refusal = take_picture("face", _replace)
    if refusal:
        return account_page(picture_error=refusal.text), refusal.status
    return redirect(url_for("account.show"), 303)


@bp.post("/account/picture/delete")
@for_people
def remove_picture() -> ResponseReturnValue:
    """Take their picture away from an agent."""
    put_picture(None, _replace)
    return redirect(url_for("account.show"), 303)


def _replace(key: str | None) -> str | None:
    former: str | None = call("change_picture", agent_id=g.agent["id"], key=key)
    return former


@bp.get("/pictures/<string(length=64):key>")
@open_to_all
def picture(key: str) -> ResponseReturnValue:
    """Serve the picture of an agent to whoever has been shown them: nobody guesses its key."""
    if not call("is_open_picture", key=key):
        raise NotFound("not_found")
    store: ImageStore = current_app.extensions["images"]
    try:
        content = store.open(key)
    except FileNotFoundError as error:
        raise NotFound("not_found") from error
    response: Response = send_file(content, PICTURE_TYPE, download_name="picture.webp", conditional=False)
    response.content_length = os.fstat(content.fileno()).st_size
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    # Another picture has another key.
    response.headers["Cache-Control"] = "private, max-age=86400, immutable, no-transform"
    return response
