"""Each shipped language is complete: every text of the code, in every form that it needs, and none breaks a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from babel.support import Translations

from supportchat.rendering.languages import ENGLISH, SHIPPED
from supportchat.translations import catalogs
from supportchat.translations.__main__ import main
from supportchat.translations.check import problems, problems_of_texts

TRANSLATED = sorted(SHIPPED.keys() - {ENGLISH})


@pytest.fixture(scope="session")
def texts() -> Catalog:
    """Every text in the code."""
    return catalogs.texts_in_code()


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_shipped_language_is_complete(language: str, texts: Catalog) -> None:
    assert problems(catalogs.read(language), texts) == []


def test_the_sign_before_the_number_of_a_ticket_stays_there_in_arabic() -> None:
    # After Arabic letters a browser puts it behind the number, unless a mark of direction stands between.
    wrong = re.compile(r"[\u0600-\u06ff][^\u200e\u200f]*#%\(number\)s")
    assert [line for line in catalogs.file_of("ar").read_text().splitlines() if wrong.search(line)] == []


def test_every_catalog_is_of_a_shipped_language() -> None:
    assert catalogs.languages() == TRANSLATED


def test_the_template_for_translators_is_that_of_the_code(texts: Catalog) -> None:
    written = read_po(io.BytesIO(catalogs.TEMPLATE.read_bytes()))
    assert {(text.context, text.id) for text in written} == {(text.context, text.id) for text in texts}


def test_texts_in_the_code_have_names_for_what_is_filled_in(texts: Catalog) -> None:
    assert problems_of_texts(texts) == []


@pytest.mark.parametrize(
    ("text", "translation", "problem"),
    [
        ("Hello", "", "not translated: Hello"),
        ("Hello %(name)s", "Hallo", "other placeholders: Hello %(name)s"),
        ("Hello %(name)s", "Hallo %(nom)s", "other placeholders: Hello %(name)s"),
        ("All of it", "100 %", "a % that is no %(name)s: All of it"),
        ("Hello", "<b>Hallo</b>", "other tags: Hello"),
        ("Hello", "Hallo <i", "other tags: Hello"),
        ("Hello", 'Sag "Hallo"', 'a " that would end an attribute: Hello'),
        (("one", "%(num)s of %(all)s"), ("eins", ""), "not translated: one | %(num)s of %(all)s"),
        (("one", "%(num)s of %(all)s"), ("eins", "%(num)s"), "other placeholders: one | %(num)s of %(all)s"),
        (("one", "%(num)s"), ("eins", "viele"), "other placeholders: one | %(num)s"),
        ("%(num)s", "viele", "other placeholders: %(num)s"),
    ],
)
def test_what_is_wrong_with_a_translation_is_said(
    text: str | tuple[str, str], translation: str | tuple[str, str], problem: str
) -> None:
    texts, catalog = Catalog(), Catalog("de")
    texts.add(text)
    catalog.add(text, translation)
    assert problem in problems(catalog, texts)


def test_what_is_not_translated_comes_in_english_with_its_plurals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "FOLDER", tmp_path)
    for language in ("ar", "ja", "fr"):
        catalog = Catalog(language)
        catalog.add(("%(num)s row", "%(num)s rows"), ("%(num)s ligne", "") if language == "fr" else ())
        catalog.add("Hello", "")
        catalogs.write(catalog)
    catalogs.compile_all()
    for language in ("ar", "ja", "fr"):
        found = Translations.load(tmp_path, [language])
        forms = [found.ngettext("%(num)s row", "%(num)s rows", count) % {"num": count} for count in (0, 1, 2)]
        assert forms == ["0 rows", "1 row", "2 rows"]
        assert found.gettext("Hello") == "Hello"


@pytest.mark.parametrize("arguments", [["xx"], ["../de"], ["--help"], ["en"], ["--check", "de"], ["pt-BR"]])
def test_a_language_that_is_not_shipped_is_not_begun(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs, "write", lambda catalog: pytest.fail("written"))
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "Usage: bin/translate [LANGUAGE ... | --check]" in said
    assert "SHIPPED" in said or arguments[0].startswith("--")


def test_what_is_not_sure_or_left_over_is_said() -> None:
    texts, catalog = Catalog(), Catalog("de")
    texts.add("Hello")
    catalog.add("Hello", "Hallo", flags=["fuzzy"])
    catalog.add("Goodbye", "Tschüs")
    assert problems(catalog, texts) == ["no longer in the code: Goodbye", "not sure (fuzzy): Hello"]
