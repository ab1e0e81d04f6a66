"""Databases as Supabase hands them out: its roles, its schemas, and an owner who is no superuser."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from tests.cast import create_cast
from tests.postgres import running_postgres, superuser_of

OWNER = "project_owner"  # Supabase calls it postgres, which is the name of the superuser here
ROLES = f"""
create role anon;
create role authenticated;
create role service_role bypassrls;
create role {OWNER} login createrole createdb bypassrls;
grant anon, authenticated, service_role to {OWNER};
"""
PLATFORM = (Path(__file__).parent / "platform.sql").read_text()
_numbers = itertools.count()

MakeDatabase = Callable[..., contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="session")
def platform() -> Iterator[MakeDatabase]:
    """A Postgres with the roles of Supabase. Gives what makes a database in it, and takes it away again.

    The databases are the owner's; `template` names one to copy, else they are as new.
    """
    with running_postgres() as postgres:
        superuser = superuser_of(postgres)

        @contextlib.contextmanager
        def make(template: str | None = None) -> Iterator[str]:
            name = f"project_{next(_numbers)}"
            with psycopg.connect(f"{superuser} dbname=postgres", autocommit=True) as connection:
                connection.execute(
                    sql.SQL("create database {} template {} owner {}").format(
                        *map(sql.Identifier, (name, template or "template1", OWNER))
                    )
                )
                if template is None:
                    with psycopg.connect(f"{superuser} dbname={name}", autocommit=True) as inside:
                        inside.execute(PLATFORM.encode())
                yield f"{superuser.replace('user=postgres', f'user={OWNER}')} dbname={name}"
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

        with psycopg.connect(f"{superuser} dbname=postgres", autocommit=True) as connection:
            connection.execute(ROLES.encode())
        yield make


@pytest.fixture(scope="session")
def project_template(platform: MakeDatabase) -> Iterator[str]:
    """The name of a project's database with the schema and the cast."""
    with platform() as conninfo:
        migrate(conninfo)
        door = PostgresDatabase(conninfo)
        create_cast(door)
        door.close()
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
