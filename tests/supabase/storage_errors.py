"""Storage's errors: HTTP 400 for nearly all of them, and the true status as a string in the body."""

from __future__ import annotations

import psycopg
from aiohttp import web

PRIVILEGE = "42501"
TIMED_OUT = 544


class StorageError(Exception):
    """What Storage answers instead of a result."""

    def __init__(self, status: int, error: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.body = {"statusCode": str(status), "error": error, "message": message, "code": code or error}
        self.status = status if status in (500, TIMED_OUT) else 400

    def response(self) -> web.Response:
        """Return it as an answer."""
        return web.json_response(self.body, status=self.status)


def no_such_bucket() -> StorageError:
    """There is no such bucket, or it is not for this caller."""
    return StorageError(404, "Bucket not found", "Bucket not found", "NoSuchBucket")


def no_such_key() -> StorageError:
    """There is no such object, or it is not for this caller."""
    return StorageError(404, "not_found", "Object not found", "NoSuchKey")


def duplicate(code: str) -> StorageError:
    """It is there already: a bucket, or a key."""
    return StorageError(409, "Duplicate", "The resource already exists", code)


def too_large() -> StorageError:
    """An object, or a limit that a bucket should get."""
    return StorageError(413, "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")


def invalid_mime_type(kind: str) -> StorageError:
    """The bucket does not take this type."""
    return StorageError(415, "invalid_mime_type", f"mime type {kind} is not supported", "InvalidMimeType")


def invalid_key(key: str) -> StorageError:
    """A name that is none."""
    return StorageError(400, "InvalidKey", f"Invalid key: {key}")


def access_denied(message: str) -> StorageError:
    """Row-level security, or a token that is none."""
    return StorageError(403, "Unauthorized", message, "AccessDenied")


def invalid_jwt(message: str) -> StorageError:
    """The token of a signed URL."""
    return StorageError(400, "InvalidJWT", message)


def of_database(error: psycopg.Error) -> StorageError:
    """Return what Storage makes of an error of Postgres."""
    if error.sqlstate == PRIVILEGE:
        return access_denied("new row violates row-level security policy")
    if error.sqlstate is None:
        return StorageError(TIMED_OUT, "DatabaseTimeout", "The connection to the database timed out")
    return StorageError(500, "DatabaseError", error.diag.message_primary or "", "DatabaseError")
