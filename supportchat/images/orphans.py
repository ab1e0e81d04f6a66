"""Stored pictures without a message, left when a process died before it could store the message."""

from __future__ import annotations

import itertools
import logging
import random

import gevent

from ..database import Database, DatabaseError
from .stores import ImageStore, StoreUnavailable

ORPHAN_SECONDS = 3600
SWEEP_SECONDS = 1800
BATCH = 500

log = logging.getLogger(__name__)


def sweep_orphans(store: ImageStore, database: Database) -> int:
    """Delete pictures that still have no message after `ORPHAN_SECONDS`, and return how many."""
    removed = 0
    keys = store.older_than(ORPHAN_SECONDS)
    while batch := list(itertools.islice(keys, BATCH)):
        for key in database.call("orphan_images", keys=batch):
            store.delete(key)
            removed += 1
    return removed


def sweep_for_ever(store: ImageStore, database: Database) -> None:
    """Sweep at intervals. It is safe in several processes at once."""
    while True:
        gevent.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads work over time
        try:
            removed = sweep_orphans(store, database)
            if removed:
                log.info("removed %d pictures that belong to no message", removed)
        except (DatabaseError, StoreUnavailable, OSError) as error:
            log.warning("pictures without a message stay for now: %s", error)
        except Exception:
            # An exception would end the sweeps for good.
            log.exception("the sweep of pictures failed")
