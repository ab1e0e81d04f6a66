"""A Postgres as a Supabase project has it: the roles, the platform's schemas, and the grants."""

from __future__ import annotations

import atexit
import functools
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.postgres import COPY

HERE = Path(__file__).parent
TEMPLATE = "supabase_template"
ADMIN = "supabase_admin"

# What projects had that were made before 2026-05-30: whatever postgres makes in public is everybody's.
AUTOMATIC_GRANTS = """
alter default privileges for role postgres in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to anon, authenticated, service_role;
"""


class SupabaseProject:
    """One database of a cluster, which is made a Supabase cluster when the first one is created on it.

    The cluster's superuser is renamed to `supabase_admin`, and `postgres` becomes the role that Supabase gives: no
    superuser. So the cluster is not good for tests that count on a superuser `postgres`.
    """

    def __init__(self, superuser_conninfo: str, dbname: str) -> None:
        """:param superuser_conninfo: of the fresh cluster's superuser; it stays good for further projects."""
        self._given = superuser_conninfo
        self.dbname = dbname
        self.superuser_conninfo = make_conninfo(superuser_conninfo, user=ADMIN, dbname=dbname)
        # What a user has as DATABASE_URL.
        self.conninfo = self.conninfo_of("postgres")

    def conninfo_of(self, role: str) -> str:
        """Return how one of the login roles reaches the database."""
        return make_conninfo(self._given, user=role, dbname=self.dbname)

    def create(self, template: str | None = None, *, automatic_grants: bool = False) -> SupabaseProject:
        """Make the database.

        :param template: a database to copy instead of the empty project: one where the schema is there already, say.
        :param automatic_grants: whether it is a project from before May 2026, where new tables and functions were
            granted to anon, authenticated and service_role by themselves.
        """
        if template is None:
            self._ensure_template()
        overseer_of(self._given).execute(
            sql.SQL("create database {} template {} owner postgres {}").format(
                sql.Identifier(self.dbname), sql.Identifier(template or TEMPLATE), sql.SQL(COPY)
            )
        )
        if automatic_grants:
            self.run(AUTOMATIC_GRANTS)
        return self

    def drop(self) -> None:
        """Remove the database, whoever is connected."""
        drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.dbname))
        overseer_of(self._given).execute(drop)

    def run(self, statements: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, and give the rows of the last statement."""
        with psycopg.connect(self.superuser_conninfo, autocommit=True) as connection:
            cursor = connection.execute(statements.encode(), arguments or None)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def _ensure_template(self) -> None:
        connection = overseer_of(self._given)
        if connection.execute("select from pg_database where datname = %s", (TEMPLATE,)).fetchone() is not None:
            return
        making = f"{TEMPLATE}_making"
        connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(making)))
        connection.execute(sql.SQL("create database {} owner postgres").format(sql.Identifier(making)))
        with psycopg.connect(make_conninfo(self._given, user=ADMIN, dbname=making)) as inside:
            inside.execute((HERE / "project.sql").read_bytes())
        connection.execute(
            sql.SQL("alter database {} rename to {}").format(sql.Identifier(making), sql.Identifier(TEMPLATE))
        )


@functools.cache
def overseer_of(superuser_conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Return the connection that makes and drops a cluster's projects. The cluster becomes one of Supabase with it."""
    _ensure_cluster(superuser_conninfo)
    made = psycopg.connect(make_conninfo(superuser_conninfo, user=ADMIN, dbname="postgres"), autocommit=True)
    atexit.register(made.close)
    return made


def _ensure_cluster(superuser_conninfo: str) -> None:
    given = make_conninfo(superuser_conninfo, dbname="postgres")
    try:
        psycopg.connect(given, user=ADMIN).close()
        return
    except psycopg.OperationalError:
        pass
    # Nobody can rename himself, and the bootstrap superuser can be nothing less.
    with psycopg.connect(given, autocommit=True) as connection:
        bootstrap = connection.info.user
        connection.execute("create role other_superuser login superuser")
    with psycopg.connect(make_conninfo(given, user="other_superuser"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("alter role {} rename to {}").format(sql.Identifier(bootstrap), sql.Identifier(ADMIN))
        )
    with psycopg.connect(given, user=ADMIN, autocommit=True) as connection:
        connection.execute("drop role other_superuser")
        connection.execute((HERE / "cluster.sql").read_bytes())
