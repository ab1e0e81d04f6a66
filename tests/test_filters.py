"""How templates write names."""

from __future__ import annotations

import pytest

from supportchat.filters import callable_number, first_name, initials


@pytest.mark.parametrize(
    ("name", "first", "letters"),
    [("Alice Kern", "Alice", "AK"), (" Bob", "Bob", "B"), ("", "", "?"), (" ", " ", "?")],
)
def test_any_name_can_be_written(name: str, first: str, letters: str) -> None:
    assert (first_name(name), initials(name)) == (first, letters)


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
