"""Processes that compute for long: everything else goes first."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICENESS = 10
SESSION_NICENESS = 5  # a third of what another session gets: with less, a busy machine would draw no picture in time


def put_behind(pid: int) -> None:
    """Let a process that leads a session of its own go behind all others.

    Linux shares processors among sessions first, where they are in no control group: niceness alone would only count
    within that of the desk, and the database is in another one.
    """
    os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    with contextlib.suppress(OSError):  # there is no such file, or it was done for another process a moment ago
        Path(f"/proc/{pid}/autogroup").write_text(str(SESSION_NICENESS))
