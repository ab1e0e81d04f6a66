"""What computes for long goes behind everything else, in whatever session that is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from supportchat.server.background import NICENESS, SESSION_NICENESS, put_behind


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="sessions have no share of their own")
def test_a_session_that_computes_for_long_goes_behind_all_others() -> None:
    pid = os.posix_spawnp("sleep", ["sleep", "60"], os.environ, setsid=True)
    try:
        put_behind(pid)
        assert os.getpriority(os.PRIO_PROCESS, pid) == NICENESS
        if os.geteuid() == 0:  # others may do so ten times a second, all of them together
            assert Path(f"/proc/{pid}/autogroup").read_text().endswith(f"nice {SESSION_NICENESS}\n")
        assert f"nice {SESSION_NICENESS}" not in Path("/proc/self/autogroup").read_text()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
