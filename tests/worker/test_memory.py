"""What is free goes back to the system."""

from __future__ import annotations

import sys

import psutil
import pytest

from supportchat.server.memory import give_memory_back


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps it")
def test_memory_that_is_free_goes_back() -> None:
    process = psutil.Process()
    taken = [bytearray(4000) for _ in range(20_000)]
    kept = taken[::1000]  # in between, and at the end: nothing of it is at the edge of the heap
    most = process.memory_info().rss
    del taken
    give_memory_back()
    assert process.memory_info().rss < most - 50_000_000
    assert len(kept) == 20
