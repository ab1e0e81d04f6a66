"""`bin/translate`: brings the catalogs up to date with the code, or says what they lack."""

from __future__ import annotations

import sys

from babel.messages.catalog import Catalog

from ..rendering.languages import ENGLISH, SHIPPED
from . import catalogs, check

USAGE = "Usage: bin/translate [LANGUAGE ... | --check]"
HOME = "SHIPPED in supportchat/rendering/languages.py"


def main(arguments: list[str]) -> int:
    """Update all catalogs, with those of the languages named; `--check` changes nothing, and `compile` does no more."""
    if arguments == ["compile"]:
        catalogs.compile_all()
        return 0
    if arguments != ["--check"] and (unknown := set(arguments) - (SHIPPED.keys() - {ENGLISH})):
        print(USAGE, file=sys.stderr)
        if not any(name.startswith("-") for name in unknown):
            print(f"Add {', '.join(sorted(unknown))} to {HOME} first; English has no catalog.", file=sys.stderr)
        return 2
    texts = catalogs.texts_in_code()
    if arguments == ["--check"]:
        return 1 if report(texts) else 0
    update(texts, arguments)
    catalogs.compile_all()
    report(texts)
    return 0


def update(texts: Catalog, new_languages: list[str]) -> None:
    """Write the template, and into every catalog what is new in it. A text that has changed a little becomes fuzzy."""
    catalogs.write(texts)
    for language in sorted({*catalogs.languages(), *new_languages}):
        catalog = catalogs.read(language)
        catalog.update(texts)
        catalogs.write(catalog)


def report(texts: Catalog) -> bool:
    """Print what each language lacks, and return whether there is anything."""
    found = {"The code": check.problems_of_texts(texts)}
    found |= {language: check.problems(catalogs.read(language), texts) for language in catalogs.languages()}
    for name, problems in found.items():
        print(f"{name}: {f'{len(problems)} of {len(texts)} texts to do' if problems else 'complete'}")
        for problem in problems:
            print(f"  {problem}")
    return any(found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
