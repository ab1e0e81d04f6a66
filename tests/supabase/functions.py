"""PostgREST's schema cache: the functions that can be called, as they were when the cache was last filled."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import functools
from collections import defaultdict
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from .project import SupabaseProject

FUNCTIONS = """
select
  n.nspname as schema,
  p.proname as name,
  coalesce(p.proargnames[1:p.pronargs], '{}') as names,
  array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a (t, i) order by i) as types,
  p.pronargdefaults as defaults,
  p.proretset as gives_set,
  p.prorettype = 'void'::regtype as is_void,
  p.prorettype = 'record'::regtype or t.typtype = 'c' as gives_rows,
  p.provolatile = 'v' as is_volatile,
  coalesce(p.proconfig, '{}') as settings
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_type t on t.oid = p.prorettype
where
  n.nspname = any(%s)
  and p.prokind = 'f'
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
"""
ROLE_SETTINGS = """
select r.rolname, array_agg(setting)
from pg_db_role_setting s
join pg_roles r on r.oid = s.setrole
cross join unnest(s.setconfig) as setting
where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
group by 1
"""
# Those of a function's own settings that have to hold before it starts.
HOISTED = ("statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation")
OF_ROLES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# A project tries to reach its database with a growing pause. Here it never grows: a pool of psycopg gives up after this
# time, and tries anew when the next request comes.
RETRY_SECONDS = 0.2


class Ambiguous(Exception):
    """More than one function can be meant."""


@dataclasses.dataclass(frozen=True)
class Function:
    """One function, and how it is called."""

    schema: str
    name: str
    names: list[str] = dataclasses.field(hash=False)
    types: list[str] = dataclasses.field(hash=False)
    defaults: int
    gives_set: bool
    is_void: bool
    gives_rows: bool
    is_volatile: bool
    settings: dict[str, str] = dataclasses.field(hash=False)

    def takes(self, given: set[str]) -> bool:
        """Whether it can be called with exactly these arguments."""
        required = self.names[: len(self.names) - self.defaults]
        return set(required) <= given <= set(self.names) and "" not in self.names

    def names_of(self, arguments: dict[str, Any]) -> list[str]:
        """Return the names of the arguments, in the order in which `statement` wants them when it reads."""
        return list(arguments)

    @functools.cache  # noqa: B019 - functions are few, and go with the cache of a test
    def statement(self, given: tuple[str, ...], from_query: bool) -> sql.Composed:
        """Return the statement that calls it: its result as JSON text, the answer's status and headers, and the rows.

        :param from_query: whether each argument comes as text of its own, instead of all in one JSON object.
        """
        types = dict(zip(self.names, self.types, strict=True))
        casts = [sql.SQL(types[name]) for name in given]
        names = [sql.Identifier(name) for name in given]
        source = sql.Composed([])
        if from_query:
            values = [sql.SQL("{} => %s::text::{}").format(name, cast) for name, cast in zip(names, casts, strict=True)]
        else:
            values = [sql.SQL("{} => arguments.{}").format(name, name) for name in names]
            if given:
                columns = [sql.SQL("{} {}").format(name, cast) for name, cast in zip(names, casts, strict=True)]
                source = sql.SQL("json_to_record(%s::json) as arguments ({}), lateral ").format(
                    sql.SQL(", ").join(columns)
                )
        called = sql.SQL("{}.{}({})").format(
            sql.Identifier(self.schema), sql.Identifier(self.name), sql.SQL(", ").join(values)
        )
        return sql.SQL(
            "with result as materialized (select {} as body, count(*) as rows from {}{} as outcome)"
            " select body::text, nullif(current_setting('response.status', true), ''),"
            " nullif(current_setting('response.headers', true), ''), rows from result"
        ).format(self._as_json(), source, called)

    def _as_json(self) -> sql.SQL:
        if self.is_void:
            return sql.SQL("null")
        if self.gives_set:
            return sql.SQL("coalesce(json_agg(outcome), '[]')")
        # One row always, even for null.
        return sql.SQL("(json_agg(outcome) -> 0)")


class FunctionCache:
    """Filled at the start and at each `NOTIFY pgrst, 'reload schema'`; a change that nobody told stays unknown."""

    def __init__(self, project: SupabaseProject, schemas: list[str]) -> None:
        self.is_loaded = False
        self.role_settings: dict[str, dict[str, str]] = {}
        self._project = project
        self._schemas = schemas
        self._functions: dict[tuple[str, str], list[Function]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fill it, and go on listening."""
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._follow_for_ever(ready))
        await ready.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def reload(self) -> None:
        """Fill it now."""
        conninfo = self._project.conninfo_of("authenticator")
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await self._load(connection)

    def find(self, schema: str, name: str, given: set[str]) -> Function | None:
        """Return the function that takes these arguments.

        :raise Ambiguous: when there are several.
        """
        found = [function for function in self._functions.get((schema, name), []) if function.takes(given)]
        if len(found) > 1:
            raise Ambiguous(", ".join(_described(function) for function in found))
        return found[0] if found else None

    def hint(self, schema: str, name: str) -> str | None:
        """Return what may have been meant."""
        known = self._functions.get((schema, name))
        if known:
            return f"Perhaps you meant to call the function {schema}.{name}({', '.join(sorted(known[0].names))})"
        alike = difflib.get_close_matches(name, [other for at, other in self._functions if at == schema], 1, 0.75)
        return f"Perhaps you meant to call the function {schema}.{alike[0]}" if alike else None

    async def _follow_for_ever(self, ready: asyncio.Event) -> None:
        while True:
            try:
                await self._follow(ready)
            except psycopg.Error:
                self.is_loaded = self.is_loaded and bool(self._functions)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, ready: asyncio.Event) -> None:
        conninfo = self._project.conninfo_of("authenticator")
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await connection.execute("listen pgrst")
            await self.reload()
            ready.set()
            async for _ in connection.notifies():
                await self.reload()  # on a connection of its own: this one listens, and does nothing else

    async def _load(self, connection: psycopg.AsyncConnection[Any]) -> None:
        functions = defaultdict(list)
        cursor = connection.cursor(row_factory=dict_row)
        for row in await (await cursor.execute(FUNCTIONS, [self._schemas])).fetchall():
            settings = {key: value for key, value in _settings(row["settings"]).items() if key in HOISTED}
            function = Function(**{**row, "settings": settings})
            functions[function.schema, function.name].append(function)
        self._functions = dict(functions)
        roles = await (await connection.execute(ROLE_SETTINGS)).fetchall()
        self.role_settings = {
            role: {key: value for key, value in _settings(config).items() if key in OF_ROLES} for role, config in roles
        }
        self.is_loaded = True


def _settings(config: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in config)}


def _described(function: Function) -> str:
    parameters = ", ".join(f"{name} => {kind}" for name, kind in zip(function.names, function.types, strict=True))
    return f"{function.schema}.{function.name}({parameters})"
