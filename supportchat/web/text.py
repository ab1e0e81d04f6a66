"""What people type, bounded first and then made fit to be kept. Everything here is linear in what it is given."""

from __future__ import annotations

import re
import unicodedata

# How many times its limit a field may have before it is cleaned: line ends of two characters, spaces around.
SLACK = 4

# Control characters but tab and line feed, and lone surrogates, which no database takes.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# Format characters, spaces, line ends, and combining marks without a base: a text of these alone shows nothing.
_INVISIBLE = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Mc", "Me")
# Letters, symbols and unassigned code points that are drawn as nothing, by Unicode's Default_Ignorable_Code_Point and
# by their names: Hangul fillers, the blank Braille pattern, the null notehead of music, blank hieroglyphs, the object
# replacement character, and noncharacters.
_BLANK = re.compile(
    "[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\ufffc\ufdd0-\ufdef\ufffe\uffff\U00013430-\U00013455"
    "\U0001d159\U000e0000-\U000e0fff]"
)

# Formatting characters that make what follows look like something else (the directions of Unicode's bidirectional
# algorithm), or that nobody sees at all (tags). Marks that texts in Arabic or Hebrew need are not among them.
MISLEADING = "\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f"
_MISLEADING = re.compile(f"[{MISLEADING}]")


def is_too_long(value: str, limit: int) -> bool:
    """Whether a text is so far over its limit that nothing is to be done with it but refuse it."""
    return len(value) > SLACK * limit


def clean_text(value: str) -> str:
    """Return a text with line feeds only and without control characters, blank lines before it and space after it.

    One that shows nothing is empty. It is not composed: that changes what people have typed (kanji of names), and is
    quadratic in marks.
    """
    text = _UNPRINTABLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).rstrip()
    indent = len(text) - len(text.lstrip())
    text = text[text.rfind("\n", 0, indent) + 1 :]
    return text if shows_something(text) else ""


def clean_line(value: str) -> str:
    """Return a text on one line, without characters that make it look like another one."""
    return " ".join(_MISLEADING.sub("", clean_text(value)).split())


def shows_something(text: str) -> bool:
    """Whether there is anything to see in a text."""
    return any(unicodedata.category(character) not in _INVISIBLE for character in _BLANK.sub("", text))


def is_all_seen(text: str) -> bool:
    """Whether no character of a text is drawn as nothing."""
    return _BLANK.search(text) is None
