"""A Postgres for one test process."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from supportchat.embedded import EmbeddedPostgres

# How a database is copied: file by file takes a tenth of the time that the way through the log takes.
COPY = "strategy file_copy"
# A lost test database is no loss.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@contextlib.contextmanager
def running_postgres() -> Iterator[EmbeddedPostgres]:
    """Give a fresh cluster that runs."""
    # Not under pytest's own folder: for root, Postgres runs as another user, whom a second pytest, as it starts, locks
    # out of everything in there.
    with tempfile.TemporaryDirectory(prefix="supportchat-test-") as folder:
        Path(folder).chmod(0o711)
        postgres = EmbeddedPostgres(Path(folder), *FAST)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


def superuser_of(postgres: EmbeddedPostgres) -> str:
    """Give the conninfo of a fresh cluster's superuser, without a database."""
    return postgres.conninfo.replace("user=supportchat dbname=supportchat", "user=postgres")
