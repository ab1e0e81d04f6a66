"""What streams committed rows of `realtime.messages`: like a temporary slot, it gives what commits while it runs, and
nothing of what committed before, or while it was away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from .project import SupabaseProject

ROWS = "select id::text, topic, event, payload::text, private from realtime.messages where id = any(%s::uuid[])"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of `realtime.messages`; the payload is JSON text."""

    id: str
    topic: str
    event: str | None
    payload: str | None
    private: bool | None


class Replication:
    """One stream for the project. It starts when a client joins, and what ends it tells nobody."""

    def __init__(self, project: SupabaseProject, deliver: Callable[[Row], None]) -> None:
        # Of a cold start, in seconds: until rows are streamed, and until that is told.
        self.seconds_until_running = 0.1
        self.seconds_until_told = 0.5
        # A connection that Postgres cut is looked after this rarely, unless somebody joins.
        self.seconds_until_looked_after = 165.0
        self.may_start = True
        self.is_told = asyncio.Event()
        self._project = project
        self._deliver = deliver
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether rows are streamed, or about to be."""
        return self._task is not None and not self._task.done()

    async def ensure(self) -> None:
        """Do what a join brings about: the partitions of these days, and the stream if there is none.

        :raise psycopg.Error: when the database does not answer.
        """
        await self._ensure_partitions()
        if self.may_start and not self.is_running:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the stream. What commits from now on is lost."""
        self.is_told.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._stream()
                except* psycopg.Error:
                    pass  # nobody is told
                self.is_told.clear()
                await asyncio.sleep(self.seconds_until_looked_after)
        finally:
            self.is_told.clear()

    async def _stream(self) -> None:
        await asyncio.sleep(self.seconds_until_running)
        conninfo = self._project.superuser_conninfo
        async with (
            await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as listening,
            await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as reading,
        ):
            await listening.execute("listen realtime_replication")
            ids: asyncio.Queue[str] = asyncio.Queue()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell())
                tasks.create_task(self._read(reading, ids))
                async for notification in listening.notifies():
                    ids.put_nowait(notification.payload)

    async def _tell(self) -> None:
        await asyncio.sleep(max(0.0, self.seconds_until_told - self.seconds_until_running))
        self.is_told.set()

    async def _read(self, connection: psycopg.AsyncConnection[Any], ids: asyncio.Queue[str]) -> None:
        while True:
            batch = [await ids.get()]
            while not ids.empty() and len(batch) < 1000:
                batch.append(ids.get_nowait())
            rows = {row[0]: Row(*row) for row in await (await connection.execute(ROWS, [batch])).fetchall()}
            for id in batch:
                if id in rows:
                    self._deliver(rows[id])

    async def _ensure_partitions(self) -> None:
        today = datetime.datetime.now(datetime.UTC).date()
        conninfo = self._project.superuser_conninfo
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            for days in range(-1, 4):
                day = today + datetime.timedelta(days=days)
                name = f"messages_{day:%Y_%m_%d}"
                cursor = await connection.execute("select to_regclass(%s)", [f"realtime.{name}"])
                if await cursor.fetchone() != (None,):
                    continue
                until = day + datetime.timedelta(days=1)
                with contextlib.suppress(psycopg.errors.DuplicateTable):
                    await connection.execute(
                        sql.SQL(
                            "create table realtime.{} partition of realtime.messages for values from ({}) to ({})"
                        ).format(sql.Identifier(name), sql.Literal(day), sql.Literal(until))
                    )
