"""What people type to log in, and to get an account."""

from __future__ import annotations

import re
import unicodedata

from flask_babel import lazy_gettext as _
from wtforms import EmailField, Form, PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, Regexp

from ..web.text import MISLEADING, clean_line, clean_text, is_too_long

EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 80
UNSEEN = rf"{MISLEADING}\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2065\u206a-\u206f\ufeff"
# One @, no space, and nothing that makes the address look like another one.
EMAIL = re.compile(rf"[^@\s{UNSEEN}]+@[^@\s{UNSEEN}]+\Z")
PASSWORD_CHARACTERS = 1024
SHORTEST_PASSWORD = 12
PASSWORD_TOO_LONG = Length(max=PASSWORD_CHARACTERS, message=_("A password can have up to %(max)s characters."))


def name_field(required: DataRequired | InputRequired) -> StringField:
    """Return a field for the name of an agent. :param required: says what is missing when it is empty."""
    return StringField(
        _("Name"),
        filters=[lambda value: clean_name(value or "")],
        validators=[
            required,
            Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters.")),
        ],
    )


class LoginForm(Form):
    """Who an agent is."""

    email = EmailField(
        _("E-mail"),
        filters=[lambda value: clean_email(value or "")],
        validators=[
            InputRequired(_("Enter your e-mail address.")),
            Length(max=EMAIL_CHARACTERS, message=_("An e-mail address can have up to %(max)s characters.")),
        ],
    )
    password = PasswordField(
        _("Password"),
        validators=[
            InputRequired(_("Enter your password.")),
            PASSWORD_TOO_LONG,
        ],
    )


def _new_email() -> EmailField:
    return EmailField(
        _("E-mail"),
        filters=[lambda value: clean_email(value or "")],
        validators=[
            DataRequired(_("Enter an e-mail address.")),
            Length(max=EMAIL_CHARACTERS, message=_("An e-mail address can have up to %(max)s characters.")),
            Regexp(EMAIL, message=_("This is not an e-mail address. Check it for typos.")),
        ],
    )


class PasswordForm(Form):
    """A new password."""

    password = PasswordField(
        _("Password"),
        validators=[
            InputRequired(_("Choose a password.")),
            Length(min=SHORTEST_PASSWORD, message=_("A password needs at least %(min)s characters.")),
            PASSWORD_TOO_LONG,
        ],
    )


class JoinForm(PasswordForm):
    """Who was invited, by the name that customers see."""

    name = name_field(DataRequired(_("Enter a name.")))


class SetupForm(JoinForm):
    """The first admin."""

    email = _new_email()


class InvitationForm(Form):
    """Who is invited."""

    email = _new_email()
    role = StringField()


class PersonForm(Form):
    """What an admin changes about somebody."""

    name = name_field(DataRequired(_("Enter a name.")))
    max_tickets = StringField(
        _("Open tickets at once"),
        filters=[lambda value: clean_name(value or "")],
        validators=[Regexp(r"(1000|[0-9]{1,3})\Z", message=_("Enter a whole number from 0 to 1,000."))],
    )


def clean_name(value: str) -> str:
    """Return a name on one line. One far too long stays as typed."""
    return value if is_too_long(value, NAME_CHARACTERS) else clean_line(value)


def clean_email(value: str) -> str:
    """Return an e-mail address as it is compared: composed (NFC), on one line. One far too long stays as typed."""
    if is_too_long(value, EMAIL_CHARACTERS):
        return value
    return unicodedata.normalize("NFC", " ".join(clean_text(value).split()))
