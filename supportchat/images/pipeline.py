"""From an uploaded file to a stored picture."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gevent.lock import BoundedSemaphore
from werkzeug.datastructures import FileStorage

from ..config import ROOT
from .stores import ImageStore, StoreUnavailable

MOST_BYTES = 10 * 1024 * 1024
REDRAW_SECONDS = 15
WAIT_SECONDS = 10  # for a slot to draw in
# The first bytes of what is taken; a name and a declared type prove nothing.
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")

_redraws = BoundedSemaphore(2)


class ImageRefused(Exception):
    """The file is not taken. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def store_upload(upload: FileStorage, store: ImageStore) -> dict[str, Any]:
    """Check an uploaded picture, draw it anew and store it.

    Gives what `post_message` takes as `image`: key, content_type, width, height, bytes, and the SHA-256 of what was
    uploaded as digest, by which a repeated attempt is known.

    :raise ImageRefused: when it is not a picture that we take.
    :raise StoreUnavailable: when it cannot be stored now.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="supportchat-") as folder:
            source, target = Path(folder) / "source", Path(folder) / "target"
            digest = _received(upload, source)
            image = _redrawn(source, target)
            image |= {"key": new_key(), "bytes": target.stat().st_size, "digest": digest}
            with target.open("rb") as content:
                store.put(image["key"], content, image["content_type"])
            return image
    except OSError as error:
        raise StoreUnavailable(str(error)) from error


def new_key() -> str:
    """Give a name for a stored object that nobody can guess: 256 random bits."""
    return secrets.token_hex(32)


def _received(upload: FileStorage, source: Path) -> str:
    head = upload.stream.read(16)
    if not head:
        raise ImageRefused("image_empty")
    if not head.startswith(MAGIC) and not (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        raise ImageRefused("image_unknown_type")
    digest, size = hashlib.sha256(head), len(head)
    with source.open("wb") as file:
        file.write(head)
        while chunk := upload.stream.read(65536):
            size += len(chunk)
            if size > MOST_BYTES:
                raise ImageRefused("image_too_large")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _redrawn(source: Path, target: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "supportchat.images.redraw", str(source), str(target)]
    if not _redraws.acquire(timeout=WAIT_SECONDS):
        raise StoreUnavailable("too many pictures wait to be drawn")
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", "")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=REDRAW_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        # Not the picture's fault: a hostile one runs into the limit of CPU time long before.
        raise StoreUnavailable("the machine is too busy to draw a picture") from error
    finally:
        _redraws.release()
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        # Killed by one of its limits, or by a fault of the decoder.
        raise ImageRefused("image_unreadable") from error
    if "error" in answer:
        raise ImageRefused(answer["error"])
    return answer
