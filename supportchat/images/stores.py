"""Where the bytes of pictures are stored."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

import gevent
from flask_babel import lazy_gettext

from ..server.turns import give_way

KEY = re.compile(r"[0-9a-f]{64}")


class StoreUnavailable(Exception):
    """The store is temporarily unavailable: no space, no response, no bucket."""


class StoreRefuses(StoreUnavailable):
    """The store's settings reject this object; others may pass."""


class ImageStore(Protocol):
    """A store of objects by key."""

    advice: str  # what an admin can do when pictures cannot be stored

    def put(self, key: str, content: IO[bytes], content_type: str) -> None:
        """Store an object completely, or not at all.

        :raise StoreUnavailable: when it cannot be stored now.
        """

    def open(self, key: str) -> IO[bytes]:
        """Open an object for reading.

        :raise FileNotFoundError: when there is none. :raise StoreUnavailable: when the store does not answer.
        """

    def delete(self, key: str) -> None:
        """Delete an object, if it exists."""

    def older_than(self, seconds: float) -> Iterator[str]:
        """Return the keys of the objects that are older than that."""

    def problems(self) -> list[str]:
        """Return what an admin should change about the store, in sentences; nothing if it is fine.

        :raise StoreUnavailable: when the store does not answer.
        """


class FileStore:
    """Files under a directory, in 256 folders by the first two digits of the key."""

    advice: str = lazy_gettext("Free up disk space, or let this user write to DATA_DIR/images.")

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: IO[bytes], content_type: str) -> None:
        """Write a temporary file, then rename it; see `ImageStore.put`."""
        path = self._path(key)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    # In threads: a busy disk is slow.
                    gevent.get_hub().threadpool.apply(os.fsync, (file.fileno(),))
                part.replace(path)
                gevent.get_hub().threadpool.apply(_sync_directories, (path.parent, self._root))
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot write to {self._root}: {error.strerror}") from error

    def open(self, key: str) -> IO[bytes]:
        """Open the file; see `ImageStore.open`."""
        try:
            return self._path(key).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreUnavailable(f"cannot read from {self._root}: {error.strerror}") from error

    def delete(self, key: str) -> None:
        """Remove the file."""
        self._path(key).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> Iterator[str]:
        """Search the folders; see `ImageStore.older_than`."""
        limit = time.time() - seconds
        for folder in self._root.glob("??"):
            give_way()  # a large store takes seconds, during which others must be served
            for path in folder.iterdir():
                if not _is_older(path, limit):
                    continue
                if KEY.fullmatch(path.name):
                    yield path.name
                elif path.suffix == ".part":  # left by a process that was killed
                    path.unlink(missing_ok=True)

    def problems(self) -> list[str]:
        """A folder has no settings of its own; see `ImageStore.problems`."""
        return []

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return self._root / key[:2] / key


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:  # another process has deleted it
        return False


def _sync_directories(*folders: Path) -> None:
    # A file survives a power cut only once its folder, and the folder of that one, are flushed to disk.
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
