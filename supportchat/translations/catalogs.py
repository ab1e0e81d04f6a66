"""The catalogs: which texts the code has, what each language makes of them, and the files in which both are kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
TEMPLATE = FOLDER / "messages.pot"
SOURCES = [("supportchat/**.py", "python"), ("templates/**.html", "jinja2")]
# What marks a text in the code.
KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS,
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "lazy_pgettext": ((1, "c"), 2),
}
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}
# No dates, which would make a change of every run.
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def languages() -> list[str]:
    """Return the languages that have a catalog."""
    return sorted(path.parent.parent.name for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))


def file_of(language: str) -> Path:
    """Return the file of a language's catalog."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def texts_in_code() -> Catalog:
    """Return every text that the code and the templates put through gettext."""
    catalog = Catalog()
    for folder in ("supportchat", "templates"):
        found = extract_from_dir(
            ROOT / folder,
            [(pattern.removeprefix(f"{folder}/"), method) for pattern, method in SOURCES if pattern.startswith(folder)],
            {pattern.removeprefix(f"{folder}/"): options for pattern, options in OPTIONS.items()},
            KEYWORDS,
            comment_tags=("Translators:",),
            strip_comment_tags=True,
        )
        for file, line, text, comments, context in found:
            catalog.add(text, locations=[(f"{folder}/{file}", line)], auto_comments=comments, context=context)
    return catalog


def read(language: str) -> Catalog:
    """Return a language's catalog; an empty one for a language that is new."""
    file = file_of(language)
    content = file.read_bytes() if file.exists() else b""
    return read_po(io.BytesIO(content), Locale.parse(language))


def write(catalog: Catalog) -> None:
    """Write a catalog, or the template of all when it has no language."""
    language = str(catalog.locale or "")
    file = file_of(language) if language else TEMPLATE
    header = HEADER.format(language=language, plural_forms=catalog.plural_forms)
    content = io.BytesIO()
    write_po(
        content, catalog, width=120, omit_header=True, sort_by_file=True, include_lineno=False, ignore_obsolete=True
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(header.encode() + content.getvalue())


def compile_all() -> None:
    """Write the compiled catalogs, which the pages read. Texts that are missing or not sure (fuzzy) stay English."""
    for language in languages():
        catalog = read(language)
        # Babel fills missing plural forms with English ones, by the other language's rule: "5 row" in Japanese.
        for text in [text for text in catalog if text.id and not is_translated(text)]:
            catalog.delete(text.id, text.context)
        with file_of(language).with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)


def is_translated(text: Message) -> bool:
    """Whether a text has a translation, and each of its plural forms has one."""
    forms = [text.string] if isinstance(text.string, str) else text.string or []
    return bool(forms) and all(forms)
