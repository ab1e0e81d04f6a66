"""What agents type about themselves."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import Form, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from ..agents.forms import NAME_CHARACTERS, PASSWORD_CHARACTERS, clean_name

_PASSWORD_TOO_LONG = Length(max=PASSWORD_CHARACTERS, message=_("A password can have up to %(max)s characters."))


class NameForm(Form):
    """What an agent is called."""

    name = StringField(
        _("Name"),
        filters=[lambda value: clean_name(value or "")],
        validators=[
            InputRequired(_("Enter your name.")),
            Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters.")),
        ],
    )


class CodeForm(Form):
    """A code of the second step: of the app, or a recovery code."""

    code = StringField(_("Code"))
    recovery_code = StringField(_("Recovery code"))


class SetUpForm(Form):
    """What turns two-factor on: the current password, and a code of the app for the secret that the page shows."""

    secret = HiddenField()
    current = PasswordField(
        _("Current password"), validators=[InputRequired(_("Enter your current password.")), _PASSWORD_TOO_LONG]
    )
    code = StringField(_("Code from the app"), validators=[InputRequired(_("Enter the code that the app shows."))])


class ProofForm(Form):
    """What shows once more who somebody is: the current password, or a code."""

    proof = PasswordField(
        _("Current password, or a code"),
        validators=[InputRequired(_("Enter your current password, or a code.")), _PASSWORD_TOO_LONG],
    )


class PasswordForm(Form):
    """Another password, and the present one."""

    current = PasswordField(
        _("Current password"), validators=[InputRequired(_("Enter your current password.")), _PASSWORD_TOO_LONG]
    )
    password = PasswordField(
        _("New password"), validators=[InputRequired(_("Enter a new password.")), _PASSWORD_TOO_LONG]
    )
