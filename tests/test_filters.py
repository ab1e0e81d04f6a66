"""How templates write names."""

from __future__ import annotations

import pytest

from supportchat.filters import first_name, initials


@pytest.mark.parametrize(
    ("name", "first", "letters"),
    [("Alice Kern", "Alice", "AK"), (" Bob", "Bob", "B"), ("", "", "?"), (" ", " ", "?")],
)
def test_any_name_can_be_written(name: str, first: str, letters: str) -> None:
    assert (first_name(name), initials(name)) == (first, letters)
