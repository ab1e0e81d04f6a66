"""What agents type about themselves."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import Form, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from ..agents.forms import PASSWORD_CHARACTERS
from ..web.text import clean_line, is_too_long

NAME_CHARACTERS = 80
_PASSWORD_TOO_LONG = Length(max=PASSWORD_CHARACTERS, message=_("A password can have up to %(max)s characters."))


def _clean_name(value: str | None) -> str:
    return clean_line(value or "") if not is_too_long(value or "", NAME_CHARACTERS) else value or ""


class NameForm(Form):
    """What an agent is called."""

    name = StringField(
        _("Name"),
        filters=[_clean_name],
        validators=[
            InputRequired(_("Enter your name.")),
            Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters.")),
        ],
    )


class PasswordForm(Form):
    """Another password, and the present one."""

    current = PasswordField(
        _("Present password"), validators=[InputRequired(_("Enter your present password.")), _PASSWORD_TOO_LONG]
    )
    password = PasswordField(
        _("New password"), validators=[InputRequired(_("Enter a new password.")), _PASSWORD_TOO_LONG]
    )
