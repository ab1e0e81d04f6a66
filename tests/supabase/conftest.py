"""What the tests of the stand-in share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from supabase import Client, ClientOptions, create_client

from .fixtures import project, supabase, supabase_cluster
from .project import SupabaseProject
from .server import SupabaseServer

__all__ = ["project", "supabase", "supabase_cluster"]

Connect = Callable[..., Client]
Define = Callable[..., None]


@pytest.fixture
def connect(supabase: SupabaseServer) -> Iterator[Connect]:
    """A function that gives the official client, with the secret key or another, over HTTP/1.1."""
    opened: list[httpx.Client] = []

    def open_client(key: str | None = None, **options: Any) -> Client:
        opened.append(httpx.Client(http2=False, **{"timeout": 5.0, **options}))
        settings = ClientOptions(httpx_client=opened[-1], auto_refresh_token=False, persist_session=False)
        return create_client(supabase.url, key or supabase.secret_key, settings)

    yield open_client
    for http in opened:
        http.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    """The official client with the secret key."""
    return connect()


@pytest.fixture
def define(supabase: SupabaseServer) -> Define:
    """A function that runs SQL as the project's user, and has PostgREST know it."""

    def run(statements: str) -> None:
        with psycopg.connect(supabase.project.conninfo, autocommit=True) as connection:
            connection.execute(statements.encode())
        supabase.rest.reload()

    return run


@pytest.fixture
def send(project: SupabaseProject) -> Callable[..., None]:
    """A function that commits a `realtime.send`."""

    def commit(payload: str = "{}", event: str = "news", topic: str = "room", private: bool = True) -> None:
        project.run("select realtime.send(%s::jsonb, %s, %s, %s)", payload, event, topic, private)

    return commit
