"""What the form of a request holds, and its query: bounded and cleaned, or refused."""

from __future__ import annotations

import uuid

from flask import request
from werkzeug.datastructures import FileStorage

from ..database import Invalid
from .text import clean_text, is_too_long

MESSAGE_CHARACTERS = 8000
ID_CHARACTERS = 64


def new_message_id() -> str:
    """Return the id that a form carries for the message written in it."""
    return str(uuid.uuid4())


def message_id() -> str:
    """Return the client_message_id of the form that was sent, a new one for a form without.

    :raise Invalid: when it is not a UUID.
    """
    return uuid_of(request.form.get("client_message_id")) or new_message_id()


def message_text() -> str:
    """Return the text of the message that was sent.

    :raise Invalid: when it is so long that it is not even cleaned. The database counts the rest.
    """
    text = typed_text()
    if is_too_long(text, MESSAGE_CHARACTERS):
        raise Invalid("message_too_long")
    return clean_text(text)


def typed_text() -> str:
    """Return the text of the message as it was typed, for a form that shows it again."""
    return request.form.get("message", "")


def shown_session() -> str | None:
    """Return the session that the page showed when its form was sent; None for a form that does not say.

    :raise Invalid: when it is not a UUID.
    """
    return uuid_of(request.form.get("session"))


def uuid_of(given: str | None, refusal: str = "not_understood") -> str | None:
    """Return an id as the database writes it; None for none.

    :raise Invalid: when it is not a UUID.
    """
    if not given:
        return None
    try:
        return str(uuid.UUID(given[:ID_CHARACTERS]))
    except ValueError as error:
        raise Invalid(refusal) from error


def uploaded_image() -> FileStorage | None:
    """Return the picture that was sent."""
    return uploaded_file("image")


def uploaded_file(name: str) -> FileStorage | None:
    """Return a file that was sent. A form without one sends an empty file without a name."""
    file = request.files.get(name)
    return file if file is not None and file.filename else None


def whole_number(name: str, default: int = 0) -> int:
    """Return a number of the query or the form; `default` when it is none that a counter can be."""
    text = request.values.get(name, "")
    return int(text) if len(text) <= 9 and text.isascii() and text.isdecimal() else default
