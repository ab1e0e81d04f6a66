"""What a token says of a customer, as far as the desk keeps it."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from ..web.text import clean_line, is_all_seen

SUB_CHARACTERS = 255
NAME_CHARACTERS = 80
EMAIL_CHARACTERS = 254
MOST_ATTRIBUTES = 20
ATTRIBUTE_CHARACTERS = 40
VALUE_CHARACTERS = 200
LARGEST = 10**15
EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,189}")

Value = str | int | float | bool


class Named(NamedTuple):
    """Whom a site has named: by `sub`, and what it says of them."""

    sub: str
    name: str | None
    email: str | None
    attributes: dict[str, Value]


def named_by(claims: dict[str, Any]) -> Named:
    """Return whom the claims of a token name. What is too long is cut, what cannot be kept is left out.

    :raise ValueError: when there is no usable sub.
    """
    return Named(_sub(claims.get("sub")), _name(claims.get("name")), _email(claims), _attributes(claims))


def _sub(value: Any) -> str:
    # Compared as it is, so nothing may be in it that cannot be seen: two people would look like one.
    if not isinstance(value, str) or not 0 < len(value) <= SUB_CHARACTERS:
        raise ValueError("sub")
    if not value.isprintable() or value != value.strip() or not is_all_seen(value):
        raise ValueError("sub: characters")
    return value


def _name(value: Any) -> str | None:
    return _line(value, NAME_CHARACTERS) or None


def _email(claims: dict[str, Any]) -> str | None:
    value = _line(claims.get("email"), EMAIL_CHARACTERS + 1)
    # One with characters that nobody sees would look like another one.
    is_address = len(value) <= EMAIL_CHARACTERS and value.isprintable() and EMAIL.fullmatch(value)
    # Some issuers write it as a text. Whatever it is, only one value says yes.
    is_denied = claims.get("email_verified", True) not in (True, "true")
    return value if is_address and not is_denied else None


def _attributes(claims: dict[str, Any]) -> dict[str, Value]:
    given = claims.get("attributes")
    kept: dict[str, Value] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        called, known = _line(name, ATTRIBUTE_CHARACTERS), _value(value)
        if called and known is not None and len(kept) < MOST_ATTRIBUTES:
            kept[called] = known
    return kept


def _value(value: Any) -> Value | None:
    if isinstance(value, str):
        return _line(value, VALUE_CHARACTERS) or None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= LARGEST:
        return value
    return None


def _line(value: Any, most: int) -> str:
    """Return a text on one line and cut; '' for anything else."""
    return clean_line(value[: 4 * most])[:most].strip() if isinstance(value, str) else ""
