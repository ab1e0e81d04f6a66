"""Pictures that people at the desk give: their own, and the logos of sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask import current_app

from ..database import DatabaseError
from ..images.pipeline import delete_unneeded, store_upload
from ..images.refused import ImageRefused
from ..images.stores import ImageStore, StoreUnavailable
from ..web import limits
from ..web.errors import described
from ..web.forms import uploaded_image
from ..web.sentences import sentence
from .logins import agent_token_hash


class Refusal(NamedTuple):
    """Why a picture was not taken, in words, and the status of the answer."""

    text: str
    status: int


def take_picture(shape: str, replace: Callable[[str | None], str | None]) -> Refusal | None:
    """Store the picture that was sent, in place of the former one. Returns why it was not taken, or None.

    :param shape: 'face' or 'logo', as for `store_upload`.
    :param replace: is given the key of the stored picture, and returns that of the former one.
    :raise TooFast: when this person has sent too many.
    """
    upload = uploaded_image()
    if upload is None:
        return Refusal(sentence("picture_missing"), 422)
    owner = agent_token_hash()
    limits.check("pictures", owner)
    store: ImageStore = current_app.extensions["images"]
    try:
        image = store_upload(upload, store, owner, owner, shape=shape)
    except (ImageRefused, StoreUnavailable) as error:
        status, code, detail = described(error)
        return Refusal(sentence(code, detail), status)
    try:
        put_picture(image["key"], replace)
    except DatabaseError:
        delete_unneeded(image["key"], store)
        raise
    return None


def put_picture(key: str | None, replace: Callable[[str | None], str | None]) -> None:
    """Put a stored picture, or none, in place of the former one, which nothing needs any more."""
    former = replace(key)
    if former and former != key:
        delete_unneeded(former, current_app.extensions["images"])
