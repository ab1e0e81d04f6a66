"""Storage's REST: buckets and objects, with the answers that storage-api 1.11.2 gives."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web

from . import storage_errors as errors
from .faults import Faults, reset
from .gateway import TOKEN
from .keys import Keys
from .objects import Caller, Objects, Row
from .project import SupabaseProject
from .storage_errors import StorageError
from .uploads import CHUNK, opened, written

if TYPE_CHECKING:
    from .server import SupabaseServer

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$=@;:+,?-]+")
BUCKET_NAME = re.compile(r"[A-Za-z0-9_!.*'() &$=@;:+,?-]{1,100}")
UNITS = {"gb": 10**9, "mb": 10**6, "kb": 1000, "b": 1}
SIGNED_UPLOAD_SECONDS = 7200
# A client that has sent no more than this gets an early refusal; one that has more to send is left waiting.
EASILY_READ = 256 * 1024


class Storage(Faults):
    """The service. The names of its faults are upload, download, info, list, remove, sign and bucket."""

    def __init__(self, server: SupabaseServer, project: SupabaseProject, keys: Keys, directory: Path) -> None:
        super().__init__()
        self.global_limit = 50 * 1024 * 1024
        self._server = server
        self._project = project
        self._keys = keys
        self._objects = Objects(project, directory)
        self._cut_after: int | None = None
        self._refuses_early = False

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what it serves."""
        at, name = "/storage/v1", "{bucket}/{key:.+}"
        for method, path, action, act in (
            ("GET", "/bucket", "bucket", self._list_buckets),
            ("POST", "/bucket", "bucket", self._create_bucket),
            ("GET", "/bucket/{bucket}", "bucket", self._get_bucket),
            ("PUT", "/bucket/{bucket}", "bucket", self._update_bucket),
            ("DELETE", "/bucket/{bucket}", "bucket", self._delete_bucket),
            ("POST", "/bucket/{bucket}/empty", "bucket", self._empty_bucket),
            ("POST", "/object/list/{bucket}", "list", self._list),
            ("POST", f"/object/sign/{name}", "sign", self._sign),
            ("POST", "/object/sign/{bucket}", "sign", self._sign_many),
            ("GET", f"/object/sign/{name}", "download", self._download_signed),
            ("POST", f"/object/upload/sign/{name}", "sign", self._sign_upload),
            ("PUT", f"/object/upload/sign/{name}", "upload", self._upload_signed),
            ("GET", f"/object/info/{name}", "info", self._info),
            ("GET", f"/object/public/{name}", "download", self._download_public),
            ("GET", f"/object/authenticated/{name}", "download", self._download),
            ("GET", f"/object/{name}", "download", self._download),
            ("HEAD", f"/object/{name}", "info", self._head),
            ("POST", f"/object/{name}", "upload", self._upload),
            ("PUT", f"/object/{name}", "upload", self._update),
            ("DELETE", f"/object/{name}", "remove", self._remove),
            ("DELETE", "/object/{bucket}", "remove", self._remove_many),
        ):
            router.add_route(method, at + path, self._served(action, act))

    async def start(self) -> None:
        """Open the connections."""
        await self._objects.start()

    async def stop(self) -> None:
        """Close them."""
        await self._objects.stop()

    # What a test can do to it

    def heal(self) -> None:
        """Switch every fault off. A bucket that was lost or made smaller stays so."""
        super().heal()
        self._cut_after = None
        self._refuses_early = False

    def fail(self, *, only: str | None = None) -> None:
        """Answer 500, as Storage does for what it did not foresee."""
        body = {"statusCode": "500", "error": "Internal", "message": "Internal Server Error", "code": "InternalError"}
        self.answer_with(500, body, only=only)

    def cut_uploads(self, after: int = CHUNK) -> None:
        """Cut the connection of uploads when so many bytes of the body were read."""
        self._cut_after = after

    def refuse_early(self) -> None:
        """Answer uploads "409" before their body is read, and do not read it: a large one runs into its timeout."""
        self._refuses_early = True

    def lose_bucket(self, bucket: str) -> None:
        """Delete a bucket with all that is in it, as somebody in the dashboard can."""
        self._server.run(self._lose_bucket(bucket))

    def limit_bucket(self, bucket: str, size: int | None, mime_types: list[str] | None = None) -> None:
        """Give a bucket other limits, as somebody in the dashboard can."""
        self._project.run(
            "update storage.buckets set file_size_limit = %s, allowed_mime_types = %s where id = %s",
            size,
            mime_types,
            bucket,
        )

    # Buckets

    async def _list_buckets(self, request: web.Request) -> web.Response:
        async with self._objects.transaction(self._caller(request)) as connection:
            rows = await (await connection.execute("select * from storage.buckets order by name")).fetchall()
        return _json([_bucket(row) for row in rows])

    async def _get_bucket(self, request: web.Request) -> web.Response:
        row = await self._objects.bucket(self._caller(request), request.match_info["bucket"])
        if row is None:
            raise errors.no_such_bucket()
        return _json(_bucket(row))

    async def _create_bucket(self, request: web.Request) -> web.Response:
        caller, wish = self._caller(request), await request.json()
        name = wish["name"]
        if not BUCKET_NAME.fullmatch(name):
            raise StorageError(400, "Invalid Input", "Bucket name invalid", "InvalidBucketName")
        limit = self._limit_of(wish)
        if await self._objects.bucket(None, wish.get("id") or name) is not None:
            raise errors.duplicate("BucketAlreadyExists")
        async with self._objects.transaction(caller) as connection:
            await connection.execute(
                "insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)"
                " values (%s, %s, %s, %s, %s)",
                [wish.get("id") or name, name, bool(wish.get("public")), limit, wish.get("allowed_mime_types")],
            )
        return _json({"name": name})

    async def _update_bucket(self, request: web.Request) -> web.Response:
        caller, wish, id = self._caller(request), await request.json(), request.match_info["bucket"]
        old = await self._objects.bucket(caller, id)
        if old is None:
            raise errors.no_such_bucket()
        limit = self._limit_of(wish) if "file_size_limit" in wish else old["file_size_limit"]
        async with self._objects.transaction(caller) as connection:
            await connection.execute(
                "update storage.buckets set public = %s, file_size_limit = %s, allowed_mime_types = %s,"
                " updated_at = now() where id = %s",
                [
                    wish.get("public", old["public"]),
                    limit,
                    wish.get("allowed_mime_types", old["allowed_mime_types"]),
                    id,
                ],
            )
        return _json({"message": "Successfully updated"})

    async def _delete_bucket(self, request: web.Request) -> web.Response:
        caller, id = self._caller(request), request.match_info["bucket"]
        if await self._objects.bucket(caller, id) is None:
            raise errors.no_such_bucket()
        if await self._objects.names(id):
            message = "The bucket you tried to delete is not empty"
            raise StorageError(409, "ResourceNotEmpty", message)
        async with self._objects.transaction(caller) as connection:
            await connection.execute("delete from storage.buckets where id = %s", [id])
        return _json({"message": "Successfully deleted"})

    async def _empty_bucket(self, request: web.Request) -> web.Response:
        caller, id = self._caller(request), request.match_info["bucket"]
        if await self._objects.bucket(caller, id) is None:
            raise errors.no_such_bucket()
        await self._objects.remove(caller, id, await self._objects.names(id))
        return _json({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    async def _lose_bucket(self, bucket: str) -> None:
        await self._objects.remove(None, bucket, await self._objects.names(bucket))
        async with self._objects.transaction(None) as connection:
            await connection.execute("delete from storage.buckets where id = %s", [bucket])

    def _limit_of(self, wish: dict[str, Any]) -> int | None:
        limit = wish.get("file_size_limit")
        if isinstance(limit, str):
            found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(gb|mb|kb|b)?", limit.lower())
            if found is None:
                message = "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B"
                raise StorageError(400, "InvalidRequest", message)
            limit = int(float(found[1]) * UNITS[found[2] or "b"])
        if limit is not None and limit > self.global_limit:
            raise errors.too_large()
        return limit

    # Uploads

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        upsert = request.headers.get("x-upsert") == "true"
        return await self._store(request, self._caller(request), upsert=upsert)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        return await self._store(request, self._caller(request), upsert=True)

    async def _upload_signed(self, request: web.Request) -> web.StreamResponse:
        claims = self._signature(request)
        return await self._store(request, None, upsert=bool(claims.get("upsert")))

    async def _store(self, request: web.Request, caller: Caller | None, *, upsert: bool) -> web.StreamResponse:
        bucket, key = request.match_info["bucket"], _key(request)
        if request.content_length is None and "Transfer-Encoding" not in request.headers:
            return web.json_response({"error": "Bad Request", "message": "Client Error"}, status=400)
        if self._refuses_early:
            return await _unread(request, errors.duplicate("KeyAlreadyExists"))
        row = await self._objects.bucket(None, bucket)
        if row is None:
            raise errors.no_such_bucket()
        limit = min(self.global_limit, row["file_size_limit"] or self.global_limit)
        try:
            upload = await opened(request, row, limit)
        except StorageError as error:
            if request.content_type == "multipart/form-data":
                return await _unread(request, error)
            raise
        await self._objects.may_store(caller, bucket, key)
        if not upsert and await self._objects.object(None, bucket, key) is not None:
            return await _unread(request, errors.duplicate("KeyAlreadyExists"))
        if self._cut_after is not None:
            upload.chunks = _cut(request, upload.chunks, self._cut_after)
        version = str(uuid.uuid4())
        metadata = await written(upload, self._objects.path(version))
        metadata["lastModified"] = _now().isoformat()
        stored = await self._objects.store(
            caller,
            bucket,
            key,
            {"metadata": metadata, "user_metadata": upload.user_metadata, "version": version},
        )
        return _json({"Key": f"{bucket}/{key}", "Id": stored["id"]})

    # Downloads

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return await self._send(request, await self._visible(request))

    async def _download_signed(self, request: web.Request) -> web.StreamResponse:
        claims = self._signature(request)
        row = await self._objects.object(None, request.match_info["bucket"], request.match_info["key"])
        if row is None:
            raise errors.no_such_key()
        return await self._send(request, row, expires=claims["exp"])

    async def _download_public(self, request: web.Request) -> web.StreamResponse:
        bucket = await self._objects.bucket(None, request.match_info["bucket"])
        if bucket is None or not bucket["public"]:
            raise errors.no_such_bucket()
        row = await self._objects.object(None, bucket["id"], request.match_info["key"])
        if row is None:
            raise errors.no_such_key()
        return await self._send(request, row)

    async def _info(self, request: web.Request) -> web.Response:
        row = await self._visible(request)
        metadata = row["metadata"]
        return _json(
            {
                "id": row["id"],
                "name": row["name"],
                "version": row["version"],
                "bucket_id": row["bucket_id"],
                "size": metadata["size"],
                "content_type": metadata["mimetype"],
                "cache_control": metadata["cacheControl"],
                "etag": metadata["eTag"],
                "metadata": row["user_metadata"],
                "last_modified": row["updated_at"],
                "created_at": row["created_at"],
            }
        )

    async def _head(self, request: web.Request) -> web.Response:
        headers = _headers(await self._visible(request))
        return web.Response(headers={key: value for key, value in headers.items() if key != "Content-Length"})

    async def _visible(self, request: web.Request) -> Row:
        # A bad token makes a stranger of the caller here, who then sees no bucket.
        caller, bucket = self._caller(request, may_be_invalid=True), request.match_info["bucket"]
        if await self._objects.bucket(caller, bucket) is None:
            raise errors.no_such_bucket()
        row = await self._objects.object(caller, bucket, request.match_info["key"])
        if row is None:
            raise errors.no_such_key()
        return row

    async def _send(self, request: web.Request, row: Row, expires: int | None = None) -> web.StreamResponse:
        headers = _headers(row)
        if "download" in request.query:
            name = urllib.parse.quote(request.query["download"])
            headers["Content-Disposition"] = f"attachment; filename={name}" if name else "attachment;"
        if expires is not None:
            headers.pop("Cache-Control")
            headers["Expires"] = email.utils.formatdate(expires, usegmt=True)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers={"ETag": headers["ETag"]})
        size = row["metadata"]["size"]
        first, last = 0, size - 1
        status = 200
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
        if span is not None and any(span.groups()):
            first = int(span[1]) if span[1] else max(0, size - int(span[2]))
            last = min(int(span[2]), size - 1) if span[1] and span[2] else size - 1
            if first > last:
                raise StorageError(400, "invalid_range", "invalid range provided", "InvalidRange")
            headers |= {"Content-Range": f"bytes {first}-{last}/{size}"}
            status = 206
        headers["Content-Length"] = str(last - first + 1)
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        with self._objects.path(row["version"]).open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left > 0:
                chunk = file.read(min(CHUNK, left))
                await response.write(chunk)
                left -= len(chunk)
        await response.write_eof()
        return response

    # Lists, removal, signatures

    async def _list(self, request: web.Request) -> web.Response:
        caller, wish = self._caller(request), await request.json()
        return _json(await self._objects.listed(caller, request.match_info["bucket"], wish))

    async def _remove(self, request: web.Request) -> web.Response:
        removed = await self._objects.remove(
            self._caller(request), request.match_info["bucket"], [request.match_info["key"]]
        )
        if not removed:
            raise errors.no_such_key()
        return _json({"message": "Successfully deleted"})

    async def _remove_many(self, request: web.Request) -> web.Response:
        caller, names = self._caller(request), (await request.json())["prefixes"]
        removed = await self._objects.remove(caller, request.match_info["bucket"], names)
        return _json([{key: value for key, value in row.items() if key != "path_tokens"} for row in removed])

    async def _sign(self, request: web.Request) -> web.Response:
        caller, bucket, key = self._caller(request), request.match_info["bucket"], request.match_info["key"]
        seconds = _seconds(await request.json())
        if await self._objects.object(caller, bucket, key) is None:
            raise errors.no_such_key()
        return _json({"signedURL": self._signed_url(bucket, key, seconds)})

    async def _sign_many(self, request: web.Request) -> web.Response:
        caller, bucket, wish = self._caller(request), request.match_info["bucket"], await request.json()
        seconds = _seconds(wish)
        signed = []
        for key in wish["paths"]:
            known = await self._objects.object(caller, bucket, key) is not None
            error = None if known else "Either the object does not exist or you do not have access to it"
            url = self._signed_url(bucket, key, seconds) if known else None
            signed.append({"error": error, "path": key, "signedURL": url})
        return _json(signed)

    async def _sign_upload(self, request: web.Request) -> web.Response:
        caller, bucket, key = self._caller(request), request.match_info["bucket"], _key(request)
        if await self._objects.bucket(None, bucket) is None:
            raise errors.no_such_bucket()
        await self._objects.may_store(caller, bucket, key)
        upsert = request.headers.get("x-upsert") == "true"
        if not upsert and await self._objects.object(None, bucket, key) is not None:
            raise errors.duplicate("KeyAlreadyExists")
        token = self._keys.sign(None, SIGNED_UPLOAD_SECONDS, url=f"{bucket}/{key}", upsert=upsert, scope="upload")
        path = urllib.parse.quote(f"/object/upload/sign/{bucket}/{key}")
        return _json({"url": f"{path}?token={token}", "token": token})

    def _signed_url(self, bucket: str, key: str, seconds: int) -> str:
        token = self._keys.sign(None, seconds, url=f"{bucket}/{key}", scope="download")
        return f"{urllib.parse.quote(f'/object/sign/{bucket}/{key}')}?token={token}"

    def _signature(self, request: web.Request) -> dict[str, Any]:
        try:
            claims = self._keys.claims(request.query.get("token", ""))
        except jwt.ExpiredSignatureError as error:
            raise errors.invalid_jwt('"exp" claim timestamp check failed') from error
        except jwt.InvalidTokenError as error:
            raise errors.invalid_jwt("signature verification failed") from error
        scope = "upload" if "/object/upload/" in request.path else "download"
        if claims.get("url") != f"{request.match_info['bucket']}/{request.match_info['key']}" or (
            claims.get("scope") != scope
        ):
            raise StorageError(400, "InvalidSignature", "Invalid signature")
        return claims

    # Every request

    def _served(self, action: str, act: Act) -> Act:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await act(request)
            except StorageError as error:
                return error.response()

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self.around(action, request, answer)

        return serve

    def _caller(self, request: web.Request, *, may_be_invalid: bool = False) -> Caller:
        token = request.get(TOKEN)
        stranger = Caller("anon", {"role": "anon"})
        if not token:
            if may_be_invalid:
                return stranger
            raise StorageError(400, "Error", "headers must have required property 'authorization'")
        try:
            claims = self._keys.claims(token)
        except jwt.ExpiredSignatureError as error:
            reason: StorageError = errors.access_denied('"exp" claim timestamp check failed')
            cause: Exception = error
        except jwt.InvalidTokenError as error:
            reason, cause = errors.access_denied("Invalid Compact JWS"), error
        else:
            return Caller(str(claims.get("role", "anon")), claims)
        if may_be_invalid:
            return stranger
        raise reason from cause


async def _unread(request: web.Request, error: StorageError) -> web.StreamResponse:
    """Answer without reading on: who has a lot left to send is stuck with it, and never looks at the answer."""
    if request.content_length is not None and request.content_length <= EASILY_READ:
        await request.read()
        return error.response()
    response = web.StreamResponse(status=error.status, headers={"Content-Type": "application/json; charset=utf-8"})
    body = json.dumps(error.body).encode()
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body)
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
    return response


