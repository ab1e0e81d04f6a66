"""A running desk: gunicorn with gevent workers, as bin/run starts it, only sooner."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from supportchat.config import Config

from .serving import nursery

START_SECONDS = 30
PORTS = 12_000, 32_000


def free_port() -> int:
    """Return a port that nobody listens on just now.

    Not one that the system hands out to connections: while a test's server is down, one of those could take it.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def kill_family(parent: psutil.Process) -> None:
    """Kill a process and all that it has begun."""
    for process in (parent, *parent.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


class Server:
    """One gunicorn. It can be stopped and started again on the same port."""

    def __init__(self, config: Config, **environ: str) -> None:
        self.port = int(environ.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = config.data_dir / "server.log"
        self._environ = {
            **os.environ,
            "PORT": str(self.port),
            "DATA_DIR": str(config.data_dir),
            "DATABASE_URL": config.database_url,
            "SUPABASE_URL": config.supabase_url,
            "SUPABASE_SECRET_KEY": config.supabase_secret_key,
            **environ,
        }
        self.process: psutil.Process | None = None

    def start(self) -> None:
        """Start it, and wait until it can serve."""
        self.process = psutil.Process(nursery().fork(self._environ, self.log))
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process.is_running(), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it."""
        if self.process is not None and self.process.is_running():
            self.process.send_signal(number)
            self.process.wait(30)
        self.process = None

    def kill(self) -> None:
        """End it at once, workers and all: nobody is interested in how it would have stopped."""
        if self.process is not None and self.process.is_running():
            kill_family(self.process)
            self.process.wait()
        self.process = None


@contextlib.contextmanager
def desk_by_https(config: Config, folder: Path, **environ: str) -> Iterator[str]:
    """Run a desk behind a proxy that adds TLS, and give its address."""
    port = free_port()
    server = Server(config, PUBLIC_URL=f"https://localhost:{port}", **environ)
    server.start()
    proxy = subprocess.Popen([sys.executable, "-m", "tests.tls", str(port), str(server.port), str(folder)])
    wait_for_port(port)
    yield f"https://localhost:{port}"
    proxy.kill()
    proxy.wait()
    server.kill()


def wait_for_port(port: int) -> None:
    """Wait until somebody listens at a port."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(port)
