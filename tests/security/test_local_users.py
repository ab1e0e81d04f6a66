"""What another user of the machine can do to a desk: no more than anybody who reaches its port."""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from supportchat.config import Config, ConfigError
from supportchat.images.stores import FileStore
from supportchat.server.embedded import EmbeddedPostgres
from supportchat.server.run import prepared_data_dir
from tests.postgres import FAST, open_folder

KEY = "a" * 64
SOMEBODY = 12_345  # neither root nor the user of the cluster
Try = Callable[[], Any]

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Path, EmbeddedPostgres]]:
    """The data of a desk that runs, in a folder that anybody may enter."""
    with open_folder() as folder:
        config = Config(data_dir=folder / "data")
        with prepared_data_dir(config):
            postgres = EmbeddedPostgres(config.data_dir, *FAST)
            postgres.start()
            FileStore(config.data_dir / "images").put(KEY, io.BytesIO(b"picture"), "image/webp")
            yield config.data_dir, postgres
            postgres.stop()


def as_somebody_else(tries: dict[str, Try]) -> list[str]:
    """Return which of some acts work for another user."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setresgid(SOMEBODY, SOMEBODY, SOMEBODY)
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
        os.write(writer, json.dumps([name for name, act in tries.items() if works(act)]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        done: list[str] = json.loads(file.read())
    os.waitpid(pid, 0)
    return done


def works(act: Try) -> bool:
    try:
        act()
    except (OSError, psycopg.Error):
        return False
    return True


def lock(path: Path) -> None:
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@root_only
def test_nobody_else_reads_changes_or_locks_anything_of_a_running_desk(desk: tuple[Path, EmbeddedPostgres]) -> None:
    folder, postgres = desk
    assert postgres._process is not None
    pid = postgres._process.pid
    sockets = conninfo_to_dict(postgres.conninfo)["host"]
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert {"lock", "postgres.log", "pg_hba.conf", KEY} <= {path.name for path in files}
    tries: dict[str, Try] = {
        "list the folder": lambda: os.listdir(folder),
        "connect": lambda: psycopg.connect(postgres.conninfo, connect_timeout=2),
        "connect as the superuser": lambda: psycopg.connect(postgres.conninfo, user="postgres", connect_timeout=2),
        "open the socket": lambda: socket.socket(socket.AF_UNIX).connect(f"{sockets}/.s.PGSQL.5432"),
        "take the place of the socket": lambda: socket.socket(socket.AF_UNIX).bind(f"{sockets}/x"),
        "signal": lambda: os.kill(pid, 0),
        "read the environment": lambda: Path(f"/proc/{pid}/environ").read_bytes(),
        "lock": lambda: lock(folder / "lock"),
        "make a file": lambda: (folder / "postgres.log.1").touch(),
        "remove": lambda: (folder / "lock").unlink(),
        "rename": lambda: (folder / "postgres").rename(folder / "mine"),
    }
    tries |= {f"read {path}": path.read_bytes for path in files}
    tries |= {f"append to {path}": lambda path=path: path.open("ab") for path in files}  # type: ignore[misc]
    assert as_somebody_else(tries) == []
    assert as_somebody_else({"anything at all": lambda: os.listdir("/")}) == ["anything at all"]


def test_the_database_listens_on_no_port_and_lets_no_host_in(desk: tuple[Path, EmbeddedPostgres]) -> None:
    folder, postgres = desk
    with psycopg.connect(postgres.conninfo, user="postgres") as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        rules = connection.execute("select type, auth_method from pg_hba_file_rules").fetchall()
    assert {method for kind, method in rules if kind != "local"} == {"reject"}
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.name != "images"} == {
        "lock": 0o600,
        "postgres": 0o700,
        "postgres.log": 0o600,
        "run": 0o700,
    }


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_data_folder_into_which_anybody_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Who makes `images/ab` there first, as a link to a folder of theirs, would be given pictures."""
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod o-w"), prepared_data_dir(Config(data_dir=tmp_path)):
        pass
    tmp_path.chmod(0o770)  # a group is somebody's decision
    with prepared_data_dir(Config(data_dir=tmp_path)):
        pass
