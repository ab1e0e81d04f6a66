"""What people type, made fit for the database: bounded, cleaned, and refused with a sentence at its field."""

from __future__ import annotations

import functools
import unicodedata
import uuid
import zoneinfo
from collections.abc import Callable

import phonenumbers
from flask import request
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import FileStorage
from wtforms import EmailField, Form, HiddenField, PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from ..database import Invalid
from .text import clean_line, clean_text, is_too_long

MESSAGE_CHARACTERS = 8000
EMAIL_CHARACTERS = 254
PASSWORD_CHARACTERS = 1024
ID_CHARACTERS = 64


def _line_of(limit: int) -> Callable[[str | None], str]:
    """Return what makes a field one line; far above its limit it stays as typed, for its validator to refuse."""

    def clean(value: str | None) -> str:
        return clean_line(value or "") if not is_too_long(value or "", limit) else value or ""

    return clean


def clean_email(value: str) -> str:
    """Return an e-mail address as it is compared: composed (NFC), on one line. One far too long stays as typed."""
    if is_too_long(value, EMAIL_CHARACTERS):
        return value
    return unicodedata.normalize("NFC", clean_line(value))


def normal_phone(value: str) -> str:
    """Write a phone number the international way when it parses as one, else leave it as typed."""
    try:
        written = phonenumbers.format_number(
            phonenumbers.parse(value, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL
        )
    except phonenumbers.NumberParseException:
        return value
    return written if len(written) <= 32 else value


def known_time_zone(value: str | None) -> str | None:
    """Return the name of a time zone if there is one of that name."""
    return value if value and len(value) <= ID_CHARACTERS and value in _time_zones() else None


@functools.cache
def _time_zones() -> set[str]:
    # Each look opens every file of the database: 50 ms in which nobody else is served. The package tzdata is among
    # them: it has the old names, which browsers send, and systems may not.
    # No browser knows the two that are left out.
    return zoneinfo.available_timezones() - {"Factory", "localtime"}


# The fewest that a number to call has anywhere; 112 helps nobody to call back.
FEWEST_DIGITS = 5


def check_phone(form: Form, field: StringField) -> None:
    """Refuse a phone number that nobody could call; none at all is fine.

    :raise ValidationError: when it has too few digits.
    """
    digits = sum(character.isdigit() for character in normal_phone(field.data or ""))  # of "+1-800-FLOWERS" too
    if field.data and digits < FEWEST_DIGITS:
        raise ValidationError(_("Use digits, like +49 30 901820, or leave it empty."))


class StartForm(Form):
    """The start of a chat. Everything but the message, or a picture, is optional.

    The message is kept as typed, to be shown again; `message_text` gives it as it is stored.
    """

    message = TextAreaField(_("Your message"))
    customer_name = StringField(
        _("Name"),
        filters=[_line_of(80)],
        validators=[Length(max=80, message=_("A name may have up to 80 characters."))],
    )
    customer_phone = StringField(
        _("Phone"),
        filters=[_line_of(32)],
        validators=[Length(max=32, message=_("A phone number may have up to 32 characters.")), check_phone],
    )
    time_zone = HiddenField()
    client_message_id = HiddenField()


class LoginForm(Form):
    """Who an agent is."""

    email = EmailField(
        _("E-mail"),
        filters=[lambda value: clean_email(value or "")],
        validators=[
            InputRequired(_("Enter your e-mail address.")),
            Length(max=EMAIL_CHARACTERS, message=_("An e-mail address has up to 254 characters.")),
        ],
    )
    password = PasswordField(
        _("Password"),
        validators=[
            InputRequired(_("Enter your password.")),
            Length(max=PASSWORD_CHARACTERS, message=_("A password has up to 1024 characters.")),
        ],
    )


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
    """Return the picture that was sent. A form without one sends an empty file without a name."""
    file = request.files.get("image")
    return file if file is not None and file.filename else None


def whole_number(name: str, default: int = 0) -> int:
    """Return a number of the query or the form; `default` when it is none that a counter can be."""
    text = request.values.get(name, "")
    return int(text) if len(text) <= 9 and text.isascii() and text.isdecimal() else default
