"""Databases as Supabase hands them out: its roles, its schemas, and an owner who is no superuser."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest

from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from tests.conftest import fill
from tests.supabase.project import ADMIN, SupabaseProject

# Realtime makes one for each day while somebody listens, and nobody does here.
PARTITION = "create table realtime.all_days partition of realtime.messages default"

_numbers = itertools.count()

MakeDatabase = Callable[..., contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="session")
def platform(supabase_cluster: str) -> MakeDatabase:
    """Returns what makes a project's database, and takes it away again; `template` names one to copy.

    They are projects from the time when new tables and functions were everybody's, until somebody took that back.
    """

    @contextlib.contextmanager
    def make(template: str | None = None) -> Iterator[str]:
        project = SupabaseProject(supabase_cluster, f"sql_{next(_numbers)}")
        project.create(template, automatic_grants=template is None)
        if template is None:
            project.run(PARTITION)
        yield project.conninfo
        project.drop()

    return make


@pytest.fixture(scope="session")
def project_template(platform: MakeDatabase) -> Iterator[str]:
    """The name of a project's database with the schema and the cast."""
    with platform() as conninfo:
        migrate(conninfo)
        fill(conninfo)
        yield conninfo.rpartition("dbname=")[2]


@pytest.fixture
def new_project(platform: MakeDatabase) -> Iterator[str]:
    """The conninfo of a project's database in which nobody has done anything yet."""
    with platform() as conninfo:
        yield conninfo


@pytest.fixture
def project(platform: MakeDatabase, project_template: str) -> Iterator[str]:
    """The conninfo of a fresh database of a project with the schema and the cast, as its owner."""
    with platform(project_template) as conninfo:
        yield conninfo


def superuser_of_project(conninfo: str) -> str:
    """Return the conninfo of the superuser, who is not `postgres` there."""
    return conninfo.replace("user=postgres", f"user={ADMIN}")


@pytest.fixture
def service(project: str) -> Iterator[PostgresDatabase]:
    """A door to that database that acts as `service_role`, the role behind the secret key."""
    door = PostgresDatabase(f"{project} options='-c role=service_role'")
    yield door
    door.close()


@pytest.fixture
def project_rows(project: str) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """A function that runs SQL in that database as its owner and gives the rows."""
    with psycopg.connect(project, autocommit=True) as connection:

        def run(statement: str, *arguments: object) -> list[tuple[object, ...]]:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

        yield run
