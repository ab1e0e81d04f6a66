"""What admins type about how a site names its customers."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, Form, SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import Length, StopValidation, ValidationError

from ..config import current_config
from ..database.rows import SiteIdentity
from ..server.hosts import is_loopback
from .tokens import ALGORITHMS

CHARACTERS = 500
MOST_MINUTES = 1440


def _stripped(value: str | None) -> str:
    return (value or "").strip()


def if_by_issuer(form: Form, field: Field) -> None:
    """Skip the other checks of a field that only an issuer needs.

    :raise StopValidation: without a sentence where there is no issuer, with one where the field is empty.
    """
    if form.data["method"] != "issuer":
        raise StopValidation
    if not field.data:
        raise StopValidation(str(_("An issuer needs this.")))


def check_address(form: Form, field: Field) -> None:
    """Refuse an address from which no keys should be read.

    :raise ValidationError: when it is none, or others could change what comes from there.
    """
    try:
        parts = urlsplit(field.data)
        host = parts.hostname or ""
        is_plain = field.data.isascii() and field.data.isprintable() and not set("@#\\ ") & set(field.data)
    except ValueError:
        host, is_plain = "", False
    # Without https only for a desk that is tried out on the same machine.
    is_local = parts.scheme == "http" and is_loopback(host) and not current_config().is_https if host else False
    if not host or not is_plain or not (parts.scheme == "https" or is_local):
        raise ValidationError(_("Enter an address that begins with https://."))


def check_minutes(form: Form, field: Field) -> None:
    """Refuse what is no number of minutes.

    :raise ValidationError: with what it may be.
    """
    if not re.fullmatch("[0-9]{1,4}", field.data) or not 1 <= int(field.data) <= MOST_MINUTES:
        raise ValidationError(_("Enter a whole number from %(min)s to %(max)s.") % {"min": 1, "max": MOST_MINUTES})


def _line(label: Any, *validators: Any) -> StringField:
    limit = Length(max=CHARACTERS, message=_("This can have up to %(max)s characters."))
    return StringField(label, filters=[_stripped], validators=[*validators, limit])


class IdentityForm(Form):
    """How a site names its customers."""

    method = SelectField(
        _("How your site identifies customers"),
        choices=[
            SelectChoice("off", _("It doesn’t")),
            SelectChoice("secret", _("With tokens that it signs with a secret (HS256)")),
            SelectChoice("issuer", _("With tokens of an issuer, such as Supabase Auth")),
        ],
    )
    issuer = _line(_("Issuer (iss)"), if_by_issuer)
    keys_url = _line(_("Address of its keys (JWKS)"), if_by_issuer, check_address)
    algorithm = SelectField(
        _("Algorithm"), choices=[SelectChoice(name, name) for name in ALGORITHMS], default=ALGORITHMS[0]
    )
    audience = _line(_("Audience (aud)"))
    longest_minutes = StringField(
        _("Longest time a token may last, in minutes"), filters=[_stripped], validators=[check_minutes]
    )
    shows_card = BooleanField(_("Show the customer card"))

    @classmethod
    def of(cls, identity: SiteIdentity) -> IdentityForm:
        """Return the form with what a site has."""
        return cls(data={**identity, "longest_minutes": str(identity["longest_minutes"])})

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether it can be saved: tokens of an issuer are for whoever they name, so that has to be said as well."""
        is_valid = super().validate(extra_validators)
        if self.method.data == "issuer" and not self.audience.data:
            self.audience.errors = [*self.audience.errors, _("An issuer needs this.")]
            return False
        return is_valid

    @property
    def values(self) -> dict[str, Any]:
        """Return what was typed as `change_identity` takes it."""
        values = dict(self.data)
        texts = {name: values[name] or None for name in ("issuer", "keys_url", "audience")}
        return values | texts | {"longest_minutes": int(values["longest_minutes"])}
