"""The server process of `bin/run`: gunicorn, and in embedded mode Postgres.

It prepares the database, starts gunicorn, and restarts either if it dies. SIGTERM and Ctrl-C stop gunicorn first and
Postgres last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from logging.config import dictConfig
from types import FrameType

import psutil
import psycopg

from ..backends import open_mode
from ..config import ROOT, Config, ConfigError
from ..database import Database, DatabaseError
from ..database.migrations import describe_failure, migrate
from ..database.postgres import POOL_SIZE, PostgresDatabase
from ..database.scripts import SCRIPTS
from . import logs
from .beginning import offer_setup, prepare_people
from .embedded import EmbeddedPostgres, die_with_parent, private_file
from .hosts import host_and_port
from .memory import memory_settings
from .progress import progress

log = logging.getLogger("supportchat.server.run")  # also where it is __main__

STOP_TIMEOUT = 20.0
MOST_FILES = 10_240  # if there is no limit; the maximum of macOS
CONNECTIONS_PER_WORKER = POOL_SIZE + 1  # the listener
# Why a started server cannot serve yet, and what to do.
NOT_READY = {
    "schema_missing": "The database is not set up yet: run bin/migrate with its DATABASE_URL, or paste"
    " sql/supabase.sql into the SQL editor. If another app uses the desk's names, both say so and change nothing."
    " The desk then continues by itself.",
    "schema_not_exposed": "The project's Data API is off, or hides the schema public: see Settings, Data API.",
    "key_refused": "The project rejects SUPABASE_SECRET_KEY: set it to the secret key from Settings, API Keys.",
    "database_unavailable": "The database does not respond yet. The desk continues by itself once it does.",
}

NEXT_STEPS = (
    "Next: docs/self-hosting.md explains how to put the desk online, embed the chat in your site and back up your data."
)


def main() -> int:
    """Serve until a signal arrives, and return the exit code."""
    try:
        config = Config.from_environment()
        dictConfig(logs.settings(config.log_format))
        logs.catch_the_rest()
        check_port(config.host, config.port)
        raise_file_limit()
        with prepared_data_dir(config):
            return Server(config).run()
    except ConfigError as error:
        print(f"supportchat: {error}", file=sys.stderr)
        return 1


class Server:
    """The processes of one desk: gunicorn, and Postgres in embedded mode."""

    def __init__(self, config: Config) -> None:
        self._config = config
        connections = f"max_connections={max(100, config.workers * CONNECTIONS_PER_WORKER + 20)}"
        self._postgres = EmbeddedPostgres(config.data_dir, connections) if config.mode == "embedded" else None
        self._gunicorn: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Start everything, watch it, stop it, and return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        # From a terminal, SIGHUP means that it was closed; from anything else, reload the workers.
        signal.signal(signal.SIGHUP, self._on_stop if sys.stdin and sys.stdin.isatty() else self._on_hangup)
        try:
            with progress(self._first_step()):
                if self._postgres is not None:
                    self._postgres.start()
                self._prepare_database()
                self._prepare_people()
            with progress("Starting the desk"):
                self._start_gunicorn()
                is_ready = self._is_ready()
            if is_ready:
                self._announce()
            return self._watch()
        finally:
            self._stop()

    def _first_step(self) -> str:
        if self._postgres is None:
            return "Checking the database"
        return "Starting the database" if self._postgres.exists() else "Creating the database"

    def _prepare_database(self) -> None:
        conninfo = self._postgres.conninfo if self._postgres else self._config.database_url
        if not conninfo:
            return  # a Supabase project that is set up by hand: /status shows what is missing
        try:
            applied = migrate(conninfo)
        except psycopg.Error as error:
            raise ConfigError(describe_failure(error)) from error
        if applied and len(applied) < len(SCRIPTS):  # else it is new
            print("Updated the database: " + ", ".join(f"sql/{name}" for name in applied))

    def _prepare_people(self) -> None:
        # Before anybody can reach the desk. What can't be asked yet is asked once the desk is ready.
        with contextlib.suppress(DatabaseError), self._database() as database:
            prepare_people(database, self._config)

    def _start_gunicorn(self) -> None:
        self._gunicorn = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app"],
            cwd=ROOT,
            env={
                **memory_settings(),
                **os.environ,
                "HOST": self._config.host,
                "PORT": str(self._config.port),
                "WORKERS": str(self._config.workers),
                "LOG_FORMAT": self._config.log_format,
            },
            start_new_session=True,  # Ctrl-C only reaches this process, which stops gunicorn cleanly
            preexec_fn=die_with_parent,
        )

    def _is_ready(self) -> bool:
        said = ""
        while not self._stopping and self._gunicorn is not None and self._gunicorn.poll() is None:
            self._revive_postgres()
            state = readiness(self._config)
            if state == "ok":
                return True
            if state != said and state in NOT_READY:
                log.warning(NOT_READY[state])
                said = state
            time.sleep(0.1)
        return False

    def _announce(self) -> None:
        address = self._config.address
        print(f"\n  Customers  {address}/chat\n  Agents     {address}/agent\n  Status     {address}/status\n")
        if self._config.demo:
            print(f"  The chat on the page of a shop: {address}/demo\n")
        self._point_to_settings()
        self._point_to_setup()
        print("Ready. Ctrl-C stops the desk.")
        print(NEXT_STEPS, flush=True)

    def _point_to_settings(self) -> None:
        config = self._config
        if config.host in ("0.0.0.0", "::") and not config.public_url:  # noqa: S104 - compared, and not listened on
            print("  The desk listens on every address of this machine: set PUBLIC_URL to the one that people use.\n")
        if config.embed_origins and not config.is_https:
            print(
                "  EMBED_ORIGINS needs a PUBLIC_URL with https. Without it, browsers keep no cookies in frames, and"
                " the chat cannot start there.\n"
            )

    def _point_to_setup(self) -> None:
        try:
            with self._database() as database:
                prepare_people(database, self._config)
                path = offer_setup(database, self._config.oidc_issuer)
        except DatabaseError as error:
            log.error("the first steps of a new desk have to wait: %s", error)
            return
        if path:
            print("  There is no admin yet. Create the first one here within an hour; a restart prints a new link:\n")
            print(f"  {self._config.address}{path}\n")

    @contextlib.contextmanager
    def _database(self) -> Iterator[Database]:
        conninfo = self._postgres.conninfo if self._postgres else self._config.database_url
        database = PostgresDatabase(conninfo, size=1) if conninfo else open_mode(self._config)[0]
        try:
            yield database
        finally:
            database.close()

    def _watch(self) -> int:
        while not self._stopping:
            self._revive_postgres()
            code = self._gunicorn.poll() if self._gunicorn is not None else None
            if code is not None and code >= 0:
                return code or 1  # gunicorn gave up, and has said why
            if code is not None:
                log.error("gunicorn was killed; restarting it")
                self._start_gunicorn()
            if self._postgres is not None:
                self._postgres.limit_log()
            time.sleep(0.2)
        return 0

    def _revive_postgres(self) -> None:
        if self._postgres is None or self._postgres.is_running():
            return
        log.error("Postgres has died; restarting it")
        try:
            self._postgres.start()
        except (ConfigError, OSError, psutil.Error) as error:  # a full disk, say, which may have room later
            log.error("Postgres could not be restarted: %s", error)
            time.sleep(1)

    def _stop(self) -> None:
        if self._gunicorn is not None and self._gunicorn.poll() is None:
            self._gunicorn.terminate()
            try:
                self._gunicorn.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._gunicorn.kill()
                self._gunicorn.wait()
        if self._postgres is not None:
            self._postgres.stop()

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and not self._stopping:
            # Not with print, which the signal may have interrupted. With `bin/run | tee`, Ctrl-C also ends the reader.
            with contextlib.suppress(OSError):
                os.write(sys.stdout.fileno(), b"\nStopping the desk ...\n")
        self._stopping = True

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        if self._gunicorn is not None:
            self._gunicorn.send_signal(signal.SIGHUP)


def check_port(host: str, port: int) -> None:
    """Fail with one sentence if we cannot listen on the address."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, UnicodeError, TypeError) as error:  # the last two: not a host at all
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {port} is in use: stop the program that uses it, or choose another one: PORT={port + 1} bin/run."
            ) from error
        raise ConfigError(
            f"Cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}. Set HOST and PORT."
        ) from error


