"""Fair turns for re-encoding: one picture per visitor at a time, and waiting addresses one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..server.places import Full, NoTurn, Places
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
        self._places = Places(places, 1, MOST_WAITING)
        self._busy: set[str] = set()

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
        try:
            with self._places.place(group, seconds):
                yield
        except Full as error:
            raise ImageRefused("image_in_progress") from error
        except NoTurn as error:
            raise StoreUnavailable("too many pictures wait to be drawn") from error
