"""What to call people by: of the one name that they have given, which no rule takes apart for every language."""

from __future__ import annotations

import itertools
import re

# "Dr. Hans Kern" is Hans; "Hans Kern, PhD" is no "PhD".
TITLES = re.compile(
    r"(dr|prof|mr|mrs|ms|mx|miss|sir|dame|rev|herr|frau|mme|mlle|sra?|srta|dipl\.-ing|ing|mag)\.?", re.I
)
SUFFIXES = re.compile(r"(jr|sr|i{2,3}|iv|ph\.?d|m\.?d|dds|mba|esq)\.?", re.I)
# What a name can begin with that nobody is called by: an article, a particle, a family name that stands first.
NO_FIRST_NAMES = re.compile(
    r"(the|an?|der|die|das|le|la|les|el|los|las|van|von|de|da|di|du|del|al|bin|ibn|abu|nguyen|tran|pham)", re.I
)
# Vietnamese, Chinese, Japanese and Korean names begin with the family's.
FAMILY_FIRST = re.compile("[\u1ea0-\u1ef9\u01a0\u01a1\u01af\u01b0\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def called(name: str) -> str:
    """Return what to call somebody by: the first name where it is plain which word that is, else the whole name."""
    family, _, given = (part.strip() for part in name.partition(","))
    if not given or SUFFIXES.fullmatch(given):
        family, given = "", family
    whole = f"{given} {family}".strip()
    words = given.split()
    named = [*itertools.dropwhile(lambda word: TITLES.fullmatch(word), words)]
    is_all_there_is = len(named) < len(words) and len(named) < 2 and not family  # "Dr. Kern"
    if not named or is_all_there_is or _is_no_first_name(named[0]) or FAMILY_FIRST.search(name):
        return whole or name
    return named[0]


def _is_no_first_name(word: str) -> bool:
    is_initial = len(word) == 1 or word.endswith(".")
    return is_initial or not word[0].isalnum() or NO_FIRST_NAMES.fullmatch(word) is not None
