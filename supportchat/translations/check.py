"""What is wrong with a catalog: what is missing, and what would break a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from gettext import c2py

from babel.messages.catalog import Catalog, Message

from .catalogs import is_translated

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
TAG = re.compile(r"<[^>]*>")
NUMBERS = range(1000)  # enough to find out which of them share a plural form


def problems(catalog: Catalog, texts: Catalog) -> list[str]:
    """Return what a catalog lacks of the texts in the code, or has wrong, a line for each."""
    wanted = {(text.context, text.id): text for text in texts if text.id}
    found = {(text.context, text.id): text for text in catalog if text.id}
    left_over = [f"no longer in the code: {_name(found[key])}" for key in found.keys() - wanted.keys()]
    lines = [*left_over]
    for key, text in wanted.items():
        lines += [f"{problem}: {_name(text)}" for problem in _problems_of(found.get(key), catalog)]
    return sorted(lines)


def problems_of_texts(texts: Catalog) -> list[str]:
    """Return what is wrong with texts in the code themselves."""
    return [f"a % that is no %(name)s: {_name(text)}" for text in texts if any("%" in _bare(t) for t in _all(text.id))]


def _problems_of(text: Message | None, catalog: Catalog) -> Iterator[str]:
    if text is None or not is_translated(text):
        yield "not translated"
        return
    if text.fuzzy:
        yield "not sure (fuzzy)"
    forms = _all(text.string)
    if text.pluralizable and len(forms) != catalog.num_plurals:
        yield f"not {catalog.num_plurals} plural forms"
    wanted = _all(text.id)[-1]
    numberless = _numberless_forms(text, catalog) if text.pluralizable else set()
    for position, form in enumerate(forms):
        yield from _differences(wanted, form, {"num"} if position in numberless else set())


def _numberless_forms(text: Message, catalog: Catalog) -> set[int]:
    """Return the plural forms that need not say the number: those for only one, and that for 1 if English does not."""
    form_of = c2py(catalog.plural_expr)
    forms = {form for form, count in Counter(form_of(number) for number in NUMBERS).items() if count == 1}
    return forms if "num" in PLACEHOLDER.findall(text.id[0]) else forms | {form_of(1)}


def _differences(text: str, translation: str, unneeded: set[str]) -> Iterator[str]:
    names, has = set(PLACEHOLDER.findall(text)), set(PLACEHOLDER.findall(translation))
    if has - names or names - has - unneeded:
        yield "other placeholders"
    if "%" in _bare(translation):
        yield "a % that is no %(name)s"
    if sorted(TAG.findall(text)) != sorted(TAG.findall(translation)) or "<" in TAG.sub("", translation):
        yield "other tags"
    if translation.count('"') > text.count('"'):  # templates do not escape what the catalogs say
        yield 'a " that would end an attribute'
    if (text != text.strip()) != (translation != translation.strip()):
        yield "other spaces around it"


def _bare(text: str) -> str:
    return PLACEHOLDER.sub("", text)


def _all(texts: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts or [""])


def _name(text: Message) -> str:
    return " | ".join([*([f"[{text.context}]"] if text.context else []), *_all(text.id)])
