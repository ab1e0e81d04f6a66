"""How templates write names."""

from __future__ import annotations

import pytest
from flask import Flask

from supportchat.rendering.filters import (
    bdi,
    callable_number,
    customer_name,
    decimal,
    duration,
    first_name,
    first_sentence,
    hue,
    initials,
    listed,
)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Dr. Hans Müller", "Hans"),
        ("Prof. Dr. Eva Lind", "Eva"),
        ("Herr Kern", "Herr Kern"),
        ("Dr. House", "Dr. House"),
        ("Müller,", "Müller"),
        ("Müller, Hans", "Hans"),
        ("Müller, Dr. Hans", "Hans"),
        ("Müller, Dr.", "Dr. Müller"),
        (", Hans", "Hans"),
        ("Alice Kern, PhD", "Alice"),
        ("Sam Reed, Jr.", "Sam"),
        ("Smith, John, Jr.", "John"),
        ("Mr and Mrs Smith", "Mr and Mrs Smith"),
        ("Anna & Tom", "Anna & Tom"),
        ("Anna und Tom", "Anna und Tom"),
        ("Familie Kern", "Familie Kern"),
        ("Support Team", "Support Team"),
        ("Dott.ssa Maria Rossi", "Maria"),
        ("Señor López", "Señor López"),
        ("Lord Byron", "Lord Byron"),
        ("Captain Ana Ruiz", "Ana"),
        ("Don Reed", "Don"),
        ("Andrew Etcher", "Andrew"),
        ("The Support Team", "The Support Team"),
        ("van der Berg", "van der Berg"),
        ("J. R. Reed", "J. R. Reed"),
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        ("Nguyen Van An", "Nguyen Van An"),
        ("田中 太郎", "田中 太郎"),
        ("김 민준", "김 민준"),
        ("🎉 Anna", "🎉 Anna"),
        ("Dr.", "Dr."),
        (",", ","),
        ("Jean-Luc  Picard", "Jean-Luc"),
        ("Олена Коваль", "Олена"),
    ],
)
def test_nobody_is_called_by_a_title_an_article_or_a_comma(name: str, called: str) -> None:
    assert first_name(name) == called


@pytest.mark.parametrize(
    ("name", "first", "letters"),
    [("Alice Kern", "Alice", "AK"), (" Bob", "Bob", "B"), ("", "an agent", "?"), (" ", " ", "?")],
)
def test_any_name_can_be_written(name: str, first: str, letters: str) -> None:
    assert (first_name(name), initials(name)) == (first, letters)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, ""),
        (0, "0 sec"),
        (59, "59 sec"),
        (59.6, "1 min"),
        (89, "1 min"),
        (3569, "59 min"),
        (3570, "1 hr"),
        (3599, "1 hr"),
        (47.4 * 3600, "47 hr"),
        (47.6 * 3600, "2 days"),
        (71 * 3600, "3 days"),
    ],
)
def test_a_duration_is_rounded_into_the_unit_that_it_reaches(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written


def test_a_list_of_names_is_written_as_text() -> None:
    assert listed(["<Ann>", bdi("B&B")]) == "&lt;Ann&gt; and <bdi>B&amp;B</bdi>"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Page not found.", ("Page not found.", "")),
        ("This is supportchat 1.2. Reload it. Twice.", ("This is supportchat 1.2.", "Reload it. Twice.")),
        ("ページが見つかりません。もう一度お試しください。", ("ページが見つかりません。", "もう一度お試しください。")),
        ("لا يعمل؟ أعد التحميل.", ("لا يعمل؟", "أعد التحميل.")),
    ],
)
def test_the_heading_of_an_error_is_its_first_sentence(text: str, parts: tuple[str, str]) -> None:
    assert first_sentence(text) == parts


def test_customers_without_a_name_can_be_told_apart() -> None:
    assert [customer_name(None, 1001), customer_name("", 1002), customer_name("Vera", 1003)] == [
        "Visitor 1001",
        "Visitor 1002",
        "Vera",
    ]


def test_a_person_has_one_of_eight_colours_and_keeps_it() -> None:
    colours = {hue(f"person {number}") for number in range(100)}
    assert colours == set(range(8))
    assert hue("person 1") == hue("person 1")
    assert hue(None) in colours


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+49 30 901820", "+4930901820"),
        ("(030) 90-18 20", "030901820"),
        ("٠٣٠٩٠١٨٢٠", "030901820"),
        ("call me maybe", ""),
        ("030 901820, after five", ""),
        ("javascript:alert(12345)", ""),
        ("1234", ""),
        ("1" * 16, ""),
        ("", ""),
    ],
)
def test_only_what_can_be_called_makes_a_link(phone: str, number: str) -> None:
    assert callable_number(phone) == number


@pytest.mark.mode("postgres")
def test_a_number_is_written_as_the_language_of_the_page_does(app: Flask) -> None:
    with app.test_request_context("/status", headers={"Accept-Language": "de"}):
        assert [decimal(3.7), decimal(1234)] == ["3,7", "1.234"]
