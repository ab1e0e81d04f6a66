"""How templates write names."""

from __future__ import annotations

import pytest

from supportchat.filters import duration, first_name, initials


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
    [("Alice Kern", "Alice", "AK"), (" Bob", "Bob", "B"), ("", "", "?"), (" ", " ", "?")],
)
def test_any_name_can_be_written(name: str, first: str, letters: str) -> None:
    assert (first_name(name), initials(name)) == (first, letters)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, ""),
        (0, "0 s"),
        (59, "59 s"),
        (59.6, "1 min"),
        (89, "1 min"),
        (3569, "59 min"),
        (3570, "1 h"),
        (3599, "1 h"),
        (47.4 * 3600, "47 h"),
        (47.6 * 3600, "2 days"),
        (71 * 3600, "3 days"),
    ],
)
def test_a_duration_is_rounded_into_the_unit_that_it_reaches(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written
