"""Watches the event loop of a worker: what keeps it from everybody else for too long, in CPU time, and where."""

from __future__ import annotations

import signal
import time
import traceback
from pathlib import Path
from types import FrameType

import gevent

ALLOWED_SECONDS = 0.05
SAMPLE_SECONDS = 0.01


class Watch:
    """Measures each round of this thread's event loop, and writes those that take too long into a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began = time.thread_time()
        self._stack = ""
        self._check = gevent.get_hub().loop.check()
        self._check.start(self._next_round)
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)

    def stop(self) -> None:
        """Stop watching."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._check.stop()

    def _next_round(self) -> None:
        now = time.thread_time()
        if now - self._began > ALLOWED_SECONDS:
            with self._file.open("a") as file:
                file.write(f"{1000 * (now - self._began):.0f} ms:\n{self._stack}\n")
        self._began, self._stack = now, ""

    def _sample(self, number: int, frame: FrameType | None) -> None:
        # The first moment at which it is too long already: nearer to the cause than the last one.
        if not self._stack and time.thread_time() - self._began > ALLOWED_SECONDS / 2:
            self._stack = "".join(traceback.format_stack(frame))
