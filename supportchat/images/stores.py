"""Where the bytes of pictures lie."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from ..database import Database

KEY = re.compile(r"[0-9a-f]{64}")
ORPHAN_SECONDS = 3600


class StoreUnavailable(Exception):
    """The store cannot do it now: no space, no answer, no bucket."""


class ImageStore(Protocol):
    """A store of objects by key."""

    def put(self, key: str, content: IO[bytes], content_type: str) -> None:
        """Store an object whole, or not at all.

        :raise StoreUnavailable: when it cannot be stored now.
        """

    def open(self, key: str) -> IO[bytes]:
        """Open an object for reading.

        :raise FileNotFoundError: when there is none. :raise StoreUnavailable: when the store does not answer.
        """

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is fine."""

    def older_than(self, seconds: float) -> Iterator[str]:
        """Give the keys of the objects that were stored longer ago than that."""


class FileStore:
    """Files under a directory, in 256 folders by the first two digits of the key."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: IO[bytes], content_type: str) -> None:
        """Write beside, then move into place: see `ImageStore.put`."""
        path = self._path(key)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot write to {self._root}: {error.strerror}") from error

    def open(self, key: str) -> IO[bytes]:
        """Open the file; see `ImageStore.open`."""
        return self._path(key).open("rb")

    def delete(self, key: str) -> None:
        """Remove the file."""
        self._path(key).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> Iterator[str]:
        """Go through the folders; see `ImageStore.older_than`."""
        limit = time.time() - seconds
        for path in self._root.glob("??/*"):
            if KEY.fullmatch(path.name) and path.stat().st_mtime < limit:
                yield path.name

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return self._root / key[:2] / key


def sweep_orphans(store: ImageStore, database: Database) -> int:
    """Remove the objects that no message came to need within `ORPHAN_SECONDS`, and give how many."""
    removed = 0
    keys = list(store.older_than(ORPHAN_SECONDS))
    for start in range(0, len(keys), 500):
        for key in database.call("orphan_images", keys=keys[start : start + 500]):
            store.delete(key)
            removed += 1
    return removed
