"""What every test can have: a Postgres of its own, the app on it, a running server, and the cast.

The cast: the visitors vera and victor (who must see nothing of hers), the agents alice and bob, carol the admin.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supportchat.app import create_app
from supportchat.backends import open_mode
from supportchat.config import ROOT, Config
from supportchat.database import Database
from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from supportchat.server.buckets import Limit

from .cast import Agent, Cast, create_cast
from .postgres import COPY, running_postgres, superuser_of
from .server import Server, free_port
from .serving import compile_once
from .supabase.project import SupabaseProject
from .supabase.server import SupabaseServer
from .variants import ALL
from .web import Web

pytest_plugins = ["tests.supabase.fixtures"]

TEMPLATE = "supportchat"
MODES = ("postgres", "supabase")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this process; each window has cookies of its own."""
    from .chromium import opened  # most processes of a short run need none, and it takes a while to load

    with opened() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A Postgres for this test process; gives the conninfo of its superuser, without a database."""
    with running_postgres() as postgres:
        migrate(postgres.conninfo)
        fill(postgres.conninfo)
        yield superuser_of(postgres)


@pytest.fixture(scope="session")
def overseer(cluster: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of that superuser, which makes and drops the databases: a new one for each costs as much as that."""
    with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def cast_project(supabase_cluster: str) -> str:
    """The name of a Supabase project with the schema and the cast, to be copied."""
    project = SupabaseProject(supabase_cluster, "cast").create()
    migrate(project.conninfo)
    fill(project.conninfo)
    return project.dbname


def fill(conninfo: str) -> None:
    """Put the cast into a database."""
    door = PostgresDatabase(conninfo, size=1)
    create_cast(door)
    door.close()


_numbers = itertools.count()


@dataclass
class Place:
    """Where one test's desk keeps its data: a fresh database with the schema and the cast."""

    conninfo: str
    settings: dict[str, Any]
    project: SupabaseServer | None = None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of a desk in the one mode that its mark names, or on any Postgres, or in both modes."""
    if "place" in metafunc.fixturenames:
        named, both = (metafunc.definition.get_closest_marker(mark) for mark in ("mode", "both_modes"))
        modes = named.args if named else MODES if both or ALL else MODES[:1]
        metafunc.parametrize("place", modes, indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    """Bundle scripts and styles as they are now, once for all processes."""
    compile_once()
    if not hasattr(config, "workerinput"):
        subprocess.run([ROOT / "bin" / "bundle"], check=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only varies another test, but for bin/test --all."""
    if not ALL:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("variant")])
        items[:] = [item for item in items if not item.get_closest_marker("variant")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests have needed a second run. One that has failed twice is no race."""
    failed = {report.nodeid for report in terminalreporter.stats.get("failed", [])}
    again = sorted({report.nodeid for report in terminalreporter.stats.get("rerun", [])} - failed)
    if again:
        terminalreporter.section(
            "A SECOND RUN WAS NEEDED: THESE TESTS RACE WITH THE PAGE, MEND THEM", red=True, bold=True
        )
        for name in again:
            terminalreporter.line(name)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The same desk twice: on any Postgres by psycopg, and on a Supabase project by its official client."""
    with open_place(request.param, request.getfixturevalue) as made:
        yield made


def open_place(mode: str, fixture: Callable[[str], Any]) -> contextlib.AbstractContextManager[Place]:
    """Make a place for a desk in a mode; `fixture` is `request.getfixturevalue` of a test."""
    opened = supabase_place if mode == "supabase" else postgres_place
    return opened(f"test_{next(_numbers)}", fixture)


@contextlib.contextmanager
def postgres_place(name: str, fixture: Callable[[str], Any]) -> Iterator[Place]:
    """Copy the database with the cast."""
    overseer, database = fixture("overseer"), sql.Identifier(name)
    overseer.execute(
        sql.SQL("create database {} template {} owner {} {}").format(
            database, *[sql.Identifier(TEMPLATE)] * 2, sql.SQL(COPY)
        )
    )
    conninfo = make_conninfo(fixture("cluster"), user=TEMPLATE, dbname=name)
    yield Place(conninfo, {"database_url": conninfo})
    overseer.execute(sql.SQL("drop database {} with (force)").format(database))


@contextlib.contextmanager
def supabase_place(name: str, fixture: Callable[[str], Any]) -> Iterator[Place]:
    """Copy the project with the cast, and serve it."""
    project = SupabaseProject(fixture("supabase_cluster"), name).create(fixture("cast_project"))
    server = SupabaseServer(project, fixture("tmp_path") / "storage")
    server.start()
    yield Place(
        project.conninfo, {"supabase_url": server.url, "supabase_secret_key": server.secret_key}, project=server
    )
    server.stop()
    project.drop()


@pytest.fixture
def database_url(place: Place) -> str:
    """The conninfo of the fresh database, as who owns the schema."""
    return place.conninfo


@pytest.fixture
def database(request: pytest.FixtureRequest, config: Config) -> Iterator[Database]:
    """The door to the fresh database: that of the app which browsers use, as a connection's first calls take long."""
    if "web" in request.fixturenames:
        yield request.getfixturevalue("app").extensions["database"]
        return
    door = open_mode(config)[0]
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
def cast(database: Database) -> Cast:
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
def config(place: Place, tmp_path: Path) -> Config:
    """The settings of a desk on the fresh database."""
    # Tests ask for far more than anybody does.
    return Config(data_dir=tmp_path, limit_requests=Limit(0, 1), **place.settings)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app on the fresh database, without the tasks that only a server runs."""
    made = create_app(config)
    yield made
    made.extensions["database"].close()


@pytest.fixture(scope="session")
def lone_app() -> Flask:
    """The app on no database, for tests of what asks for nothing."""
    return create_app(Config(database_url="dbname=none"))


@pytest.fixture
def web(app: Flask) -> Web:
    """Browsers on the app: `web.visitor()`, `web.agent("alice")`."""
    return Web(app)


@pytest.fixture(scope="session")
def port() -> int:
    """Where the desks of this process listen, one after the other: a browser knows their scripts then."""
    return free_port()


@pytest.fixture
def server(config: Config, port: int) -> Iterator[Server]:
    """The desk as it is served: gunicorn, sockets and all, on the fresh database."""
    running = Server(config, PORT=str(port))
    running.start()
    yield running
    running.kill()
