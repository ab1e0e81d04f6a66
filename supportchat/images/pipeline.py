"""From an uploaded file to a stored picture."""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import secrets
import signal
import tempfile
import time
from typing import IO, Any

from werkzeug.datastructures import FileStorage

from ..server.turns import give_way
from .decoders import Decoders
from .headers import check_header, unreadable
from .kinds import HEAD_BYTES, kind_of
from .redraw.limits import MOST_BYTES
from .refused import ImageRefused
from .stores import ImageStore, StoreUnavailable
from .turns import Turns

DRAWN_WITHIN = 20.0  # seconds, the wait for a turn included; the store has its own limit

log = logging.getLogger(__name__)

_turns = Turns()
_decoders = Decoders()
atexit.register(_decoders.close)


def store_upload(upload: FileStorage, store: ImageStore, owner: str, group: str, *, shape: str = "") -> dict[str, Any]:
    """Check an uploaded picture, re-encode it and store it.

    Returns what `post_message` takes as `image`: key, content_type, width, height, bytes, and the SHA-256 of the
    upload as digest, which identifies a retry; and notice, a code, if the sender should be told something.

    :param owner: the visitor or the agent's login, with one picture in progress at a time.
    :param group: with whom they wait for their turn, see `Turns.place`.
    :param shape: 'face' for the small square picture of a person, 'logo' for that of a site.
    :raise ImageRefused: if we do not accept this picture, or not now.
    :raise StoreUnavailable: if it cannot be stored now.
    """
    ends = time.monotonic() + DRAWN_WITHIN
    try:
        with _turns.alone(owner), _nameless_file() as source, _nameless_file() as target:
            kind, digest = _received(upload, source)
            with _opened(source, "rb") as content:
                check_header(content, kind)
            with _turns.place(group, ends - time.monotonic()):
                image = _redrawn(kind, source, target, ends - time.monotonic(), shape)
            image |= {"key": new_key(), "bytes": os.fstat(target.fileno()).st_size, "digest": digest}
            with _opened(target, "rb") as content:
                store.put(image["key"], content, image["content_type"])
            return image
    except OSError as error:
        raise StoreUnavailable(str(error)) from error


def delete_unneeded(key: str, store: ImageStore) -> None:
    """Delete a stored picture that nothing needs. Whatever comes of it, the sweep of orphans tries again."""
    try:
        store.delete(key)
    except (StoreUnavailable, OSError) as error:
        log.warning("images: %s was not needed and could not be deleted: %s", key, error)


def new_key() -> str:
    """Return an unguessable name for a stored object: 256 random bits."""
    return secrets.token_hex(32)


def _nameless_file() -> IO[bytes]:
    # It disappears with its process, however that ends, and the other program needs no access to any folder.
    return tempfile.TemporaryFile(prefix="supportchat-", buffering=0)


def _opened(file: IO[bytes], mode: str) -> Any:
    # Nothing may stay in a buffer of ours while the other program uses the file.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return os.fdopen(os.dup(file.fileno()), mode)


def _received(upload: FileStorage, source: IO[bytes]) -> tuple[str, str]:
    head = upload.stream.read(HEAD_BYTES)
    kind = kind_of(head)
    digest, size = hashlib.sha256(head), len(head)
    with _opened(source, "wb") as file:
        file.write(head)
        while chunk := upload.stream.read(65536):
            size += len(chunk)
            if size > MOST_BYTES:
                raise ImageRefused("image_too_large")
            digest.update(chunk)
            file.write(chunk)
            give_way()
    return kind, digest.hexdigest()


def _redrawn(kind: str, source: IO[bytes], target: IO[bytes], seconds: float, shape: str) -> dict[str, Any]:
    os.lseek(source.fileno(), 0, os.SEEK_SET)
    try:
        return _description(kind, *_decoders.redraw(f"{kind} {shape}".strip(), [source, target], seconds))
    except TimeoutError as error:
        # Not the picture's fault: a hostile one hits the limit of CPU time long before.
        raise StoreUnavailable("the machine is too busy to draw a picture") from error


def _description(kind: str, said: bytes, code: int) -> dict[str, Any]:
    if code == -signal.SIGXCPU:
        raise ImageRefused("image_too_many_pixels")
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError as error:
        # Killed by another limit, or by a crash of the decoder.
        raise unreadable(kind) from error
    if "fault" in answer:
        raise StoreUnavailable(answer["fault"])
    if "error" in answer:
        raise unreadable(kind) if answer["error"] == "image_unreadable" else ImageRefused(answer["error"])
    return answer
