"""A replica that takes over from a Postgres that is gone, without the last messages that it had acknowledged."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from supportchat.config import Config
from supportchat.database.migrations import migrate
from supportchat.server.embedded import EmbeddedPostgres, _binary
from tests.postgres import superuser_of
from tests.server import Server

from .desk import wait_for
from .people import Customer, lines_of


@pytest.fixture
def primary(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres with the schema."""
    postgres = EmbeddedPostgres(folder / "primary")
    (folder / "primary").mkdir(mode=0o711)
    postgres.start()
    migrate(postgres.conninfo)
    yield postgres
    postgres.stop()


@pytest.fixture
def replica(folder: Path, primary: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A copy of it that follows."""
    postgres = EmbeddedPostgres(folder / "replica", "primary_slot_name=replica")
    (folder / "replica").mkdir(mode=0o711)
    postgres._make_private(postgres.cluster)
    source = superuser_of(primary)
    command = [str(_binary("pg_basebackup")), "-D", str(postgres.cluster), "-d", source, "-R", "-C", "-S", "replica"]
    subprocess.run(check=True, capture_output=True, **postgres._as_owner([*command, "-c", "fast"]))
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture
def server(folder: Path, primary: EmbeddedPostgres, replica: EmbeddedPostgres) -> Iterator[Server]:
    """A desk that goes to whichever of the two can be written to."""
    both = ",".join(str(conninfo_to_dict(postgres.conninfo)["host"]) for postgres in (primary, replica))
    conninfo = make_conninfo(primary.conninfo, host=both, target_session_attrs="read-write")
    made = Server(Config(database_url=conninfo, data_dir=folder))
    made.start()
    yield made
    made.stop()


def test_a_replica_takes_over_that_lacks_the_last_messages(
    server: Server, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    with Customer(server.url) as customer:
        customer.send("Replicated")
        wait_for(lambda: "Replicated" in said(replica), 10, "the replica does not follow")
        replica.stop()
        customer.send("Acknowledged by the primary alone")
        before = customer.shown()
        epoch = epoch_of(before)
        primary.stop()
        replica.start()
        with psycopg.connect(superuser_of(replica) + " dbname=postgres", autocommit=True) as connection:
            connection.execute("select pg_promote()")
        wait_for(server.is_ready, 15, "the desk does not find the replica")
        assert customer.send("Written after the failover").status_code == 200
        # The page still shows the line that is gone, and another has its number by now.
        answer = customer.ask("GET", f"/chat/messages?after={lines_of(before)[-1]}&epoch={epoch}")
        assert "live:reset" in answer.headers["HX-Trigger"]
        after = customer.shown()
        assert epoch_of(after) != epoch
        assert lines_of(after) == lines_of(before)
        assert "Written after the failover" in after
        assert "by the primary alone" not in after
        answer = customer.ask("GET", f"/chat/messages?after={lines_of(after)[-1]}&epoch={epoch_of(after)}")
        assert "live:reset" not in answer.headers["HX-Trigger"]


def said(postgres: EmbeddedPostgres) -> list[str]:
    """Return the messages that a Postgres has."""
    with psycopg.connect(postgres.conninfo) as connection:
        return [text for (text,) in connection.execute("select message from chat_messages").fetchall()]


def epoch_of(html: str) -> str:
    """Return the epoch of what a page shows."""
    found = re.search(r'data-epoch="(\w+)"', html)
    assert found is not None
    return found[1]