async def _cut(request: web.Request, chunks: AsyncIterator[bytes], after: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size >= after:
            reset(request)
            raise ConnectionResetError
        yield chunk


def _key(request: web.Request) -> str:
    key = request.match_info["key"]
    if not KEY.fullmatch(key) or "?" in key or "#" in key:
        raise errors.invalid_key(key)
    return key


def _seconds(wish: dict[str, Any]) -> int:
    with contextlib.suppress(ValueError, TypeError):
        seconds = int(wish.get("expiresIn", 0))
        if seconds >= 1:
            return seconds
    raise StorageError(400, "Error", "body/expiresIn must be >= 1")


def _headers(row: Row) -> dict[str, str]:
    metadata = row["metadata"]
    return {
        "Accept-Ranges": "bytes",
        "Content-Type": metadata["mimetype"],
        "Content-Length": str(metadata["size"]),
        "ETag": metadata["eTag"],
        "Cache-Control": metadata["cacheControl"],
        "Last-Modified": email.utils.formatdate(row["updated_at"].timestamp(), usegmt=True),
        "X-Robots-Tag": "none",
    }


def _bucket(row: Row) -> Row:
    # The real one writes an owner whom nobody set as an empty text.
    return {key: row[key] or "" if key == "owner" else row[key] for key in row}


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time.time(), datetime.UTC)


def _json(value: Any) -> web.Response:
    def plain(other: Any) -> str:
        return str(other.isoformat()) if isinstance(other, datetime.datetime) else str(other)

    return web.json_response(value, dumps=lambda data: json.dumps(data, default=plain))
