"""What is free goes back to the system."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import psutil
import pytest

from supportchat.config import ROOT
from supportchat.server.memory import give_memory_back, keep_for_long, memory_settings


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


def test_the_garbage_collector_looks_at_nothing_twice_that_is_kept_for_long() -> None:
    kept = [[n] for n in range(50_000)]
    keep_for_long()
    try:
        assert len(gc.get_objects()) < len(kept)
    finally:
        gc.unfreeze()


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps it")
def test_memory_of_small_objects_goes_back_although_others_stay_between_them() -> None:
    script = """
import psutil
from supportchat.server.memory import give_memory_back
taken = [str(n) * 20 for n in range(600_000)]
kept = taken[::2_000]
most = psutil.Process().memory_info().rss
del taken
give_memory_back()
print(psutil.Process().memory_info().rss < 0.6 * most, len(kept))
"""
    environ = {**os.environ, **memory_settings()}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True 300\n"


def test_what_few_ask_for_is_not_in_every_workers_memory() -> None:
    script = "import sys, supportchat.app; print({'zxcvbn', 'ua_parser', 'PIL', 'supabase'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
