"""Fair turns for re-encoding: one picture per visitor at a time, and waiting addresses one after the other."""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from collections.abc import Iterator

from gevent.event import Event

from .refused import ImageRefused
from .stores import StoreUnavailable

PLACES = 2
MOST_WAITING = 8  # of one address


class Turns:
    """The places of this process for re-encoding pictures.

    Browser keys are free, so all waiting browsers of one address share its turn: a visitor from another address waits
    for at most one of them.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._free = places
        self._busy: set[str] = set()
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()

    @contextlib.contextmanager
    def alone(self, owner: str) -> Iterator[None]:
        """Hold the only slot of this visitor or this agent's login.

        :raise ImageRefused: while another picture of theirs is in progress.
        """
        if owner in self._busy:
            raise ImageRefused("image_in_progress")
        self._busy.add(owner)
        try:
            yield
        finally:
            self._busy.discard(owner)

    @contextlib.contextmanager
    def place(self, group: str, seconds: float) -> Iterator[None]:
        """Hold a place for re-encoding.

        :param group: who take one turn together: those at an address, or one login.
        :raise ImageRefused: if too many in this queue are waiting already. :raise StoreUnavailable: if no turn came.
        """
        self._wait(group, seconds)
        try:
            yield
        finally:
            self._free += 1
            self._call_next()

    def _wait(self, group: str, seconds: float) -> None:
        queue = self._waiting.setdefault(group, deque())
        if len(queue) >= MOST_WAITING:
            raise ImageRefused("image_in_progress")
        turn = Event()
        queue.append(turn)
        self._call_next()
        try:
            turn.wait(seconds)
        except BaseException:
            if turn.is_set():
                self._free += 1
            raise
        finally:
            self._leave(group, turn)
        if not turn.is_set():
            raise StoreUnavailable("too many pictures wait to be drawn")

    def _leave(self, group: str, turn: Event) -> None:
        queue = self._waiting.get(group)
        if queue is not None:
            with contextlib.suppress(ValueError):
                queue.remove(turn)
            if not queue:
                del self._waiting[group]

    def _call_next(self) -> None:
        while self._free and self._waiting:
            group, queue = self._waiting.popitem(last=False)
            queue.popleft().set()
            self._free -= 1
            if queue:
                self._waiting[group] = queue  # back to the end
