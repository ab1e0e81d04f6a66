"""What agents type to log in."""

from __future__ import annotations

import unicodedata

from flask_babel import lazy_gettext as _
from wtforms import EmailField, Form, PasswordField
from wtforms.validators import InputRequired, Length

from ..web.text import clean_line, is_too_long

EMAIL_CHARACTERS = 254
PASSWORD_CHARACTERS = 1024


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
            Length(max=PASSWORD_CHARACTERS, message=_("A password can have up to %(max)s characters.")),
        ],
    )


def clean_email(value: str) -> str:
    """Return an e-mail address as it is compared: composed (NFC), on one line. One far too long stays as typed."""
    if is_too_long(value, EMAIL_CHARACTERS):
        return value
    return unicodedata.normalize("NFC", clean_line(value))
