"""What Storage keeps: a row of `storage.objects` for each object, and its bytes in a file named by its version."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .functions import RETRY_SECONDS
from .project import SupabaseProject
from .storage_errors import StorageError, of_database

Row = dict[str, Any]
BUCKET_COLUMNS = "id, name, owner, public, created_at, updated_at, file_size_limit, allowed_mime_types"
LISTED = """
with found as (
  select *, path_tokens[%(level)s] as segment, cardinality(path_tokens) = %(level)s as is_object
  from storage.objects
  where bucket_id = %(bucket)s and starts_with(lower(name), lower(%(prefix)s))
)
select segment as name, null::uuid as id, null::timestamptz as updated_at, null::timestamptz as created_at,
  null::timestamptz as last_accessed_at, null::jsonb as metadata, false as is_object
from found where not is_object group by segment
union all
select segment, id, updated_at, created_at, last_accessed_at, metadata, true from found where is_object
order by is_object, {column} {order}, name
limit %(limit)s offset %(offset)s
"""


@dataclasses.dataclass(frozen=True)
class Caller:
    """Whose token a request came with."""

    role: str
    claims: dict[str, Any]


class Objects:
    """The rows, asked for as the caller's role, so that row-level security decides; and the files."""

    def __init__(self, project: SupabaseProject, directory: Path) -> None:
        self._project = project
        self._directory = directory
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] | None = None

    async def start(self) -> None:
        """Open the connections, which last for as long as the server."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._pool = AsyncConnectionPool(
            self._project.conninfo_of("supabase_storage_admin"),
            min_size=1,
            max_size=10,
            timeout=5,
            reconnect_timeout=RETRY_SECONDS,
            kwargs={"row_factory": dict_row},
            open=False,
        )
        await self._pool.open()

    async def stop(self) -> None:
        """Close them."""
        if self._pool is not None:
            await self._pool.close(1)

    def path(self, version: str) -> Path:
        """Return where the bytes of a version are."""
        return self._directory / version

    @contextlib.asynccontextmanager
    async def transaction(self, caller: Caller | None) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        """Open a transaction as the caller, or as Storage itself.

        :raise StorageError: for whatever the database says.
        """
        assert self._pool is not None
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select set_config('storage.can_delete', 'true', true)")
                if caller is not None:
                    await connection.execute(
                        "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)",
                        [json.dumps(caller.claims), caller.role],
                    )
                yield connection
        except PoolTimeout as error:
            raise StorageError(544, "DatabaseTimeout", "The connection to the database timed out") from error
        except psycopg.Error as error:
            raise of_database(error) from error

    async def bucket(self, caller: Caller | None, id: str) -> Row | None:
        """Return a bucket, if the caller may see it."""
        return await self._one(caller, f"select {BUCKET_COLUMNS} from storage.buckets where id = %s", id)

    async def object(self, caller: Caller | None, bucket: str, name: str) -> Row | None:
        """Return an object's row, if the caller may see it."""
        return await self._one(caller, "select * from storage.objects where bucket_id = %s and name = %s", bucket, name)

    async def may_store(self, caller: Caller | None, bucket: str, name: str) -> None:
        """Try whether the caller may insert this object, and leave no trace.

        :raise StorageError: when row-level security forbids it.
        """
        async with self.transaction(caller) as connection:
            # A name that is not there, so that the answer is about the caller alone.
            await connection.execute(
                "insert into storage.objects (bucket_id, name) values (%s, %s || gen_random_uuid()::text)",
                [bucket, name],
            )
            await connection.rollback()

    async def store(self, caller: Caller | None, bucket: str, name: str, row: Row) -> Row:
        """Insert or replace an object's row, remove the file of the version before, and give the row."""
        old = await self.object(None, bucket, name)
        async with self.transaction(caller) as connection:
            cursor = await connection.execute(
                "insert into storage.objects (bucket_id, name, owner_id, metadata, user_metadata, version)"
                " values (%(bucket)s, %(name)s, %(owner)s, %(metadata)s, %(user)s, %(version)s)"
                " on conflict (bucket_id, name) do update set metadata = excluded.metadata,"
                " user_metadata = excluded.user_metadata, version = excluded.version returning *",
                {
                    "bucket": bucket,
                    "name": name,
                    "owner": caller.claims.get("sub") if caller else None,
                    "metadata": Jsonb(row["metadata"]),
                    "user": Jsonb(row["user_metadata"]),
                    "version": row["version"],
                },
            )
            stored = await cursor.fetchone()
        assert stored is not None
        self._forget([old] if old else [])
        return stored

    async def remove(self, caller: Caller | None, bucket: str, names: list[str]) -> list[Row]:
        """Remove objects and give the rows of those that were there, and the caller's to remove."""
        async with self.transaction(caller) as connection:
            cursor = await connection.execute(
                "delete from storage.objects where bucket_id = %s and name = any(%s) returning *", [bucket, names]
            )
            removed = await cursor.fetchall()
        self._forget(removed)
        return removed

    async def names(self, bucket: str) -> list[str]:
        """Return the names of all objects of a bucket."""
        async with self.transaction(None) as connection:
            cursor = await connection.execute("select name from storage.objects where bucket_id = %s", [bucket])
            return [row["name"] for row in await cursor.fetchall()]

    async def listed(self, caller: Caller, bucket: str, wish: dict[str, Any]) -> list[Row]:
        """Return what lies directly under a prefix: folders, which have no id, and objects."""
        prefix = str(wish.get("prefix") or "")
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        sort = wish.get("sortBy") or {}
        columns = ("name", "updated_at", "created_at", "last_accessed_at")
        column = sort.get("column") if sort.get("column") in columns else "name"
        order = "desc" if sort.get("order") == "desc" else "asc"
        arguments = {
            "level": prefix.count("/") + 1,
            "bucket": bucket,
            "prefix": prefix + str(wish.get("search") or ""),
            "limit": int(wish.get("limit", 100)),
            "offset": int(wish.get("offset", 0)),
        }
        async with self.transaction(caller) as connection:
            cursor = await connection.execute(LISTED.format(column=column, order=order).encode(), arguments)
            rows = await cursor.fetchall()
        for row in rows:
            del row["is_object"]
        return rows

    async def _one(self, caller: Caller | None, question: str, *arguments: Any) -> Row | None:
        async with self.transaction(caller) as connection:
            return await (await connection.execute(question.encode(), arguments)).fetchone()

    def _forget(self, rows: list[Row]) -> None:
        for row in rows:
            if row["version"]:
                self.path(row["version"]).unlink(missing_ok=True)
