"""Fixtures of a Supabase project: `project` is its database, `supabase` the server in front of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from supportchat.embedded import EmbeddedPostgres

from .project import SupabaseProject
from .server import SupabaseServer

# A lost test database is no loss.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")

_numbers = itertools.count()


@pytest.fixture(scope="session")
def supabase_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres of its own for the projects; gives the conninfo that `SupabaseProject` takes."""
    data_dir = tmp_path_factory.mktemp("supabase")
    for directory in (data_dir, *data_dir.parents):
        if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o711)
    postgres = EmbeddedPostgres(data_dir, *FAST)
    postgres.start()
    try:
        yield postgres.conninfo.replace("user=supportchat dbname=supportchat", "user=postgres")
    finally:
        postgres.stop()


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
