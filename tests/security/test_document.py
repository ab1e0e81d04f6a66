"""docs/security.md names a test for each row, and each of them exists."""

from __future__ import annotations

import re

from supportchat.config import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
ROW = re.compile(r"^\| ([BDEFL]?\d+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
CLASSES, FINDINGS, LOW, SECOND, DAY, HELD = 52, 12, 7, 16, 10, 6


def test_every_row_has_a_test_and_a_result() -> None:
    rows = {row[0]: row for row in ROW.findall(PAGE)}
    expected = [
        *map(str, range(1, CLASSES + 1)),
        *(f"F{n}" for n in range(1, FINDINGS + 1)),
        *(f"L{n}" for n in range(1, LOW + 1)),
        *(f"B{n}" for n in range(1, SECOND + 1)),
        *(f"D{n}" for n in range(1, DAY + 1)),
        *(f"E{n}" for n in range(1, HELD + 1)),
    ]
    assert list(rows) == expected
    assert [name for name, row in rows.items() if not NAMED.search(row[3])] == []


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > CLASSES
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), (file, name)


def test_every_test_of_a_row_is_named_with_it() -> None:
    rows = {row[0]: row[3] for row in ROW.findall(PAGE)}
    tests = [
        name
        for file in sorted((ROOT / "tests/security").glob("test_*.py"))
        for name in re.findall(r"def (test_rows?_\w+)\(", file.read_text())
    ]
    assert len(tests) > 30
    for name in tests:
        numbers = re.findall(r"(?<=_)(?:\d\d|[bde]\d+)(?=_)", name.partition("_row")[2])
        assert numbers, name
        missing = [number for number in numbers if number.lstrip("0").upper() not in rows]
        assert missing == [], name
