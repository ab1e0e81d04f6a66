"""What is wrong with a catalog: what is missing, and what would break a page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from babel.messages.catalog import Catalog, Message

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
TAG = re.compile(r"<[^>]*>")


def problems(catalog: Catalog, texts: Catalog) -> list[str]:
    """Return what a catalog lacks of the texts in the code, or has wrong, a line for each."""
    wanted = {(text.context, text.id): text for text in texts if text.id}
    found = {(text.context, text.id): text for text in catalog if text.id}
    left_over = [f"no longer in the code: {_name(found[key])}" for key in found.keys() - wanted.keys()]
    lines = [*left_over]
    for key, text in wanted.items():
        lines += [f"{problem}: {_name(text)}" for problem in _problems_of(found.get(key), catalog.num_plurals)]
    return sorted(lines)


def problems_of_texts(texts: Catalog) -> list[str]:
    """Return what is wrong with texts in the code themselves."""
    return [f"a % that is no %(name)s: {_name(text)}" for text in texts if any("%" in _bare(t) for t in _all(text.id))]


def _problems_of(text: Message | None, num_plurals: int) -> Iterator[str]:
    if text is None or not all(_all(text.string)):
        yield "not translated"
        return
    if text.fuzzy:
        yield "not sure (fuzzy)"
    if text.pluralizable and len(_all(text.string)) != num_plurals:
        yield f"not {num_plurals} plural forms"
    wanted = _all(text.id)[-1]
    for translation in _all(text.string):
        yield from _differences(wanted, translation)


def _differences(text: str, translation: str) -> Iterator[str]:
    names, has = set(PLACEHOLDER.findall(text)), set(PLACEHOLDER.findall(translation))
    # A form for exactly one, or two, may say so without the number.
    if has - names or names - has - {"num"}:
        yield "other placeholders"
    if "%" in _bare(translation):
        yield "a % that is no %(name)s"
    if sorted(TAG.findall(text)) != sorted(TAG.findall(translation)):
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
