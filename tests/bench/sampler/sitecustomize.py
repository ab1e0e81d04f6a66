"""Samples where a process spends its CPU time: the folder of this file stands in its PYTHONPATH, see `profile.py`.

The first signal begins, the second one writes what was seen. The timer's signal runs its handler in whatever greenlet
is running, so it sees them all.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

BEGIN_OR_END = signal.SIGRTMIN + 1
EVERY = 0.002
_stacks: Counter[tuple[str, ...]] = Counter()
_is_on = False


def _sample(number: int, frame: FrameType | None) -> None:
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append(f"{code.co_filename}:{code.co_qualname}")
        frame = frame.f_back
    _stacks[tuple(stack)] += 1


def _switch(number: int, frame: FrameType | None) -> None:
    global _is_on
    _is_on = not _is_on
    signal.setitimer(signal.ITIMER_PROF, EVERY if _is_on else 0, EVERY if _is_on else 0)
    if not _is_on:
        target = Path(os.environ["SAMPLES"])
        target.with_suffix(".new").write_text(json.dumps([[list(stack), count] for stack, count in _stacks.items()]))
        target.with_suffix(".new").rename(target)
        _stacks.clear()


signal.signal(signal.SIGPROF, _sample)
signal.signal(BEGIN_OR_END, _switch)
