"""What people type, made fit for the database: cleaned, normalised, and refused with a sentence at its field."""

from __future__ import annotations

import functools
import re
import unicodedata
import uuid
import zoneinfo

import phonenumbers
from flask import request
from werkzeug.datastructures import FileStorage
from wtforms import EmailField, Form, HiddenField, PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from .database import Invalid

# Control characters but tab and line feed, and lone surrogates, which no database takes.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# Zero-width spaces, byte order marks, soft hyphens and their like; spaces; line feeds and tabs.
_INVISIBLE = ("Cf", "Zs", "Zl", "Zp", "Cc")


def clean_text(value: str | None) -> str:
    """Give a text with line feeds only, composed (NFC), without control characters and outer space.

    One that shows nothing is empty.
    """
    text = (value or "").replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", _UNPRINTABLE.sub("", text)).strip()
    return text if any(unicodedata.category(character) not in _INVISIBLE for character in text) else ""


def clean_line(value: str | None) -> str:
    """Give a text on one line."""
    return " ".join(clean_text(value).split())


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
    """Give the name of a time zone if there is one of that name."""
    return value if value in _time_zones() else None


@functools.cache
def _time_zones() -> set[str]:
    # Each look opens every file of the database: 50 ms in which nobody else is served.
    # No browser knows the two that are left out.
    return zoneinfo.available_timezones() - {"Factory", "localtime"}


# The fewest that a number to call has anywhere; 112 helps nobody to call back.
FEWEST_DIGITS = 5


def check_phone(form: Form, field: StringField) -> None:
    """Refuse a phone number that nobody could call; none at all is fine.

    :raise ValidationError: when it has too few digits.
    """
    digits = sum(character.isdigit() for character in field.data or "")
    if field.data and digits < FEWEST_DIGITS:
        raise ValidationError("Use digits, like +49 30 901820, or leave it empty.")


class StartForm(Form):
    """The start of a chat. Everything but the message, or a picture, is optional."""

    message = TextAreaField("Your message", filters=[clean_text])
    customer_name = StringField(
        "Name", filters=[clean_line], validators=[Length(max=80, message="A name may have up to 80 characters.")]
    )
    customer_phone = StringField(
        "Phone",
        filters=[clean_line],
        validators=[Length(max=32, message="A phone number may have up to 32 characters."), check_phone],
    )
    time_zone = HiddenField()
    client_message_id = HiddenField()


class LoginForm(Form):
    """Who an agent is."""

    email = EmailField("E-mail", filters=[clean_line], validators=[InputRequired("Enter your e-mail address.")])
    password = PasswordField("Password", validators=[InputRequired("Enter your password.")])


def new_message_id() -> str:
    """Give the id that a form carries for the message written in it."""
    return str(uuid.uuid4())


def message_id() -> str:
    """Give the client_message_id of the form that was sent, a new one for a form without.

    :raise Invalid: when it is not a UUID.
    """
    given = request.form.get("client_message_id") or new_message_id()
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        raise Invalid("not_understood") from error


def message_text() -> str:
    """Give the text of the message that was sent."""
    return clean_text(request.form.get("message"))


def shown_session() -> str | None:
    """Give the session that the page showed when its form was sent; None for a form that does not say.

    :raise Invalid: when it is not a UUID.
    """
    given = request.form.get("session")
    try:
        return str(uuid.UUID(given)) if given else None
    except ValueError as error:
        raise Invalid("not_understood") from error


def uploaded_image() -> FileStorage | None:
    """Give the picture that was sent. A form without one sends an empty file without a name."""
    file = request.files.get("image")
    return file if file is not None and file.filename else None


def whole_number(name: str, default: int = 0) -> int:
    """Give a number of the query or the form; `default` when it is none that a counter can be."""
    text = request.values.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else default
