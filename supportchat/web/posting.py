"""The way of a message from a form to the database: the picture first, then one call that stores the message."""

from __future__ import annotations

from typing import Any

from flask import current_app
from werkzeug.datastructures import FileStorage

from ..agents.logins import agent_token_hash
from ..database import Conflict, Forbidden, Invalid, NotFound, TooFast, call
from ..database.rows import Answer
from ..images import notices
from ..images.pipeline import delete_unneeded, store_upload
from ..images.stores import ImageStore
from ..server.places import Full, Places
from . import limits
from .forms import message_id, uploaded_image

# All of them wait for one lock, and each would do so with one of the few connections to the database.
STARTS_AT_ONCE, MOST_WAITING = 2, 50
_starts = Places(STARTS_AT_ONCE, STARTS_AT_ONCE, MOST_WAITING)


def store_message(function: str, message: str, whose: str, **arguments: Any) -> Any:
    """Store the picture of the form, if there is one, then the message, and return the `Answer` of the SQL function.

    The message exists only once its picture does. When the call is refused, or has stored this message before with
    another copy of the picture, this copy goes again. After anything else it may have been stored: the sweep of orphans
    knows better, later.

    :param whose: who sends it, for the limit of pictures; '' for somebody of whom only the address is known.
    """
    store: ImageStore = current_app.extensions["images"]
    client_message_id = message_id()
    upload = uploaded_image()
    if upload is not None:
        visitor = arguments.get("visitor")
        (limits.check_browser if visitor and whose else limits.check)("pictures", whose)
    image = _stored(upload, store, arguments.get("visitor")) if upload is not None else None
    try:
        values = {"client_message_id": client_message_id, "message": message, "image": image, **arguments}
        answer: Answer = start_chat(**values) if function == "start_chat" else call(function, **values)
    except (Forbidden, NotFound, Conflict, Invalid, TooFast):
        if image is not None:
            delete_unneeded(image["key"], store)
        raise
    # A duplicate of this very call, perhaps: the door makes it again when its answer got lost.
    if image is not None and answer["duplicate"] and answer["image_key"] != image["key"]:
        delete_unneeded(image["key"], store)
    return answer


def start_chat(**values: Any) -> Any:
    """Start a chat when it is the turn of the address that it comes from.

    :raise TooFast: when too many of that address wait already.
    """
    try:
        with _starts.place(limits.address()):
            return call("start_chat", **values)
    except Full as error:
        raise TooFast("starts_too_fast", "2") from error


def _stored(upload: FileStorage, store: ImageStore, visitor: str | None) -> dict[str, Any]:
    # Who has logged in shares a turn with nobody, whatever network they are in.
    owner = visitor or agent_token_hash()
    image = store_upload(upload, store, owner, limits.address() if visitor else owner)
    notices.say(image.pop("notice", None))
    return image
