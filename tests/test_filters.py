"""How templates write names."""

from __future__ import annotations

import pytest

from supportchat.filters import first_name, initials


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
