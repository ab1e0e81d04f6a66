"""What customers type to start a chat: bounded, cleaned, and refused with a sentence at its field."""

from __future__ import annotations

from collections.abc import Callable

import phonenumbers
from flask_babel import lazy_gettext as _
from wtforms import Form, HiddenField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from ..web.text import clean_line, is_too_long

NAME_CHARACTERS = 80
PHONE_CHARACTERS = 32
# The fewest that a number to call has anywhere; 112 helps nobody to call back.
FEWEST_DIGITS = 5


def _line_of(limit: int) -> Callable[[str | None], str]:
    """Return what makes a field one line; far above its limit it stays as typed, for its validator to refuse."""

    def clean(value: str | None) -> str:
        return clean_line(value or "") if not is_too_long(value or "", limit) else value or ""

    return clean


def check_phone(form: Form, field: StringField) -> None:
    """Refuse a phone number that nobody could call; none at all is fine.

    :raise ValidationError: when it has too few digits.
    """
    digits = sum(character.isdigit() for character in normal_phone(field.data or ""))  # of "+1-800-FLOWERS" too
    if field.data and digits < FEWEST_DIGITS:
        raise ValidationError(_("Enter a phone number, like +49 30 901820, or leave this empty."))


def normal_phone(value: str) -> str:
    """Write a phone number the international way when it parses as one, else leave it as typed."""
    try:
        written = phonenumbers.format_number(
            phonenumbers.parse(value, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL
        )
    except phonenumbers.NumberParseException:
        return value
    return written if len(written) <= PHONE_CHARACTERS else value


NAME_TOO_LONG = Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters."))


class NameForm(Form):
    """What the customer of a chat is called, asked after the first message."""

    customer_name = StringField(
        _("Name"), filters=[_line_of(NAME_CHARACTERS)], validators=[DataRequired(_("Enter a name.")), NAME_TOO_LONG]
    )


class StartForm(Form):
    """The start of a chat. Everything but the message, or a picture, is optional.

    The message is kept as typed, to be shown again; `message_text` gives it as it is stored.
    """

    message = TextAreaField(_("Your message"))
    customer_name = StringField(
        _("Name"),
        filters=[_line_of(NAME_CHARACTERS)],
        validators=[NAME_TOO_LONG],
    )
    customer_phone = StringField(
        _("Phone"),
        filters=[_line_of(PHONE_CHARACTERS)],
        validators=[
            Length(max=PHONE_CHARACTERS, message=_("A phone number can have up to %(max)s characters.")),
            check_phone,
        ],
    )
    time_zone = HiddenField()
    framed_on = HiddenField()
    client_message_id = HiddenField()
