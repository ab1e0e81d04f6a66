"""Cells of tables that people open in a spreadsheet, which must not take any for a formula."""

from __future__ import annotations

import re
from typing import Any

# A spreadsheet takes a cell that begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection
# Some look behind quotes, spaces and what nobody sees, and some begin a cell at every comma or semicolon.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
_BEFORE = rf"(?:[\"'`“”„‘’«»{_UNSEEN}]|[^\S\t\r\n])*"
_SIGN = r"[=+@\-\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20]"
# Behind apostrophes, too: else one of the text would be taken for ours.
FORMULA = re.compile(rf"^(?='*[\t\r\n])|(^|[;,\t\r\n])(?={_BEFORE}{_SIGN})")
_GUARDED = re.compile(rf"^'(?='*[\t\r\n])|(^|[;,\t\r\n])'(?={_BEFORE}{_SIGN})")


def safe_cell(value: Any) -> str:
    """Return a value that no spreadsheet takes for a formula."""
    return FORMULA.sub(r"\1'", "" if value is None else str(value))


def value_of_cell(cell: str) -> str:
    """Return the text that `safe_cell` has made a cell of."""
    return _GUARDED.sub(r"\1", cell)
