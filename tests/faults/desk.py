"""The desk that a fault happens to: `bin/run`'s server process, with two workers and its own Postgres, fsync on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from supportchat.agents.passwords import hash_password
from supportchat.config import ROOT
from supportchat.database.postgres import PostgresDatabase
from supportchat.server.embedded import EmbeddedPostgres
from tests.cast import PASSWORD
from tests.server import free_port, kill_family

START_SECONDS = 100.0
SETTINGS = {
    *("HOST", "PORT", "WORKERS", "DATA_DIR", "DATABASE_URL", "PUBLIC_URL", "TRUSTED_PROXIES"),
    *("SUPABASE_URL", "SUPABASE_SECRET_KEY"),
}


class Desk:
    """A supervised desk and the processes of it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        prefix: tuple[str, ...] = (),
        host: str = "127.0.0.1",
        conninfo: str = "",
        **environ: str,
    ) -> None:
        """:param prefix: a command that runs the server process elsewhere, in a network namespace say.
        :param conninfo: how to reach the database, when it is not an embedded one.
        """
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = data_dir.parent / f"{data_dir.name}.log"
        self.prefix = prefix
        self.folder = ROOT  # the checkout that it runs
        kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        self._environ = {**kept, "DATA_DIR": str(data_dir), "PORT": str(self.port), "WORKERS": "2", "HOST": host}
        # One address sends more here than any office would.
        self._environ |= {"LIMITS": "off"} | environ
        self._conninfo = conninfo
        self._process: subprocess.Popen[bytes] | None = None
        self._password_hash = ""

    @property
    def conninfo(self) -> str:
        """How to reach its database."""
        return self._conninfo or EmbeddedPostgres(self.data_dir).conninfo

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "supportchat.server.run"],
                cwd=self.folder,
                env=self._environ,
                stdout=output,
                stderr=output,
            )
        wait_for(self.is_ready, START_SECONDS, "the desk does not start", lambda: self.output.read_text()[-3000:])

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._process = None

    def kill(self) -> None:
        """Kill everything of it."""
        if self._process is not None and self._process.poll() is None:
            kill_family(self.supervisor)
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether it can serve."""
        assert self._process is not None
        assert self._process.poll() is None, f"the desk has ended: {self.output.read_text()[-3000:]}"
        code = f"import urllib.request as u; u.urlopen('{self.url}/readyz', timeout=2)"
        if self.prefix:
            done = subprocess.run([*self.prefix, sys.executable, "-c", code], capture_output=True, check=False)
            return done.returncode == 0
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200
        return False

    # Its processes

    @property
    def supervisor(self) -> psutil.Process:
        """The server process of bin/run."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def master(self) -> psutil.Process | None:
        """Gunicorn."""
        for process in self.supervisor.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "gunicorn.conf.py" in " ".join(process.cmdline()):
                    return process
        return None

    @property
    def workers(self) -> list[psutil.Process]:
        """Gunicorn's workers, the oldest first."""
        master = self.master
        with contextlib.suppress(psutil.NoSuchProcess):
            return sorted(master.children(), key=psutil.Process.create_time) if master else []
        return []

    @property
    def postmaster(self) -> psutil.Process | None:
        """Postgres."""
        with contextlib.suppress(OSError, IndexError, ValueError, psutil.NoSuchProcess):
            return psutil.Process(int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]))
        return None

    def kill_postgres(self) -> None:
        """Kill every process of Postgres, as a crash of the machine would."""
        postmaster = self.postmaster
        assert postmaster is not None
        family = [postmaster, *postmaster.children(recursive=True)]
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    act(process)

    # Its database

    def run(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run SQL on its database, as its owner."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

    def run_as_superuser(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL that only the superuser may."""
        with psycopg.connect(make_conninfo(self.conninfo, user="postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def listeners(self) -> list[int]:
        """The processes of Postgres that serve the workers' LISTEN."""
        return [
            pid for (pid,) in self.run("select pid from pg_stat_activity where starts_with(lower(query), 'listen ')")
        ]

    def new_agents(self, count: int, max_tickets: int = 100) -> list[str]:
        """Make agents, end what was before them, and give the addresses that they log in with."""
        self.run("update agents set availability = 'away'")
        self.run(
            "update tickets set status = 'closed', closed_at = now(), awaiting_since = null where status <> 'closed'"
        )
        self._password_hash = self._password_hash or hash_password(PASSWORD)
        emails = [f"{uuid.uuid4().hex[:10]}@example.com" for _ in range(count)]
        door = PostgresDatabase(self.conninfo, size=1)
        try:
            for number, email in enumerate(emails):
                door.call(
                    "create_agent",
                    name=f"Agent {number}",
                    email=email,
                    password_hash=self._password_hash,
                    max_tickets=max_tickets,
                )
        finally:
            door.close()
        return emails


@contextlib.contextmanager
def running(desk: Desk) -> Iterator[Desk]:
    """Start a desk, and stop it afterwards."""
    try:
        desk.start()
        yield desk
        desk.stop()
    finally:
        desk.kill()


def wait_for(condition: Callable[[], Any], seconds: float, what: str, detail: Callable[[], Any] | None = None) -> float:
    """Wait until something is so, and give how many seconds that took; fail with `what` when it does not come."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"{what} within {seconds:.0f} s" + (f": {detail()}" if detail else ""))
        time.sleep(0.02)
    return time.monotonic() - start
