"""Fixtures of a Supabase project: `project` is its database, `supabase` the server in front of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import running_postgres, superuser_of

from .project import SupabaseProject
from .server import SupabaseServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def supabase_cluster() -> Iterator[str]:
    """A Postgres of its own for the projects; gives the conninfo that `SupabaseProject` takes."""
    with running_postgres() as postgres:
        yield superuser_of(postgres)


@pytest.fixture
def project(supabase_cluster: str) -> Iterator[SupabaseProject]:
    """A new, empty project."""
    made = SupabaseProject(supabase_cluster, f"project_{next(_numbers)}").create()
    yield made
    made.drop()


@pytest.fixture
def supabase(project: SupabaseProject, tmp_path: Path) -> Iterator[SupabaseServer]:
    """The project, served."""
    server = SupabaseServer(project, tmp_path / "storage")
    server.start()
    yield server
    server.stop()
