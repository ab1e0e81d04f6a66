"""What to call people by: of the one name that they have given, which no rule takes apart for every language."""

from __future__ import annotations

import itertools
import re

# "Dr. Hans Kern" is Hans; "Hans Kern, PhD" is no "PhD".
TITLES = re.compile(
    r"(dr|prof|mr|mrs|ms|mx|miss|sir|dame|lord|lady|rev|herr|frau|mme|mlle|sra?|srta|señora?|señorita"
    r"|captain|rabbi|sheikh|dott\.ssa|dott|dipl\.-ing|ing|mag)\.?",
    re.I,
)
# More than one person, or none at all: "Anna & Tom", "Mr and Mrs Smith", "Familie Kern", "Support Team".
SEVERAL = re.compile(r"(?:^|\s)(?:&|\+|and|und|et|y|family|familie|famille|familia|team|support)(?:\s|$)", re.I)
SUFFIXES = re.compile(r"(jr|sr|i{2,3}|iv|ph\.?d|m\.?d|dds|mba|esq)\.?", re.I)
# What a name can begin with that nobody is called by: an article, a particle, a family name that stands first.
NO_FIRST_NAMES = re.compile(
    r"(the|an?|der|die|das|le|la|les|el|los|las|van|von|de|da|di|du|del|al|bin|ibn|abu|nguyen|tran|pham)", re.I
)
# Vietnamese, Chinese, Japanese and Korean names begin with the family's.
FAMILY_FIRST = re.compile("[\u1ea0-\u1ef9\u01a0\u01a1\u01af\u01b0\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def called(name: str) -> str:
    """Return what to call somebody by: the first name where it is plain which word that is, else the whole name."""
    if SEVERAL.search(name):
        return name
    family, _, given = (part.strip() for part in _without_suffixes(name).partition(","))
    if not given or SUFFIXES.fullmatch(given):
        family, given = "", family
    whole = f"{given} {family}".strip()
    words = given.split()
    named = [*itertools.dropwhile(lambda word: TITLES.fullmatch(word), words)]
    is_all_there_is = len(named) < len(words) and len(named) < 2 and not family  # "Dr. Kern"
    if not named or is_all_there_is or _is_no_first_name(named[0]) or FAMILY_FIRST.search(name):
        return whole or name
    return named[0]


def _without_suffixes(name: str) -> str:
    """Return "Smith, John" of "Smith, John, Jr."."""
    parts = name.split(",")
    while len(parts) > 2 and (not parts[-1].strip() or SUFFIXES.fullmatch(parts[-1].strip())):
        parts.pop()
    return ",".join(parts)


def _is_no_first_name(word: str) -> bool:
    is_initial = len(word) == 1 or "." in word
    return is_initial or not word[0].isalnum() or NO_FIRST_NAMES.fullmatch(word) is not None
