"""What every test can have: a Postgres of its own, the app on it, a running server, and the cast.

The cast: the visitors vera and victor (who must see nothing of hers), the agents alice and bob, carol the admin.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql

from supportchat import create_app
from supportchat.config import Config
from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from supportchat.embedded import EmbeddedPostgres

from .cast import Agent, Cast, create_cast
from .server import Server
from .web import Web

TEMPLATE = "supportchat"
# A lost test database is no loss.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A Postgres for this test process; gives the conninfo of its superuser, without a database."""
    # Not under pytest's own folder: for root, Postgres runs as another user, whom a second pytest, as it starts, locks
    # out of everything in there.
    with tempfile.TemporaryDirectory(prefix="supportchat-test-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o711)
        postgres = EmbeddedPostgres(data_dir, *FAST)
        postgres.start()
        try:
            migrate(postgres.conninfo)
            template = PostgresDatabase(postgres.conninfo)
            create_cast(template)
            template.close()
            yield postgres.conninfo.replace(f"user={TEMPLATE} dbname={TEMPLATE}", "user=postgres")
        finally:
            postgres.stop()


_numbers = itertools.count()


@pytest.fixture
def database_url(cluster: str) -> Iterator[str]:
    """The conninfo of a fresh database with the schema and the cast."""
    name = sql.Identifier(f"test_{next(_numbers)}")
    with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {} owner {}").format(name, *[sql.Identifier(TEMPLATE)] * 2)
        )
        yield f"{cluster.replace('user=postgres', f'user={TEMPLATE}')} dbname={name.as_string().strip(chr(34))}"
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def database(database_url: str) -> Iterator[PostgresDatabase]:
    """The door to the fresh database."""
    door = PostgresDatabase(database_url, size=20)
    yield door
    door.close()


@pytest.fixture
def rows(database_url: str) -> Iterator[Any]:
    """A function that runs SQL behind the door's back and gives the rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:

        def run(statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def cast(database: PostgresDatabase) -> Cast:
    """The agents, and visitors who have not written yet."""
    return Cast(database)


@pytest.fixture
def alice(cast: Cast) -> Agent:
    """An agent who has the desk open."""
    return cast.agent("alice").come()


@pytest.fixture
def bob(cast: Cast) -> Agent:
    """Her colleague, who does not have it open yet."""
    return cast.agent("bob")


@pytest.fixture
def carol(cast: Cast) -> Agent:
    """The admin, who does not have it open yet."""
    return cast.agent("carol")


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """The settings of a desk on the fresh database."""
    return Config(database_url=database_url, data_dir=tmp_path, secret_key="a secret key for the tests only, no other")


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app on the fresh database, without the tasks that only a server runs."""
    made = create_app(config)
    yield made
    made.extensions["database"].close()


@pytest.fixture
def web(app: Flask) -> Web:
    """Browsers on the app: `web.visitor()`, `web.agent("alice")`."""
    return Web(app)


@pytest.fixture
def server(config: Config) -> Iterator[Server]:
    """The desk as it is served: gunicorn, sockets and all, on the fresh database."""
    running = Server(config)
    running.start()
    yield running
    running.stop()
