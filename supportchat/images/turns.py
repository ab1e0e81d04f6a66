"""Whose picture is worked on: one of each visitor at a time, and of the addresses that wait, each in turn."""

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
    """The places of this process in which pictures are drawn.

    A key of a browser costs nothing, so many waiting browsers of one address share its turn: whoever comes from
    another one is the next but one at most.
    """

    def __init__(self, places: int = PLACES) -> None:
        self._free = places
        self._busy: set[str] = set()
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()

    @contextlib.contextmanager
    def alone(self, owner: str) -> Iterator[None]:
        """Have the one picture of this visitor, or of this agent's login.

        :raise ImageRefused: while another one of theirs is being worked on.
        """
        if owner in self._busy:
            raise ImageRefused("image_in_progress")
        self._busy.add(owner)
        try:
            yield
        finally:
            self._busy.discard(owner)

    @contextlib.contextmanager
    def place(self, line: str, seconds: float) -> Iterator[None]:
        """Have a place to draw in.

        :param line: with whom the turn is shared.
        :raise ImageRefused: when too many of this line wait already. :raise StoreUnavailable: when no turn came.
        """
        self._wait(line, seconds)
        try:
            yield
        finally:
            self._free += 1
            self._call_next()

    def _wait(self, line: str, seconds: float) -> None:
        queue = self._waiting.setdefault(line, deque())
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
            self._leave(line, turn)
        if not turn.is_set():
            raise StoreUnavailable("too many pictures wait to be drawn")

    def _leave(self, line: str, turn: Event) -> None:
        queue = self._waiting.get(line)
        if queue is not None:
            with contextlib.suppress(ValueError):
                queue.remove(turn)
            if not queue:
                del self._waiting[line]

    def _call_next(self) -> None:
        while self._free and self._waiting:
            line, queue = self._waiting.popitem(last=False)
            queue.popleft().set()
            self._free -= 1
            if queue:
                self._waiting[line] = queue  # the last in line again
