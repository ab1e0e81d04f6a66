"""Memory that is free goes back to the system, not only to this process."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

from .buckets import forget_all_full


def keep_for_long() -> None:
    """Have the garbage collector pass over what is there by now: to look at 5,000 pages takes it 200 ms each time.

    What has only just been made is looked at before. The rest must not refer to itself, or it would stay for good.
    """
    gc.collect(1)
    gc.freeze()


def give_memory_back() -> None:
    """Have the C library return what is free in the middle of its heap, too. Only glibc keeps that by itself."""
    forget_all_full()
    gc.collect()
    trim = _trim()
    if trim is not None:
        trim(0)


def memory_settings() -> dict[str, str]:
    """Return the environment of a process that is to give its memory back.

    Python's own allocator keeps a megabyte for whatever is left in it: after 5,000 sockets nothing came back. The C
    library gives back page by page.
    """
    return {} if _trim() is None else {"PYTHONMALLOC": "malloc"}


def _trim() -> Callable[[int], int] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
