"""PostgREST's `/rest/v1/rpc/<function>`: one request, one transaction, under the role of the request's token."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import jwt
import psycopg
from aiohttp import web
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from .faults import Faults
from .functions import RETRY_SECONDS, Ambiguous, Function, FunctionCache
from .gateway import TOKEN
from .keys import Keys
from .project import SupabaseProject
from .rest_errors import RestError, of_database

if TYPE_CHECKING:
    from .server import SupabaseServer

SINGLE = "application/vnd.pgrst.object+json"
CONNECTION = {"autocommit": True, "prepare_threshold": 2, "application_name": "postgrest"}


class Rest(Faults):
    """The service. Set `pool_size` and `pool_timeout` before the server starts."""

    def __init__(self, server: SupabaseServer, project: SupabaseProject, keys: Keys) -> None:
        super().__init__()
        self.pool_size = 10
        self.pool_timeout = 10.0
        self.schemas = ["public"]
        # What was called, in the order in which it came in.
        self.calls: list[str] = []
        self._server = server
        self._project = project
        self._keys = keys
        self._pool: AsyncConnectionPool[Any] | None = None
        self._cache = FunctionCache(project, self.schemas)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what it serves."""
        router.add_route("*", "/rest/v1/rpc/{function}", self._serve)

    async def start(self) -> None:
        """Fill the schema cache, and follow `NOTIFY pgrst`."""
        self._pool = AsyncConnectionPool(
            self._project.conninfo_of("authenticator"),
            min_size=1,
            max_size=self.pool_size,
            timeout=self.pool_timeout,
            reconnect_timeout=RETRY_SECONDS,
            kwargs=CONNECTION,
            open=False,
        )
        await self._pool.open()
        await self._cache.start()

    async def stop(self) -> None:
        """Close every connection."""
        await self._cache.stop()
        if self._pool is not None:
            await self._pool.close(1)

    def reload(self) -> None:
        """Fill the schema cache now, without waiting for what `NOTIFY pgrst, 'reload schema'` brings about."""
        self._server.run(self._cache.reload())

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["function"]
        self.calls.append(name)
        return await self.around(name, request, self._answer)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._call(request)
        except RestError as error:
            return error.response()

    async def _call(self, request: web.Request) -> web.Response:
        claims = self._claims(request)
        role = str(claims.get("role", "anon"))
        schema = self._schema(request)
        arguments = await _arguments(request)
        function = self._find(schema, request.match_info["function"], arguments)
        reads = request.method in ("GET", "HEAD")
        body: Any = [_text(arguments.get(name)) for name in function.names_of(arguments)] if reads else None
        if body is None:
            body = [json.dumps(arguments)] if arguments else []
        try:
            async with self._transaction(claims, role, function, reads) as connection:
                cursor = await connection.execute(function.statement(tuple(arguments), reads), body, binary=False)
                row = await cursor.fetchone()
        except PoolTimeout as error:
            raise RestError(504, "PGRST003", "Timed out acquiring connection from connection pool.") from error
        except psycopg.Error as error:
            raise of_database(error, is_anonymous=role == "anon") from error
        return _response(request, function, cast(tuple[Any, ...], row))

    def _claims(self, request: web.Request) -> dict[str, Any]:
        token = request.get(TOKEN)
        if not token:
            return {"role": "anon"}
        try:
            return self._keys.claims(token)
        except jwt.ExpiredSignatureError as error:
            raise RestError(401, "PGRST303", "JWT expired") from error
        except jwt.InvalidTokenError as error:
            if token.count(".") != 2:
                parts = token.count(".") + 1
                raise RestError(401, "PGRST301", f"Expected 3 parts in JWT; got {parts}") from error
            raise RestError(401, "PGRST301", "No suitable key or wrong key type") from error

    def _schema(self, request: web.Request) -> str:
        header = "Accept-Profile" if request.method in ("GET", "HEAD") else "Content-Profile"
        schema = request.headers.get(header, self.schemas[0])
        if schema not in self.schemas:
            hint = f"Only the following schemas are exposed: {', '.join(self.schemas)}"
            raise RestError(406, "PGRST106", f"Invalid schema: {schema}", hint=hint)
        return schema

    def _find(self, schema: str, name: str, arguments: dict[str, Any]) -> Function:
        if not self._cache.is_loaded:
            raise RestError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
        try:
            function = self._cache.find(schema, name, set(arguments))
        except Ambiguous as error:
            message = f"Could not choose the best candidate function between: {error}"
            hint = "Try renaming the parameters or the function itself in the database so function overloading can be"
            raise RestError(300, "PGRST203", message, hint=f"{hint} resolved") from error
        if function is not None:
            return function
        given = ", ".join(arguments)
        shown = f"({given})" if given else " without parameters"
        searched = f" with parameter{'s' if len(arguments) > 1 else ''} {given}" if given else shown
        raise RestError(
            404,
            "PGRST202",
            f"Could not find the function {schema}.{name}{shown} in the schema cache",
            details=f"Searched for the function {schema}.{name}{searched} or with a single unnamed json/jsonb"
            " parameter, but no matches were found in the schema cache.",
            hint=self._cache.hint(schema, name),
        )

    @contextlib.asynccontextmanager
    async def _transaction(
        self, claims: dict[str, Any], role: str, function: Function, reads: bool
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        assert self._pool is not None
        settings = {
            **self._cache.role_settings.get(role, {}),
            **function.settings,
            "role": role,
            "request.jwt.claims": json.dumps(claims),
            "search_path": f'"{function.schema}"',
        }
        async with self._pool.connection() as connection:
            mode = "read only" if reads or not function.is_volatile else "read write"
            await connection.execute(f"begin isolation level read committed {mode}".encode())
            try:
                columns = ", ".join(["set_config(%s, %s, true)"] * len(settings))
                pairs = [part for pair in settings.items() for part in pair]
                await connection.execute(f"select {columns}".encode(), pairs)
                yield connection
                await connection.execute("commit")
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    await asyncio.shield(connection.rollback())
                raise


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.method in ("GET", "HEAD"):
        return dict(request.query)
    if request.method != "POST":
        raise RestError(405, "PGRST101", f"Cannot use the {request.method} method on RPC")
    body = await request.read()
    if not body:
        return {}
    try:
        arguments = json.loads(body)
    except ValueError as error:
        raise RestError(400, "PGRST102", "Empty or invalid json") from error
    if not isinstance(arguments, dict):
        raise RestError(400, "PGRST102", "All object keys must match")
    return arguments


def _text(value: Any) -> str:
    return str(value)


def _response(request: web.Request, function: Function, row: tuple[Any, ...]) -> web.Response:
    text, status, headers, rows = row
    extra = {name: value for header in json.loads(headers or "[]") for name, value in header.items()}
    if function.is_void:
        return web.Response(status=int(status or 204), headers=extra)
    kind = "application/json"
    if function.gives_set:
        total = rows if "count=exact" in request.headers.get("Prefer", "") else "*"
        extra["Content-Range"] = f"0-{rows - 1}/{total}" if rows else f"*/{total}"
        if SINGLE in request.headers.get("Accept", ""):
            text, kind = _single(text, rows), SINGLE
    body = (text if text is not None else "null").encode()
    # No body goes out for HEAD, but its length does.
    return web.Response(status=int(status or 200), body=body, headers=extra, content_type=kind, charset="utf-8")


def _single(text: str, rows: int) -> str:
    if rows != 1:
        details = f"The result contains {rows} rows"
        raise RestError(406, "PGRST116", "Cannot coerce the result to a single JSON object", details=details)
    return json.dumps(json.loads(text)[0])