def raise_file_limit() -> None:
    """Raise the limit of open files as far as the system allows: every socket is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some values without naming the maximum
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES if hard == resource.RLIM_INFINITY else hard, hard))


@contextlib.contextmanager
def prepared_data_dir(config: Config) -> Iterator[None]:
    """Create DATA_DIR, check that it is writable, and lock it in embedded mode: a cluster has one server."""
    try:
        config.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        # Whoever makes a folder of ours there first could keep what is stored in it.
        if config.data_dir.stat().st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"Every user of this machine can write to {config.data_dir}: run chmod o-w on it, or set DATA_DIR to"
                " another folder."
            )
        lock = private_file(config.data_dir / "lock")
    except OSError as error:
        raise ConfigError(
            f"Cannot write to {config.data_dir} ({error.strerror}): change its permissions, or set DATA_DIR to another"
            " folder."
        ) from error
    with lock:
        if config.mode == "embedded":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"Another supportchat is using {config.data_dir}: stop it, or set DATA_DIR to another folder."
                ) from error
        os.set_inheritable(lock.fileno(), False)
        yield


def readiness(config: Config) -> str:
    """Ask the new server whether it can serve: 'ok', the code of the reason, or '' for no response."""
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host  # noqa: S104 - compared, and not listened on
    url = f"http://{host_and_port(host, config.port)}/readyz"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no http_proxy: this is our own server
    try:
        with direct.open(url, timeout=10):
            return "ok"
    except urllib.error.HTTPError as error:
        with error, contextlib.suppress(OSError, ValueError):
            return str(json.load(error).get("reason", "")) if error.code == 503 else ""
    except (urllib.error.URLError, OSError, ValueError):
        pass
    return ""


if __name__ == "__main__":
    sys.exit(main())
