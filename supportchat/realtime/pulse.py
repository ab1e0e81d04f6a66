"""Whether events still arrive: a stream can go silent while its connection looks well."""

from __future__ import annotations

from time import monotonic

BEAT_SECONDS = 2.5
# While no page is open here: a plan counts every beat, once for each process that hears it, and has an end each month.
IDLE_SECONDS = 30.0
# Processes ask for a beat at their own moments. Who comes a little early still sends one, or the gap would double.
LEAST_SECONDS = 1.8
IDLE_LEAST_SECONDS = 22.0
ANSWER_SECONDS = 4.0


class Pulse:
    """Compares the beats that the database has sent with those that have arrived.

    All processes share one beat, which goes the whole way that events go. A beat that this process knows to be sent has
    `ANSWER_SECONDS` to arrive; with `BEAT_SECONDS` between two, silence is noticed within 10 seconds. With no page open
    it is within 40, before anybody comes; who does come has the next beat within `BEAT_SECONDS`.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._heard = 0
        self._awaited: int | None = None
        self._asked = float("-inf")

    def is_due(self) -> bool:
        """Whether a beat should be asked for although no page is open."""
        return monotonic() - self._asked >= IDLE_SECONDS

    def expect(self, number: int) -> bool:
        """Take notice that the database has sent this beat.

        :return: whether it is now the one to look for: not heard yet, and none before it is missing.
        """
        self._sent, self._asked = number, monotonic()
        # Lower than what was heard: the database was restored, or two beats have crossed.
        if number == self._heard or self._awaited is not None:
            return False
        self._awaited = number
        return True

    def is_missing(self, number: int) -> bool:
        """Whether neither this beat, which was to be looked for, nor any after it has arrived."""
        return self._awaited == number

    def hear(self, number: int) -> None:
        """Take notice that this beat has arrived: the stream is well."""
        self._heard = number
        self._awaited = None

    def forgive(self) -> None:
        """Wait for what will be sent from now on: the stream has begun anew, and what came before is lost."""
        self.hear(self._sent)
