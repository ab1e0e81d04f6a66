"""Memory that is free goes back to the system, not only to this process."""

from __future__ import annotations

import ctypes


def give_memory_back() -> None:
    """Have the C library return what is free in the middle of its heap, too. Only glibc keeps that by itself."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
