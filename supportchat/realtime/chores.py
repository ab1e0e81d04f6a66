"""What a process does by itself: at intervals, soon, or as long as it lives. A failure is logged, and ends nothing."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import gevent

from ..database import DatabaseError

RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


class Chores:
    """Runs tasks in greenlets of their own, and knows which of them are in trouble."""

    def __init__(self) -> None:
        self._greenlets: list[gevent.Greenlet[..., Any]] = []
        self._troubles: dict[str, str] = {}
        self._due: set[str] = set()
        self._is_stopping = False

    def spawn(self, task: Callable[..., None], *arguments: Any) -> None:
        """Run a task until `stop`."""
        self._greenlets.append(gevent.spawn(task, *arguments))

    def every(self, seconds: float, task: Callable[[], None]) -> None:
        """Run a task at once and then every so often, until `stop`."""
        self.spawn(self._repeat, seconds, task)

    def soon(self, seconds: float, task: Callable[[], None]) -> None:
        """Run a task once after a while, for however many reasons by then."""
        name = task.__name__
        if name not in self._due and not self._is_stopping:
            self._due.add(name)
            gevent.spawn_later(seconds, self._run_due, task)

    def attempt(self, task: Callable[[], None]) -> bool:
        """Run a task now. Return whether it worked; log a trouble when it begins and when it ends."""
        name, trouble, worked = task.__name__.lstrip("_"), "", False
        try:
            task()
            worked = True
        except DatabaseError as error:
            trouble = str(error)
        except Exception:
            # An exception would end it for good.
            log.exception("%s failed", name)
        if trouble != self._troubles.get(name, ""):
            # Once, not every two seconds while it lasts.
            log.warning(*("%s has to wait: %s", name, trouble) if trouble else ("%s works again", name))
        self._troubles[name] = trouble
        return worked

    def stop(self) -> None:
        """End every task."""
        self._is_stopping = True
        gevent.killall(self._greenlets)

    def _repeat(self, seconds: float, task: Callable[[], None]) -> None:
        while True:
            worked = self.attempt(task)
            # Soon after a failure: leases that were not renewed run out. With jitter, so that the processes do
            # not all ask at the same moment.
            gevent.sleep((seconds if worked else min(seconds, RETRY_SECONDS)) * random.uniform(0.8, 1.2))  # noqa: S311 - spreads work over time

    def _run_due(self, task: Callable[[], None]) -> None:
        self._due.remove(task.__name__)
        if not self._is_stopping:
            self.attempt(task)
