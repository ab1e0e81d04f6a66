"""Sets the clock of a Python process by a file, from its start: the folder of this file stands in its PYTHONPATH.

libfaketime cannot do it: Python's `time.sleep` fails under it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_OFFSET = Path(os.environ["CLOCK_OFFSET_FILE"])
_right = time.time


def _wrong() -> float:
    with contextlib.suppress(OSError, ValueError):
        return _right() + float(_OFFSET.read_text())
    return _right()


time.time = _wrong
