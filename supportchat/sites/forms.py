"""What admins type about a site: bounded, cleaned, and refused with a sentence at its field."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask_babel import format_decimal, gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, Field, Form, StringField, TextAreaField
from wtforms.validators import AnyOf, DataRequired, Length, Regexp, ValidationError

from ..database.rows import Site
from ..rendering.languages import SHIPPED
from ..server.hosts import is_loopback
from ..web.origins import origin
from ..web.text import clean_line, is_too_long
from .look import COLOUR, TEXT_CONTRAST, WHITE, contrast, is_readable

NAME_CHARACTERS = 80
GREETING_CHARACTERS = 160
KEY_CHARACTERS = 32
LIST_CHARACTERS = 6000
MOST = 20
KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
PARAMETER = re.compile(r"[^\s&=#?+%,;]{1,64}")
# Addresses stand in the policy of the page, where these would end the entry.
SEPARATORS = re.compile(r"[\s,;]+")


def _line(limit: int) -> Callable[[str | None], str]:
    """Return what makes a field one line; far above its limit it stays as typed, for its validator to refuse."""
    return lambda value: clean_line(value or "") if not is_too_long(value or "", limit) else value or ""


def clean_colour(value: str | None) -> str:
    """Return a colour as #rrggbb where it is one, however it was written."""
    digits = (value or "").strip().lower().removeprefix("#")[:64]
    if re.fullmatch("[0-9a-f]{3}", digits):
        digits = "".join(2 * digit for digit in digits)
    return f"#{digits}" if re.fullmatch("[0-9a-f]{6}", digits) else value or ""


class WithoutHttpsError(ValueError):
    """A site that others could change on its way."""


def origin_of_site(text: str) -> str:
    """Return the origin of an address that somebody has typed or copied, without what follows the host.

    `*.` may stand before a name of two parts or more, for all that end in it.

    :raise ValueError: when a site cannot be there. :raise WithoutHttpsError: when others could change it on its way.
    """
    address = text if "://" in text else f"https://{text}"
    scheme, _separator, rest = address.partition("://")
    found = origin(f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0]}", wildcard=True)
    host = urlsplit(found).hostname or ""
    # What a page without an origin says of itself is no name; and of a whole top-level domain nobody has all pages.
    if host == "null" or (host.startswith("*.") and "." not in host[2:].rstrip(".")):
        raise ValueError(found)
    if scheme.lower() == "http" and not is_loopback(host):
        raise WithoutHttpsError(found)
    return found


def check_colour(form: Form, field: Field) -> None:
    """Refuse a colour on which white text cannot be read, or that cannot be seen on the page.

    :raise ValidationError: with the contrast that it has.
    """
    if not COLOUR.fullmatch(field.data):
        raise ValidationError(_("Enter a colour like #9a3412."))
    if not is_readable(field.data):
        # Rounded down: 4.47 does not reach 4.5.
        found = math.floor(contrast(WHITE, field.data) * 10) / 10
        text = gettext(
            "White text on it is hard to read: the contrast is %(found)s:1, and %(wanted)s:1 is needed.",
            found=format_decimal(found),
            wanted=format_decimal(TEXT_CONTRAST),
        )
        raise ValidationError(text)


def check_origins(form: Form, field: Field) -> None:
    """Replace what was typed by origins, each once.

    :raise ValidationError: for the first that is none, or too many; what was typed stays.
    """
    found: dict[str, None] = {}
    for text in filter(None, SEPARATORS.split(field.data or "")):
        try:
            found[origin_of_site(text)] = None
        except ValueError as error:
            sentence = (
                _("“%(address)s” needs https. Only this machine can do without.")
                if isinstance(error, WithoutHttpsError)
                else _("“%(address)s” is not the address of a site. Write it like https://www.example.com.")
            )
            raise ValidationError(sentence % {"address": text[:80]}) from error
    if len(found) > MOST:
        raise ValidationError(_("Up to %(max)s addresses can be entered.") % {"max": MOST})
    field.data = "\n".join(found)


def check_parameters(form: Form, field: Field) -> None:
    """Replace what was typed by names of parameters, each once.

    :raise ValidationError: for the first that is none, or too many.
    """
    names = list(dict.fromkeys(filter(None, SEPARATORS.split(field.data or ""))))
    for name in names:
        if not PARAMETER.fullmatch(name):
            raise ValidationError(_("“%(name)s” cannot be the name of a parameter.") % {"name": name[:80]})
    if len(names) > MOST:
        raise ValidationError(_("Up to %(max)s names can be entered.") % {"max": MOST})
    field.data = " ".join(names)


def key_from(name: str) -> str:
    """Return a key that a name suggests; '' when there is nothing of it that a key may have."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:KEY_CHARACTERS].strip("-")


def _name() -> StringField:
    return StringField(
        _("Name"),
        filters=[_line(NAME_CHARACTERS)],
        validators=[
            DataRequired(_("Enter a name.")),
            Length(max=NAME_CHARACTERS, message=_("A name can have up to %(max)s characters.")),
        ],
    )


class NewSiteForm(Form):
    """Another site: its name, and its key, which the name suggests."""

    name = _name()
    key = StringField(
        _("Key"),
        filters=[lambda value: _line(KEY_CHARACTERS)(value).lower()],
        validators=[
            Regexp(
                rf"(?:{KEY.pattern})?\Z",
                message=_("A key has up to 32 letters from a to z, digits, and hyphens between them."),
            )
        ],
    )

    @property
    def wanted_key(self) -> str:
        """Return the key that was typed, or else the one that the name suggests."""
        return self.key.data or key_from(self.name.data or "")


class SiteForm(Form):
    """What can be changed about a site."""

    name = _name()
    colour = StringField(_("Colour"), filters=[clean_colour], validators=[check_colour])
    greeting = StringField(
        _("Greeting"),
        filters=[_line(GREETING_CHARACTERS)],
        validators=[Length(max=GREETING_CHARACTERS, message=_("A greeting can have up to %(max)s characters."))],
    )
    language = StringField(
        _("Language"),
        validators=[AnyOf(("", None, *SHIPPED), message=_("This language does not exist. Choose another one."))],
    )
    show_faces = BooleanField(_("Show who is online, with name and picture"))
    show_reply_time = BooleanField(_("Show how soon we usually reply"))
    allowed_origins = TextAreaField(
        _("Pages that may show the chat"),
        validators=[
            Length(max=LIST_CHARACTERS, message=_("This can have up to %(max)s characters.")),
            check_origins,
        ],
    )
    follow_pages = BooleanField(_("Show agents which page a customer is on"))
    kept_parameters = StringField(
        _("Parameters to keep"),
        validators=[
            Length(max=LIST_CHARACTERS, message=_("This can have up to %(max)s characters.")),
            check_parameters,
        ],
    )

    @classmethod
    def of(cls, site: Site) -> SiteForm:
        """Return the form with what a site has."""
        values: dict[str, Any] = {**site, "language": site["language"] or ""}
        return cls(
            data=values
            | {
                "allowed_origins": "\n".join(site["allowed_origins"]),
                "kept_parameters": " ".join(site["kept_parameters"]),
            }
        )

    @property
    def values(self) -> dict[str, Any]:
        """Return what was typed as `change_site` takes it."""
        values = dict(self.data)
        return values | {
            "greeting": values["greeting"] or None,
            "language": values["language"] or None,
            "allowed_origins": (values["allowed_origins"] or "").split(),
            "kept_parameters": (values["kept_parameters"] or "").split(),
        }
