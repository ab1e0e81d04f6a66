"""bin/run as a whole: the first start, the second, the end, and what it says when it cannot start."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from supportchat.config import ROOT
from supportchat.server.embedded import EmbeddedPostgres
from tests.postgres import open_folder
from tests.server import free_port
from tests.variants import first

START_SECONDS = 60


class Desk:
    """A desk as somebody runs it: `bin/run` with a data folder and a port."""

    def __init__(self, data_dir: Path, *prefix: str, **settings: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.output = data_dir.parent / f"{data_dir.name}.log"
        self._prefix = prefix
        self._settings = settings
        self.stdin: int = subprocess.DEVNULL
        self.stdout: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Run it until it says that it is ready; give how many seconds that took."""
        start = time.monotonic()
        with self.output.open("ab") as output:
            output.truncate(0)
            self.process = subprocess.Popen(
                [*self._prefix, ROOT / "bin" / "run"],
                cwd="/",
                env=environment(DATA_DIR=str(self.data_dir), PORT=str(self.port), **self._settings),
                stdin=self.stdin,
                stdout=output if self.stdout is None else self.stdout,
                stderr=output,
            )
        while "Ready." not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() - start < START_SECONDS, self.text
            time.sleep(0.02)
        return time.monotonic() - start

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        """Every process of it."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, and give its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(40)

    def kill(self) -> None:
        """Kill everything at once, as a power cut would."""
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in self.family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    act(process)
        assert self.process is not None
        self.process.wait()

    def end(self) -> None:
        """Kill what a failed test has left."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL on its database."""
        with psycopg.connect(EmbeddedPostgres(self.data_dir).conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def environment(**values: str) -> dict[str, str]:
    """Return an environment without settings of this machine's desk."""
    ours = {"HOST", "PORT", "WORKERS", "DATA_DIR", "DATABASE_URL", "PUBLIC_URL", "DEMO"}
    return {name: value for name, value in os.environ.items() if name not in ours} | values


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder of which only its owner may see anything."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder / "data"


@pytest.fixture
def new_desk(data_dir: Path) -> Iterator[Desk]:
    """A desk that has never run."""
    made = Desk(data_dir)
    yield made
    made.end()


@pytest.fixture(scope="session")
def stopped_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a desk that has run once and was stopped."""
    made = Desk(tmp_path_factory.mktemp("stopped") / "data")
    made.start()
    assert made.stop() == 0
    return made.data_dir


@pytest.fixture
def desk(stopped_desk: Path, new_desk: Desk) -> Desk:
    """A desk that has run before, and does not run now."""
    subprocess.run(["cp", "-a", stopped_desk, new_desk.data_dir], check=True)
    return new_desk


@pytest.fixture(scope="session")
def running_desk(stopped_desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that runs, for all tests that leave it running."""
    made = Desk(tmp_path_factory.mktemp("running") / "data")
    subprocess.run(["cp", "-a", stopped_desk, made.data_dir], check=True)
    made.start()
    yield made
    made.end()


def refused(**values: str) -> str:
    """Run bin/run where it cannot start, and give what it says."""
    done = subprocess.run(
        [ROOT / "bin" / "run"], env=environment(**values), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("supportchat: ")
    return lines[0]


def test_the_first_start_makes_everything_and_says_the_passwords_and_the_second_keeps_it(new_desk: Desk) -> None:
    new_desk.start()
    assert len(re.findall(r"@example\.com +(?:[0-9a-f]{4}-){3}[0-9a-f]{4}", new_desk.text)) == 3
    assert f"http://127.0.0.1:{new_desk.port}/chat" in new_desk.text
    assert "docs/self-hosting.md" in new_desk.text
    assert new_desk.run("select count(*) from agents") == [(3,)]
    new_desk.run("insert into visitors (token_hash) values ('kept')")
    assert new_desk.stop() == 0
    new_desk.start()
    assert new_desk.run("select token_hash from visitors") == [("kept",)]
    assert "password" not in new_desk.text.lower()
    assert "Creating" not in new_desk.text
    assert new_desk.stop() == 0


def test_what_an_earlier_version_left_open_to_other_users_is_closed(desk: Desk) -> None:
    files = [desk.data_dir / name for name in ("postgres.log", "lock")]
    for file in files:
        file.chmod(0o644)
    access = desk.data_dir / "postgres" / "pg_hba.conf"
    access.write_text(access.read_text().replace("reject", "trust"))
    desk.start()
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 2
    assert re.findall(r"^host.*trust$", access.read_text(), re.MULTILINE) == []
    assert re.findall(r"^local.*trust$", access.read_text(), re.MULTILINE)
    with pytest.raises(psycopg.DatabaseError, match="refused by us"):
        desk.run("do 'begin raise sqlstate ''PT422'' using message = ''refused by us''; end'")
    desk.stop()
    assert "refused by us" not in (desk.data_dir / "postgres.log").read_text()


@pytest.mark.parametrize("number", first([signal.SIGINT, signal.SIGTERM]))
def test_a_signal_stops_every_process_in_order(desk: Desk, number: int) -> None:
    desk.start()
    family = desk.family()
    assert any("postgres" in process.name() for process in family)
    assert desk.stop(number) == 0
    assert ("Stopping the desk" in desk.text) == (number == signal.SIGINT)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert "database system is shut down" in (desk.data_dir / "postgres.log").read_text()


def test_ctrl_c_stops_everything_although_nobody_reads_any_more(desk: Desk) -> None:
    reads, writes = os.pipe()
    shown = subprocess.Popen(["tee", str(desk.output)], stdin=reads, stdout=subprocess.DEVNULL)
    desk.stdout = writes
    desk.start()
    family = desk.family()
    for end in (reads, writes):
        os.close(end)
    shown.kill()
    shown.wait()
    assert desk.stop(signal.SIGINT) == 0
    assert psutil.wait_procs(family, timeout=5)[1] == []


def test_closing_its_terminal_stops_it(desk: Desk) -> None:
    terminal, desk.stdin = os.openpty()
    try:
        desk.start()
        assert desk.stop(signal.SIGHUP) == 0
    finally:
        os.close(terminal)
        os.close(desk.stdin)


def test_it_says_what_the_address_and_the_sites_still_need(stopped_desk: Path, data_dir: Path) -> None:
    subprocess.run(["cp", "-a", stopped_desk, data_dir], check=True)
    # It reaches itself although the rest goes through a proxy.
    beyond = {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    desk = Desk(data_dir, HOST="0.0.0.0", EMBED_ORIGINS="https://shop.example", **beyond)
    try:
        desk.start()
        assert "on every address of this machine: set PUBLIC_URL" in desk.text
        assert "EMBED_ORIGINS needs a PUBLIC_URL with https" in desk.text
        assert desk.stop() == 0
    finally:
        desk.end()


def test_a_desk_that_others_can_reach_has_no_demo_accounts_and_a_link_for_its_first_admin(
    stopped_desk: Path, data_dir: Path
) -> None:
    subprocess.run(["cp", "-a", stopped_desk, data_dir], check=True)
    desk = Desk(data_dir, HOST="0.0.0.0")
    try:
        desk.start()
        assert "Disabled the demo accounts" in desk.text
        assert desk.run("select count(*) from agents where is_active") == [(0,)]
        [first] = re.findall(r"http://127\.0\.0\.1:\d+/links/\S+", desk.text)
        assert urllib.request.urlopen(first, timeout=5).status == 200
        assert desk.stop() == 0
        desk.start()
        [second] = re.findall(r"http://127\.0\.0\.1:\d+/links/\S+", desk.text)
        assert second != first
        assert desk.stop() == 0
    finally:
        desk.end()


def test_any_path_and_address_will_do(stopped_desk: Path) -> None:
    has_ipv6 = any(address.address == "::1" for network in psutil.net_if_addrs().values() for address in network)
    host = "::1" if has_ipv6 else "127.0.0.2"
    with open_folder() as folder:  # pytest's own is so long that the socket would lie elsewhere
        desk = Desk(folder / 'it\'s a \\ "desk"', HOST=host)
        subprocess.run(["cp", "-a", stopped_desk, desk.data_dir], check=True)
        try:
            desk.start()
            assert f"http://{f'[{host}]' if has_ipv6 else host}:{desk.port}/chat" in desk.text
            assert (desk.data_dir / "run" / ".s.PGSQL.5432").exists()
            assert desk.run("select count(*) from agents") == [(3,)]
            assert desk.stop() == 0
        finally:
            desk.end()


def test_after_a_power_cut_a_new_start_has_lost_nothing(desk: Desk) -> None:
    desk.start()
    for number in range(20):
        desk.run(f"insert into visitors (token_hash) values ('{number}')")
    desk.kill()
    # The pid that was left behind is another program's by now.
    pid_file = desk.data_dir / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    desk.start()
    assert desk.run("select count(*) from visitors") == [(20,)]
    assert desk.stop() == 0


def postmaster(desk: Desk) -> psutil.Process:
    return psutil.Process(int((desk.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]))


def gunicorn(desk: Desk) -> psutil.Process | None:
    for process in desk.family():
        with contextlib.suppress(psutil.Error):
            if "gunicorn.conf.py" in " ".join(process.cmdline()):
                return process
    return None


def test_postgres_and_gunicorn_are_started_again_when_they_are_killed(desk: Desk) -> None:
    desk.start()
    server = postmaster(desk)
    for process in [*server.children(recursive=True), server]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 15
    while True:
        try:
            desk.run("select 1")
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    master = gunicorn(desk)
    assert master is not None
    master.kill()
    deadline = time.monotonic() + 20
    while (again := gunicorn(desk)) is None or again.pid == master.pid or not answers(desk.port):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert desk.stop() == 0


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).status == 200)
    return False


def test_ctrl_c_while_it_loads_ends_it_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [ROOT / "bin" / "run"],
        env=environment(PYTHONPATH=str(tmp_path), DATA_DIR=str(tmp_path / "data"), PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_when_the_server_process_is_killed_its_children_stop_by_themselves(desk: Desk) -> None:
    desk.start()
    family = desk.family()
    family[0].kill()
    _, alive = psutil.wait_procs(family, timeout=25)
    assert alive == []


# Becomes nobody, for whom the interpreter may lie in a home directory that only root can enter: its folder is shown
# at the same place in a file system of this process alone.
AS_NOBODY = """
set -e
if ! setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$1/bin/python3"; then
  hold=$(mktemp -d)
  mount --bind "$1" "$hold"
  mount -t tmpfs -o mode=755 tmpfs "/$(echo "$1" | cut -d/ -f2)"
  mkdir -p "$1"
  mount --move "$hold" "$1"
fi
shift
exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever runs this is a plain user already")
def test_a_plain_user_can_run_it() -> None:
    with tempfile.TemporaryDirectory() as home:  # not in pytest's own folder, which only root may enter
        shutil.chown(home, "nobody", "nogroup")
        base = os.path.realpath(sys.base_prefix)
        desk = Desk(Path(home) / "data", "unshare", "--mount", "sh", "-c", AS_NOBODY, "sh", base)
        desk.output = Path(home) / "log"
        try:
            desk.start()
            assert postmaster(desk).username() == "nobody"
            assert desk.stop() == 0
        finally:
            desk.end()


def test_a_setting_that_postgres_refuses_is_named(desk: Desk) -> None:
    (desk.data_dir / "postgres.log").write_text("FATAL:  of another start\n")
    with (desk.data_dir / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = none\n")
    said = refused(PORT=str(free_port()), DATA_DIR=str(desk.data_dir))
    assert "of another start" not in said
    assert "did not start (configuration file" in said


@pytest.mark.parametrize("argument", ["--help", "--port=4000"])
def test_an_argument_is_answered_with_how_settings_are_made(argument: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bin" / "run", argument],
        env=environment(DATA_DIR=str(tmp_path / "data")),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    said = refused(PORT=str(free_port()), DATA_DIR=str(tmp_path / "a file" / "data"))
    assert "Cannot write to" in said
    assert "DATA_DIR" in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "Cannot connect to Postgres at DATABASE_URL"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, str], sentence: str, tmp_path: Path) -> None:
    assert sentence in refused(**{"PORT": str(free_port()), "DATA_DIR": str(tmp_path / "data"), **values})


def test_a_taken_port_is_named_with_the_way_out(running_desk: Desk, tmp_path: Path) -> None:
    said = refused(PORT=str(running_desk.port), DATA_DIR=str(tmp_path / "other"))
    assert f"Port {running_desk.port} is in use" in said
    assert f"PORT={running_desk.port + 1} bin/run" in said


def test_a_second_desk_on_the_same_data_is_refused(running_desk: Desk) -> None:
    said = refused(PORT=str(free_port()), DATA_DIR=str(running_desk.data_dir))
    assert f"Another supportchat is using {running_desk.data_dir}" in said
    assert running_desk.run("select 1") == [(1,)]


def stripped_clone(tmp_path: Path) -> Path:
    """Return a copy of the project without what bin/setup has installed."""
    clone = tmp_path / "clone"
    shutil.copytree(
        ROOT,
        clone,
        ignore=shutil.ignore_patterns(
            ".venv", "node_modules", "data", "built*", ".git", "*_cache", "__pycache__", "screenshots"
        ),
    )
    return clone


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    clone, tools = stripped_clone(tmp_path), tmp_path / "tools"
    tools.mkdir()
    old = tools / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac\n')
    old.chmod(0o755)
    for name in ("bash", "dirname", "cat", "cksum", "grep", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run([clone / "bin/run"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer, but found Python 3.9.2" in done.stderr


def test_a_chromium_that_is_installed_is_taken_as_it_is(tmp_path: Path) -> None:
    clone, tools, asked = stripped_clone(tmp_path), tmp_path / "tools", tmp_path / "asked"
    tools.mkdir()
    (clone / ".venv" / "bin").mkdir(parents=True)
    commands = {
        tools / "chromium": "",
        tools / "apt-get": f"touch '{asked}'",
        tools / "id": "echo 0",
        clone / "bin" / "setup": "",
        clone / ".venv" / "bin" / "pytest": "echo tests",
    }
    for path, command in commands.items():
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)
    for name in ("bash", "dirname", "getconf", "env"):
        (tools / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run(
        [clone / "bin/test", "tests/sql"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "tests\n"), done.stderr
    assert not asked.exists()


def test_a_registry_that_does_not_answer_is_named_also_after_ctrl_c(tmp_path: Path) -> None:
    clone = stripped_clone(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)  # what it leaves
    done = subprocess.run(
        [clone / "bin/run"],
        env=environment(
            PIP_INDEX_URL="http://127.0.0.1:1/simple",
            PIP_EXTRA_INDEX_URL="",
            PIP_FIND_LINKS="",
            PIP_CONFIG_FILE=os.devnull,
            PIP_NO_CACHE_DIR="1",
            PIP_RETRIES="0",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "could not be installed" in done.stderr
    assert "check the connection to the package registry" in done.stderr
    assert "No module named pip" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


# The commands that work beside it


def flask(*arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=ROOT,
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_agent_is_made_while_the_desk_runs_and_while_it_does_not(running_desk: Desk, desk: Desk) -> None:
    where = {"DATA_DIR": str(running_desk.data_dir)}
    arguments = ["create-agent", "--name", "Dora Lind", "--admin"]
    done = flask(*arguments, "--email", "dora@example.com", **where)
    assert done.returncode == 0, done.stderr
    assert "Created Dora Lind <dora@example.com>. Password: " in done.stdout
    again = flask(*arguments, "--email", "DORA@example.com", **where)
    assert again.returncode != 0
    assert "already exists" in again.stderr
    reset = ["reset-password", "--email", "dora@example.com"]
    assert "Password: " in flask(*reset, **where).stdout
    where = {"DATA_DIR": str(desk.data_dir)}
    assert flask(*arguments, "--email", "eve@example.com", **where).returncode == 0
    assert not (desk.data_dir / "postgres" / "postmaster.pid").exists()


def test_the_doctor_tells_what_it_found(running_desk: Desk) -> None:
    done = flask("doctor", DATA_DIR=str(running_desk.data_dir))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "user_sessions" in done.stdout
    running_desk.run("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    done = flask("doctor", DATA_DIR=str(running_desk.data_dir))
    assert done.returncode == 1
    assert "fix_foreign_keys.sql" in done.stdout


def test_migrate_says_what_it_did(desk: Desk) -> None:
    where = environment(DATA_DIR=str(desk.data_dir))
    done = subprocess.run([ROOT / "bin/migrate"], env=where, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "The database is already up to date.\n")
