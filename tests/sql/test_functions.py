"""What the web code calls, and what the database has, are the same."""

from __future__ import annotations

import re
from typing import Any

from supportchat.config import ROOT
from supportchat.database import FUNCTIONS, REPEATABLE, Database


def test_what_stands_in_public_is_what_is_called() -> None:
    code = "".join(path.read_text() for path in (ROOT / "supportchat").rglob("*.py"))
    called = set(re.findall(r'(?:call|post|_say)\(\s*(?:database, )?"([a-z_]+)"', code))
    assert len(called) > 30
    assert called <= FUNCTIONS
    assert {name for name in FUNCTIONS if f'"{name}"' not in code} == set()


def test_every_function_is_there_and_gives_up_in_time(database: Database, rows: Any) -> None:
    assert database.call("missing_functions", names=sorted(FUNCTIONS)) == []
    limited = rows("select proname from pg_proc where array_to_string(proconfig, ' ') ~ 'statement_timeout'")
    assert {name for (name,) in limited} == FUNCTIONS
    assert REPEATABLE <= FUNCTIONS
