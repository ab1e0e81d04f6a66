"""How an upload is read: a multipart form or a raw body, streamed to disk, with the limits that the real one has."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from .storage_errors import StorageError, invalid_mime_type, too_large

CHUNK = 65536


@dataclasses.dataclass
class Upload:
    """What comes with an object, before its bytes."""

    chunks: AsyncIterator[bytes]
    mime_type: str
    cache_control: str
    user_metadata: Any
    # For how many bytes it is taken; None where the real one does not look.
    limit: int | None


async def opened(request: web.Request, bucket: dict[str, Any], limit: int) -> Upload:
    """Begin to read an upload.

    :raise StorageError: when its type or its declared length is refused.
    """
    if request.content_type == "multipart/form-data":
        upload = await _form(request, limit)
        check_mime_type(upload.mime_type, bucket)
        return upload
    kind = request.headers.get("Content-Type", "application/octet-stream")
    check_mime_type(kind, bucket)
    if request.content_length is not None and request.content_length > limit:
        raise too_large()
    return Upload(
        request.content.iter_chunked(CHUNK),
        kind,
        request.headers.get("Cache-Control", "no-cache"),
        _decoded(request.headers.get("x-metadata")),
        limit=None,  # without a declared length nobody counts
    )


async def written(upload: Upload, path: Path) -> dict[str, Any]:
    """Write the bytes, and give the metadata of the object. Leaves no file when it fails.

    :raise StorageError: when there were more than the limit, after all were read.
    """
    digest, size = hashlib.md5(usedforsecurity=False), 0
    try:
        with path.open("wb") as file:
            async for chunk in upload.chunks:
                size += len(chunk)
                if upload.limit is None or size <= upload.limit:
                    file.write(chunk)
                    digest.update(chunk)
        if upload.limit is not None and size > upload.limit:
            raise too_large()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return {
        "eTag": f'"{digest.hexdigest()}"',
        "size": size,
        "mimetype": upload.mime_type,
        "cacheControl": upload.cache_control,
        "contentLength": size,
        "httpStatusCode": 200,
    }


def check_mime_type(kind: str, bucket: dict[str, Any]) -> None:
    """Compare a declared type with what the bucket takes; nobody looks at the bytes.

    :raise StorageError: when it is refused.
    """
    essence = kind.partition(";")[0].strip().lower()
    allowed = bucket["allowed_mime_types"]
    if allowed and not {essence, essence.partition("/")[0] + "/*", "*/*", "*"} & set(allowed):
        raise invalid_mime_type(essence)


async def _form(request: web.Request, limit: int) -> Upload:
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.filename is None:
            fields[part.name or ""] = await part.text()
            continue
        kind = fields.get("contentType") or part.headers.get("Content-Type") or "application/octet-stream"
        seconds = fields.get("cacheControl")
        cache = f"max-age={seconds}" if seconds else "no-cache"
        metadata = fields.get("metadata") or fields.get("userMetadata")
        return Upload(_chunks(part), kind, cache, _parsed(metadata), limit)
    raise StorageError(400, "InvalidRequest", "No content provided")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


def _decoded(header: str | None) -> Any:
    try:
        return _parsed(base64.b64decode(header or "").decode())
    except ValueError:
        return None


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
