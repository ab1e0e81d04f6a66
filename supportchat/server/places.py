"""Fair turns for what only a few may do at once: those who wait take turns by the group that they belong to."""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator

from gevent.event import Event


class Full(Exception):
    """Too many of one group are waiting already."""


class NoTurn(Exception):
    """No turn came in time."""


class Places:
    """A few places of this process. A group that wants many of them makes only itself wait."""

    def __init__(self, places: int, most_of_one: int, most_waiting: int) -> None:
        """:param most_of_one: how many places one group may hold. :param most_waiting: how many of it may wait."""
        self._free = places
        self._most_of_one = most_of_one
        self._most_waiting = most_waiting
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()

    @contextlib.contextmanager
    def place(self, group: str, seconds: float | None = None) -> Iterator[None]:
        """Hold a place.

        :raise Full: if too many of this group are waiting already. :raise NoTurn: if no turn came.
        """
        self._wait(group, seconds)
        try:
            yield
        finally:
            self._give_back(group)
            self._call_next()

    def is_full(self, group: str) -> bool:
        """Whether too many of a group wait already for one more to come."""
        return len(self._waiting.get(group, ())) >= self._most_waiting

    def _wait(self, group: str, seconds: float | None) -> None:
        if self.is_full(group):
            raise Full
        queue = self._waiting.setdefault(group, deque())
        turn = Event()
        queue.append(turn)
        self._call_next()
        try:
            turn.wait(seconds)
        except BaseException:
            if turn.is_set():
                self._give_back(group)
            raise
        finally:
            self._leave(group, turn)
        if not turn.is_set():
            raise NoTurn

    def _leave(self, group: str, turn: Event) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._waiting[group].remove(turn)
        self._drop_if_empty(group)

    def _drop_if_empty(self, group: str) -> None:
        if not self._waiting.get(group, True):
            del self._waiting[group]

    def _give_back(self, group: str) -> None:
        self._free += 1
        self._held[group] -= 1
        if not self._held[group]:
            del self._held[group]

    def _call_next(self) -> None:
        for group in list(self._waiting):
            if not self._free:
                break
            if self._held[group] < self._most_of_one:
                queue = self._waiting.pop(group)
                queue.popleft().set()
                self._free -= 1
                self._held[group] += 1
                if queue:
                    self._waiting[group] = queue  # back to the end
