"""What agents type about themselves."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import Form, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired

from ..agents.forms import PASSWORD_TOO_LONG, name_field


def _current() -> PasswordField:
    return PasswordField(
        _("Current password"), validators=[InputRequired(_("Enter your current password.")), PASSWORD_TOO_LONG]
    )


class NameForm(Form):
    """What an agent is called."""

    name = name_field(InputRequired(_("Enter your name.")))


class CodeForm(Form):
    """A code of the second step: of the app, or a recovery code."""

    code = StringField(_("Code"))
    recovery_code = StringField(_("Recovery code"))


class SetUpForm(Form):
    """What turns two-factor on: the current password, and a code of the app for the secret that the page shows."""

    secret = HiddenField()
    current = _current()
    code = StringField(_("Code from the app"), validators=[InputRequired(_("Enter the code that the app shows."))])


class ProofForm(Form):
    """What shows once more who somebody is: the current password, or a code."""

    proof = PasswordField(
        _("Current password, or a code"),
        validators=[InputRequired(_("Enter your current password, or a code.")), PASSWORD_TOO_LONG],
    )


class PasswordForm(Form):
    """Another password, and the present one."""

    current = _current()
    password = PasswordField(
        _("New password"), validators=[InputRequired(_("Enter a new password.")), PASSWORD_TOO_LONG]
    )
