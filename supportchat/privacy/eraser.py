"""What a process does for privacy by itself: it deletes erased pictures, and erases chats that are old enough.

Any number of processes may do so at once: the database hands the work out, and what one leaves another takes.
"""

from __future__ import annotations

import logging
import random

import gevent
from gevent.event import Event

from ..database import Database, DatabaseError
from ..database.rows import OldChats
from ..images.stores import ImageStore, StoreUnavailable

FIRST_SECONDS = 10.0  # after the start, so that a process that died leaves its work for moments only
SECONDS = 900.0
RETRY_SECONDS = 61.0  # a picture that could not be deleted is handed out again after a minute
STEP_SECONDS = 0.5  # between two steps of the retention, for everybody else

log = logging.getLogger(__name__)


class Eraser:
    """Works at intervals, and at once when somebody has given it work."""

    def __init__(self, database: Database, store: ImageStore) -> None:
        self._database = database
        self._store = store
        self._is_due = Event()

    def wake(self) -> None:
        """Have it work soon."""
        self._is_due.set()

    def run(self) -> None:
        """Work until the process ends."""
        seconds = random.uniform(0.2, 1) * FIRST_SECONDS  # noqa: S311 - spreads work over time
        while True:
            self._is_due.wait(seconds)
            self._is_due.clear()
            has_failed = False
            try:
                has_failed = not self.work()
            except DatabaseError as error:
                log.warning("erasing has to wait: %s", error)
                has_failed = True
            except Exception:
                # An exception would end it for good.
                log.exception("erasing failed")
            seconds = (RETRY_SECONDS if has_failed else SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads work over time

    def work(self) -> bool:
        """Do everything that is due now. Return whether every picture that was due is gone."""
        while self._database.call("forget_old_data"):
            gevent.sleep(STEP_SECONDS)
        self._erase_old_chats()
        return self._delete_files()

    def _erase_old_chats(self) -> None:
        while True:
            step: OldChats = self._database.call("erase_old_chats")
            if not step["more"]:
                break
            gevent.sleep(STEP_SECONDS)
        if step["erased"]:
            # The last step of a day's work, which the processes may have shared.
            log.info("erased %s chats that ended more than %s days ago", step["today"], step["days"])

    def _delete_files(self) -> bool:
        failed = 0
        while keys := self._database.call("take_erasure_files"):
            gone = [key for key in keys if self._is_deleted(key)]
            failed += len(keys) - len(gone)
            if gone:
                self._database.call("note_erased_files", keys=gone)
        if failed:
            log.warning("%d erased pictures are still in the store: they are tried again", failed)
        return not failed

    def _is_deleted(self, key: str) -> bool:
        """Delete an object, and ask the store whether it is gone: only its answer counts."""
        try:
            self._store.delete(key)
            self._store.open(key).close()
        except FileNotFoundError:
            return True
        except (StoreUnavailable, OSError) as error:
            log.info("an erased picture could not be deleted: %s", error)
        return False
