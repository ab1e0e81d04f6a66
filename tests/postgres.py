"""A Postgres for one test process."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from supportchat.server import embedded
from supportchat.server.embedded import EmbeddedPostgres

# How a database is copied: file by file takes a tenth of the time that the way through the log takes.
COPY = "strategy file_copy"
# A lost test database is no loss.
FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "min_wal_size=32MB",
    "max_wal_size=64MB",
)
# Where a folder lies in memory, on Linux: a database is copied there in a fifth of the time.
MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 1024**3
# Another Postgres than the embedded one: POSTGRES_BIN=/usr/lib/postgresql/15/bin bin/test tests/sql
if "POSTGRES_BIN" in os.environ:
    embedded._binary = lambda name: Path(os.environ["POSTGRES_BIN"]) / name
    embedded.LOCALE = ("--locale=C",)


@contextlib.contextmanager
def running_postgres() -> Iterator[EmbeddedPostgres]:
    """Yield a fresh cluster that runs."""
    is_roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES
    with open_folder(MEMORY if is_roomy else None) as folder:
        postgres = EmbeddedPostgres(folder, *FAST)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


@contextlib.contextmanager
def open_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a folder that the user whom Postgres runs as for root can reach.

    Not under pytest's own: a second pytest, as it starts, locks that user out of everything in there.

    :param parent: where to make it; by default where temporary folders lie.
    """
    with tempfile.TemporaryDirectory(prefix="supportchat-test-", dir=parent) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def superuser_of(postgres: EmbeddedPostgres) -> str:
    """Return the conninfo of a fresh cluster's superuser, without a database."""
    return make_conninfo(host=conninfo_to_dict(postgres.conninfo)["host"], user="postgres")
