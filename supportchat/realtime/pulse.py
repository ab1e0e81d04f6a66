"""Whether events still arrive: a stream can go silent while its connection looks well."""

from __future__ import annotations

import time

BEAT_SECONDS = 2.5
# Processes ask for a beat at their own moments. Who comes a little early still sends one, or the gap would double.
LEAST_SECONDS = 1.8
ANSWER_SECONDS = 4.0


class Pulse:
    """Compares the beats that the database has sent with those that have arrived.

    All processes share one beat, which goes the whole way that events go. A beat that this process knows to be sent has
    `ANSWER_SECONDS` to arrive; with `BEAT_SECONDS` between two, silence is noticed within 10 seconds.
    """

    def __init__(self) -> None:
        self._sent = 0
        self._heard = 0
        self._due: float | None = None

    @property
    def is_silent(self) -> bool:
        """Whether a beat that was sent is overdue."""
        return self._due is not None and time.monotonic() >= self._due

    def expect(self, number: int) -> None:
        """Take notice that the database has sent this beat."""
        self._sent = number
        # Lower than what was heard: the database was restored, or two beats have crossed.
        if number != self._heard and self._due is None:
            self._due = time.monotonic() + ANSWER_SECONDS

    def hear(self, number: int) -> None:
        """Take notice that this beat has arrived: the stream is well."""
        self._heard = number
        self._due = None

    def forgive(self) -> None:
        """Wait for what will be sent from now on: the stream has begun anew, and what came before is lost."""
        self.hear(self._sent)
