"""What a check has found."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """How a check ended: `state` is 'ok', 'warn' or 'fail'; `fix` says what to do.

    What to run is a script of `sql/`, named by `script`, or the statements in `sql`.
    """

    state: str
    text: str
    fix: str = ""
    script: str = ""
    sql: str = ""
