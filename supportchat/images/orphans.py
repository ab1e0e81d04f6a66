"""Objects that no message came to need: the process ended between the picture and its message, say."""

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
    """Remove the objects that no message came to need within `ORPHAN_SECONDS`, and give how many."""
    removed = 0
    keys = store.older_than(ORPHAN_SECONDS)
    while batch := list(itertools.islice(keys, BATCH)):
        for key in database.call("orphan_images", keys=batch):
            store.delete(key)
            removed += 1
    return removed


def sweep_for_ever(store: ImageStore, database: Database) -> None:
    """Sweep now and then. Several processes that do the same do no harm."""
    while True:
        gevent.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            removed = sweep_orphans(store, database)
            if removed:
                log.info("removed %d pictures that belong to no message", removed)
        except (DatabaseError, StoreUnavailable, OSError) as error:
            log.warning("pictures without a message stay for now: %s", error)
        except Exception:
            # What happens by itself would never happen again.
            log.exception("the sweep of pictures failed")
