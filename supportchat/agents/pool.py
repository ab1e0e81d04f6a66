"""A few threads for what computes long and must not keep the rest waiting, nor be kept waiting by it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import gevent
from gevent.hub import Hub
from gevent.threadpool import ThreadPool

R = TypeVar("R")
NICENESS = 10


class Full(Exception):
    """As much is waiting as may."""


class SmallPool:
    """Runs so many things at once, lets so many wait, and refuses the rest. Its threads let the event loop go first."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._threads = threads
        self._most = threads + most_waiting
        self._count = 0
        # A pool belongs to the event loop of the thread that uses it.
        self._pools: WeakKeyDictionary[Hub, ThreadPool] = WeakKeyDictionary()

    def run(self, function: Callable[..., R], *arguments: Any) -> R:
        """Run something in one of the threads and give its result; others go on meanwhile.

        :raise Full: at once, when too many wait already.
        """
        if self._count >= self._most:
            raise Full
        self._count += 1
        try:
            result: R = self._pool().apply(_politely, (function, *arguments))
            return result
        finally:
            self._count -= 1

    def _pool(self) -> ThreadPool:
        hub = gevent.get_hub()
        if hub not in self._pools:
            self._pools[hub] = ThreadPool(self._threads, hub=hub)
        return self._pools[hub]


def _politely(function: Callable[..., R], *arguments: Any) -> R:
    if sys.platform == "linux":  # elsewhere this would be the whole process
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    return function(*arguments)
