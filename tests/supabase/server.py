"""A server that stands in for a Supabase project: PostgREST, Realtime and Storage behind one gateway, on loopback.

It is none of the product's code and knows nothing of it: it speaks what the official client and a raw one expect of a
project, on a real Postgres, and can be told to fail in the ways in which a project fails. It runs in a thread of its
own; every public method may be called from the test's thread.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from .gateway import pass_gateway
from .keys import Keys
from .project import SupabaseProject
from .realtime import Realtime
from .rest import Rest
from .storage import Storage

HOST = "127.0.0.1"
MOST_BODY = 1024**3
R = TypeVar("R")


class SupabaseServer:
    """One project, served. `rest`, `realtime` and `storage` have the settings and the faults of each service."""

    def __init__(self, project: SupabaseProject, storage_dir: Path, *, hosted: bool = True) -> None:
        """:param hosted: whether there is a gateway that wants an API key and translates the new kind of keys."""
        self.project = project
        self.keys = Keys()
        self.port = 0
        self._hosted = hosted
        self.rest = Rest(self, project, self.keys)
        self.realtime = Realtime(self, project, self.keys)
        self.storage = Storage(self, project, self.keys, storage_dir)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._listening: socket.socket | None = None

    @property
    def url(self) -> str:
        """What a user has as SUPABASE_URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def secret_key(self) -> str:
        """The legacy service_role key: a JWT."""
        return self.keys.service_role

    @property
    def secret_key_new(self) -> str:
        """The same in the new form, `sb_secret_...`."""
        return self.keys.secret

    @property
    def anon_key(self) -> str:
        """The legacy anon key: a JWT."""
        return self.keys.anon

    @property
    def publishable_key(self) -> str:
        """The same in the new form, `sb_publishable_...`."""
        return self.keys.publishable

    def start(self) -> None:
        """Serve; on the port of the time before, if there was one."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="supabase", daemon=True)
            self._thread.start()
        self.run(self._start())

    def stop(self) -> None:
        """Stop serving, and end the thread: every connection is cut, websockets are closed with 1012."""
        if self._loop is None or self._thread is None:
            return
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = self._thread = None

    def restart(self) -> None:
        """Stop and start again, on the same port; nothing that was in memory outlives it."""
        self.stop()
        self.start()

    def refuse_connections(self) -> None:
        """Be away: the port is closed and every connection is cut. Until `accept_connections`."""
        self.run(self._stop())

    def accept_connections(self) -> None:
        """End what `refuse_connections` began."""
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the server's loop, and give what it gives. For the parts of the server."""
        assert self._loop is not None, "the server is stopped"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        if self._runner is not None:
            return
        app = web.Application(middlewares=[self._gateway], client_max_size=MOST_BODY)
        for part in (self.rest, self.realtime, self.storage):
            part.add_routes(app.router)
            await part.start()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        self._listening = socket.create_server((HOST, self.port))
        self.port = self._listening.getsockname()[1]
        await web.SockSite(self._runner, self._listening).start()

    async def _stop(self) -> None:
        if self._runner is None or self._listening is None:
            return
        runner, self._runner = self._runner, None
        # Nobody more is let in before asyncio's server closes: it would leave open the socket of who is just coming.
        asyncio.get_running_loop().remove_reader(self._listening)
        await asyncio.sleep(0)
        for site in runner.sites:
            await site.stop()
        await self.realtime.stop()
        await runner.cleanup()
        await self.storage.stop()
        await self.rest.stop()

    @web.middleware
    async def _gateway(self, request: web.Request, handler: Any) -> web.StreamResponse:
        refusal = pass_gateway(request, self.keys, hosted=self._hosted)
        return refusal if refusal is not None else await handler(request)
