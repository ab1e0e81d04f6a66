"""The page of saved replies, and the form in which one is written."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...agents.logins import agent_token_hash
from ...database import Conflict, DatabaseError, Invalid, call
from ...database.rows import SavedReply, SavedReplyChange, TicketLines
from ...images.pipeline import delete_unneeded, store_upload
from ...images.refused import ImageRefused
from ...images.stores import ImageStore, StoreUnavailable
from ...rendering.filters import first_name
from ...web import limits
from ...web.errors import described
from ...web.forms import uploaded_image, whole_number
from ...web.policies import for_people_with
from ...web.sentences import sentence
from ..forms import AFTER, NAME_CHARACTERS, ReplyForm
from .blueprint import bp, list_page, reply_for

REPLY = "/replies/<uuid:reply_id>"


@bp.get("/replies")
@for_people_with("answer")
def index() -> ResponseReturnValue:
    """Show the replies that somebody can use."""
    return list_page()


@bp.post("/replies/undo")
@for_people_with("manage_desk")
def hold() -> ResponseReturnValue:
    """Say for how many seconds replies are held, so that they can be taken back."""
    call("change_settings", agent_id=g.agent["id"], values={"undo_send_seconds": whole_number("seconds", -1)})
    return redirect(url_for("replies.index"), 303)


@bp.get("/replies/new")
@for_people_with("answer")
def new() -> ResponseReturnValue:
    """Show the form for a new reply, with the text of a message where the address names one."""
    return _page(ReplyForm(message=_text_of_message()))


@bp.post("/replies")
@for_people_with("answer")
def add() -> ResponseReturnValue:
    """Save a new reply, and lead back to where it was made."""
    return _save(ReplyForm(request.form), None)


@bp.get(REPLY)
@for_people_with("answer")
def show(reply_id: uuid.UUID) -> ResponseReturnValue:
    """Show a reply, to be changed."""
    reply = reply_for(reply_id)
    return _page(ReplyForm.of(reply), reply)


@bp.post(REPLY)
@for_people_with("answer")
def change(reply_id: uuid.UUID) -> ResponseReturnValue:
    """Change a reply."""
    reply = reply_for(reply_id)
    form = ReplyForm(request.form)
    form.has_picture = reply["has_picture"]
    return _save(form, reply)


@bp.post(f"{REPLY}/delete")
@for_people_with("answer")
def delete(reply_id: uuid.UUID) -> ResponseReturnValue:
    """Delete a reply."""
    _delete_picture(call("delete_reply", agent_id=g.agent["id"], reply_id=str(reply_id)))
    return redirect(url_for("replies.index"), 303)


def _save(form: ReplyForm, reply: SavedReply | None) -> ResponseReturnValue:
    if not form.validate():
        return _page(form, reply), 422
    try:
        saved = _store(form, reply)
    except (ImageRefused, StoreUnavailable) as error:
        status, code, detail = described(error)
        return _page(form, reply, picture_error=sentence(code, detail)), status
    except (Conflict, Invalid) as error:
        if error.code == "reply_name_taken":
            form.name.errors = [sentence(error.code, error.detail)]
            return _page(form, reply), 409
        status, code, detail = described(error)
        return _page(form, reply, error=sentence(code, detail)), status
    number = whole_number("ticket")
    page = url_for("agents.desk", ticket=number, saved=saved) if number else url_for("replies.index", saved=saved)
    return redirect(page, 303)


def _store(form: ReplyForm, reply: SavedReply | None) -> str:
    """Store the picture of the form, if there is one, and the reply. Return its id."""
    values, upload = form.values, uploaded_image()
    if upload is not None:
        owner = agent_token_hash()
        limits.check("pictures", owner)
        image = store_upload(upload, _store_of_images(), owner, owner)
        values["picture"] = {name: image[name] for name in ("key", "content_type", "bytes")}
    elif form.drop_picture.data:
        values["picture"] = None
    try:
        changed: SavedReplyChange = call(
            "save_reply", agent_id=g.agent["id"], values=values, reply_id=reply and reply["id"]
        )
    except DatabaseError:
        if upload is not None:
            _delete_picture(values["picture"]["key"])
        raise
    _delete_picture(changed["unneeded"])
    return changed["reply"]["id"]


def _delete_picture(key: str | None) -> None:
    if key:
        delete_unneeded(key, _store_of_images())


def _store_of_images() -> ImageStore:
    store: ImageStore = current_app.extensions["images"]
    return store


def _text_of_message() -> str:
    """Return the text of the message that the address names, with the customer's name left open."""
    number, seq = whole_number("ticket"), whole_number("seq")
    if not number or not seq:
        return ""
    shown: TicketLines = call("show_ticket", agent_id=g.agent["id"], number=number, before=seq + 1, limit=1)
    name = shown["ticket"]["customer"]["name"]
    texts = [row["message"] for row in shown["messages"] if row["seq"] == seq and row["sender"] == "agent"]
    return _without_name("".join(texts), name)


def _without_name(text: str, name: str | None) -> str:
    if name is None or len(name) < 2:  # a letter is more often a word
        return text
    variables = {first_name(name): "customer.first_name|there", name: "customer.name"}
    names = "|".join(map(re.escape, sorted(variables, key=len, reverse=True)))
    # All at once: a name may be a word of a variable.
    return re.sub(rf"(?<!\w)(?:{names})(?!\w)", lambda found: f"{{{{{variables[found[0]]}}}}}", text)


def _page(form: ReplyForm, reply: SavedReply | None = None, **values: Any) -> str:
    return render_template(
        "replies/edit.html",
        agent=g.agent,
        form=form,
        reply=reply,
        ticket=whole_number("ticket"),
        name_characters=NAME_CHARACTERS,
        after=AFTER,
        **values,
    )
