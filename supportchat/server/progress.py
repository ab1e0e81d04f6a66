"""Says at a terminal, or in a log, what is going on: a silent minute looks like a program that hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

SECONDS = 4.0


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """Print what is being done, and every few seconds for how long it has been, until it is done.

    For the main thread: a thread of its own would be in the way of the processes that are forked meanwhile.
    """
    begun = time.monotonic()

    def tell(number: int, frame: FrameType | None) -> None:
        passed = time.monotonic() - begun
        with contextlib.suppress(OSError):  # nobody reads it any more
            # Not by print, which the signal may have interrupted.
            os.write(sys.stdout.fileno(), f"  still working, {passed:.0f} s\n".encode())
        # More seldom in time: what waits for a database may wait for hours.
        signal.setitimer(signal.ITIMER_REAL, max(SECONDS, passed / 10))

    print(f"{doing} ...", flush=True)
    before = signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
