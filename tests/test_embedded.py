"""The embedded Postgres: where its socket lies, and how it ends. Starts and stops as a whole are in tests/lifecycle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from supportchat.embedded import EmbeddedPostgres

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
