"""Pictures in Supabase Storage: a private bucket that only the server's key opens."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any, TypeVar

import gevent
import httpx
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from storage3.exceptions import StorageApiError

from ..images.redraw.limits import EXTENSIONS, MEGABYTE, MOST_BYTES
from ..images.stores import KEY, StoreRefuses, StoreUnavailable
from ..rendering.filters import decimal
from .client import Places, Project

BUCKET = "chat-images"
CALL_SECONDS = 7.0  # the wait for a place included
# Of the store's own: one that hangs must not keep text from being sent.
PLACES = 12
PLACE_SECONDS = 2.0
PAGE = 1000

R = TypeVar("R")


class SupabaseStore:
    """Objects of the bucket `chat-images`, named by their key.

    They are streamed through the server instead of being opened by signed URLs: a signed URL is good for whoever has
    it until it expires, also when the viewer has been logged out, and it would have to be allowed by the page's policy.
    """

    advice: str = lazy_gettext(
        "Open Storage in the project’s dashboard and check the bucket %(bucket)s.", bucket=BUCKET
    )

    def __init__(self, project: Project) -> None:
        self._project = project
        self._places = Places(PLACES)

    def put(self, key: str, content: IO[bytes], content_type: str) -> None:
        """Upload an object; see `ImageStore.put`."""
        # The client takes nothing but real buffered readers; it streams them, with their length.
        file = content if isinstance(content, io.BufferedReader) else io.BufferedReader(io.BytesIO(content.read()))
        options: Any = {"content-type": content_type, "cache-control": "3600", "upsert": "false"}
        self._call(lambda: self._bucket().upload(key, file, options))

    def open(self, key: str) -> IO[bytes]:
        """Download an object into a file that vanishes when it is closed; see `ImageStore.open`."""
        if not KEY.fullmatch(key):
            raise FileNotFoundError(key)
        return self._call(lambda: self._download(key))

    def delete(self, key: str) -> None:
        """Remove an object; see `ImageStore.delete`."""
        self._call(lambda: self._bucket().remove([key]))

    def older_than(self, seconds: float) -> Iterator[str]:
        """Go through the bucket, page by page, and then give what was found; see `ImageStore.older_than`.

        Who takes a key may delete its object, which would move what follows into pages that have been gone through.
        """
        limit = datetime.now(UTC) - timedelta(seconds=seconds)
        keys: list[str] = []
        for offset in itertools.count(0, PAGE):
            options: Any = {"limit": PAGE, "offset": offset, "sortBy": {"column": "name", "order": "asc"}}
            page: list[dict[str, Any]] = self._call(functools.partial(self._bucket().list, "", options))
            for found in page:
                if KEY.fullmatch(found["name"]) and datetime.fromisoformat(found["created_at"]) < limit:
                    keys.append(found["name"])
            if len(page) < PAGE:
                break
        yield from keys

    def problems(self) -> list[str]:
        """Compare the bucket with what pictures need; see `ImageStore.problems`."""
        bucket = self._call(self._look_at_bucket)
        if bucket is None:
            return [_("The bucket %(bucket)s is missing: run sql/supabase_schema.sql, or bin/migrate.", bucket=BUCKET)]
        found = []
        if bucket["public"]:
            found.append(
                _(
                    "The bucket %(bucket)s is public: anyone with a picture’s address can open it. Make it private.",
                    bucket=BUCKET,
                )
            )
        most = bucket.get("file_size_limit")
        if most is not None and most < MOST_BYTES:
            sizes = {"bytes": decimal(most), "megabytes": decimal(MOST_BYTES // MEGABYTE)}
            found.append(_("The bucket accepts files of up to %(bytes)s bytes. Allow %(megabytes)s MB.", **sizes))
        allowed = bucket.get("allowed_mime_types") or ["*/*"]
        missing = [kind for kind in EXTENSIONS if not {kind, "image/*", "*/*"} & set(allowed)]
        if missing:
            found.append(_("The bucket does not accept %(types)s. Allow these types.", types=", ".join(missing)))
        return found

    def _bucket(self) -> Any:
        return self._project.client.storage.from_(BUCKET)

    def _look_at_bucket(self) -> dict[str, Any] | None:
        # Not by the client's get_bucket: it fails on an owner that is null, and a bucket made by SQL has no owner.
        with self._get("bucket", BUCKET) as answer:
            answer.read()
            if not answer.is_success:
                refusal = _refusal(answer)
                if str(refusal.status) == "404":
                    return None
                raise refusal
            bucket: dict[str, Any] = answer.json()
            return {**bucket, "public": bool(bucket["public"])}

    def _download(self, key: str) -> IO[bytes]:
        # Not by the client's download, which holds the whole object in memory.
        with contextlib.ExitStack() as on_failure:
            file = on_failure.enter_context(tempfile.TemporaryFile(prefix="supportchat-"))
            with self._get("object", BUCKET, key) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                if not answer.headers.get("Content-Type", "").startswith("image/"):
                    raise StorageApiError("what came is no picture", "InternalError", answer.status_code)
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            file.seek(0)
            on_failure.pop_all()
            return file

    def _get(self, *path: str) -> contextlib.AbstractContextManager[httpx.Response]:
        return self._project.stream(self._project.client.storage_url.joinpath(*path))

    def _call(self, act: Callable[[], R]) -> R:
        try:
            with gevent.Timeout(CALL_SECONDS, TimeoutError("no answer in time")), self._places.taken(PLACE_SECONDS):
                return act()
        except StorageApiError as error:
            raise _translated(str(error.status), error.message) from error
        except (httpx.HTTPError, TimeoutError, KeyError, TypeError, ValueError) as error:
            # What a gateway answers instead comes as KeyError, TypeError or ValueError.
            raise StoreUnavailable(f"the project's storage does not answer ({type(error).__name__})") from error


def _translated(status: str, message: str) -> Exception:
    """Return what an answer means. Its HTTP status is 400 for nearly everything; `status` is that of its body."""
    if status == "404" and "Bucket" not in message:
        return FileNotFoundError(message)
    if status == "413":
        return StoreRefuses("the bucket takes smaller files only")
    if status == "415":
        return StoreRefuses("the bucket does not take this type of file")
    return StoreUnavailable(f"the project's storage refuses it: {message}")


def _refusal(answer: httpx.Response) -> StorageApiError:
    try:
        body = answer.json()
        return StorageApiError(body["message"], body["error"], body["statusCode"])
    except (KeyError, TypeError, ValueError):
        # Not Storage, but something before it: its "not found" says nothing about a picture or the bucket.
        status = 502 if answer.status_code == 404 else answer.status_code
        return StorageApiError(f"HTTP {answer.status_code}", "InternalError", status)
