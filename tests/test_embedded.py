"""The embedded Postgres: where its socket lies, and how it ends. Starts and stops as a whole are in tests/lifecycle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from psycopg.conninfo import conninfo_to_dict

from supportchat.config import ConfigError
from supportchat.server import embedded
from supportchat.server.embedded import EmbeddedPostgres, private_file
from tests.postgres import open_folder

ODD = 'it\'s a \\ "desk" = 100 %'


def host_of(postgres: EmbeddedPostgres) -> str:
    return str(conninfo_to_dict(postgres.conninfo)["host"])


def test_every_character_of_a_path_reaches_the_driver() -> None:
    assert host_of(EmbeddedPostgres(Path("/srv") / ODD)) == f"/srv/{ODD}/run"


@pytest.mark.parametrize("folder", ["one,two", "ü" * 60])
def test_a_socket_lies_elsewhere_when_the_path_is_a_list_to_the_driver_or_too_long_in_bytes(folder: str) -> None:
    host = host_of(EmbeddedPostgres(Path("/srv") / folder))
    assert not host.startswith("/srv")
    assert "," not in host


@pytest.mark.timeout(10)
def test_a_server_that_has_written_no_pid_file_yet_is_stopped_too(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        postgres._process = server
        try:
            postgres.stop()
        finally:
            server.kill()
    assert not postgres.is_running()


def test_a_stale_pid_that_is_another_users_process_by_now_is_taken_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)  # as /proc refuses a plain user; root, who may run this, sees all

    pid_file = tmp_path / "postgres" / "postmaster.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(psutil.Process, "cwd", refused)
    assert EmbeddedPostgres(tmp_path)._running() is None
    assert not pid_file.exists()


# The folder of the socket may lie in /tmp under a name that anybody can foresee: somebody else may have made it.


def test_a_folder_of_ours_that_is_open_to_all_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    folder.chmod(0o777)
    EmbeddedPostgres(tmp_path)._make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, kind: str) -> None:
    target, folder = tmp_path / "target", tmp_path / "sockets"
    target.mkdir(mode=0o755)
    folder.symlink_to(target) if kind == "symlink" else folder.touch()
    with pytest.raises(ConfigError, match=f"{folder} .*remove it"):
        EmbeddedPostgres(tmp_path)._make_private(folder)
    assert target.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused_and_one_of_the_clusters_user_is_taken(tmp_path: Path) -> None:
    postgres, folder = EmbeddedPostgres(tmp_path), tmp_path / "sockets"
    folder.mkdir(mode=0o777)
    os.chown(folder, 12345, 12345)
    with pytest.raises(ConfigError, match=f"{folder} .*remove it"):
        postgres._make_private(folder)
    assert folder.stat().st_uid == 12345
    os.chown(folder, 0, 0)
    for _ in range(2):  # root's at first, the user's whom Postgres runs as from then on
        postgres._make_private(folder)
        assert folder.stat().st_uid not in (0, 12345)


def test_a_database_of_another_postgres_is_left_alone_and_the_way_out_is_named(tmp_path: Path) -> None:
    version = tmp_path / "postgres" / "PG_VERSION"
    version.parent.mkdir()
    version.write_text("17\n")
    with pytest.raises(
        ConfigError, match=r"created by Postgres 17.*includes Postgres 18.*docs/self-hosting\.md"
    ) as refused:
        EmbeddedPostgres(tmp_path).start()
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["postgres", "PG_VERSION"]


def test_a_log_that_has_grown_is_cut_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MOST_LOG", 100)
    postgres = EmbeddedPostgres(tmp_path)
    with private_file(postgres.log) as log:
        for text in (b"a" * 101, b"b" * 101, b"c" * 100):
            log.write(text)
            log.flush()
            postgres.limit_log()
    before = postgres.log.with_suffix(".log.1")
    assert (before.read_bytes(), postgres.log.read_bytes()) == (b"b" * 101, b"c" * 100)
    assert {path.stat().st_mode & 0o777 for path in (postgres.log, before)} == {0o600}


def test_a_full_disk_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    initdb = tmp_path / "initdb"
    initdb.write_text(
        "#!/bin/sh\n"
        "echo '2026-11-24 13:55:13.000 UTC [7] FATAL:  could not write to file: No space left on device' >&2\n"
        "echo 'child process exited with exit code 1' >&2\n"
        "echo 'initdb: removing contents of data directory' >&2\n"
        "exit 1\n"
    )
    initdb.chmod(0o755)
    monkeypatch.setattr(embedded, "_binary", lambda name: initdb)
    with (
        open_folder() as folder,
        pytest.raises(ConfigError, match=r"No space left on device.*free some space") as refused,
    ):
        EmbeddedPostgres(folder).start()
    assert "removing contents" not in str(refused.value)
    assert "FATAL" not in str(refused.value)
