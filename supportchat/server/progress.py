"""Progress messages: a silent minute looks like a program that hangs."""

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
    """Print what is being done, and every few seconds how long it has taken so far.

    By a signal, in the main thread: a second thread would interfere with forking processes.
    """
    begun = time.monotonic()

    def tell(number: int, frame: FrameType | None) -> None:
        passed = time.monotonic() - begun
        with contextlib.suppress(OSError):  # the reader is gone
            # Not with print, which the signal may have interrupted.
            os.write(sys.stdout.fileno(), f"  still working, {passed:.0f} s\n".encode())
        # Less and less often: waiting for a database may take hours.
        signal.setitimer(signal.ITIMER_REAL, max(SECONDS, passed / 10))

    print(f"{doing} ...", flush=True)
    before = signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
