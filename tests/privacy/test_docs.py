"""docs/privacy.md knows every column."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.config import ROOT

pytestmark = pytest.mark.mode("postgres")

PAGE = (ROOT / "docs" / "privacy.md").read_text()


def described() -> list[tuple[str, str]]:
    """Return the columns that the page names: of each table those with personal data, and those without."""
    tables = PAGE.partition("## Tables")[2].partition("## Files")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", tables, re.MULTILINE)
    without = re.findall(r"^- `(\w+)`: (.+)$", tables, re.MULTILINE)
    return [(table, column) for table, text in [*rows, *without] for column in re.findall(r"`(\w+)`", text)]


def test_every_column_is_described_once_with_its_personal_data_or_without_any(rows: Any) -> None:
    declared = rows("select table_name, column_name from _supportchat.declared_columns()")
    missing = sorted(set(declared) - set(described()))
    assert missing == [], "say in docs/privacy.md what they hold, why, and for how long"
    assert sorted(described()) == sorted(declared)
