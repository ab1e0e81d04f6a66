"""Whether events still arrive: a stream can go silent while its connection looks fine."""

from __future__ import annotations

BEAT_SECONDS = 2.5
# Processes ask for beats at different moments. One that is a little early still sends one, or the gap would double.
LEAST_SECONDS = 1.8
ANSWER_SECONDS = 4.0


class Pulse:
    """Compares the heartbeats that the database has sent with those that have arrived.

    All processes share one beat, which takes the same path as all events. Once this process knows that a beat was sent,
    it has `ANSWER_SECONDS` to arrive; with `BEAT_SECONDS` between two, silence is noticed within 10 seconds. Without an
    open page it takes up to 40; once a page opens, the next beat comes within `BEAT_SECONDS`.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._heard = 0
        self._awaited: int | None = None

    def expect(self, number: int) -> bool:
        """Note that the database has sent this beat.

        :return: whether to wait for it: it has not arrived, and none before it is missing.
        """
        self._sent = number
        # Lower than the last one received: the database was restored, or two beats have crossed.
        if number == self._heard or self._awaited is not None:
            return False
        self._awaited = number
        return True

    def is_missing(self, number: int) -> bool:
        """Whether neither this beat nor any later one has arrived."""
        return self._awaited == number

    def hear(self, number: int) -> None:
        """Note that this beat has arrived: the stream works."""
        self._heard = number
        self._awaited = None

    def forgive(self) -> None:
        """Start over: the stream has reconnected, and earlier beats are lost."""
        self.hear(self._sent)
