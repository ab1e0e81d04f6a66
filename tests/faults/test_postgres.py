"""Postgres that dies, restarts, waits, or goes silent, under load."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from .clients import RETRY
from .desk import Desk, running, wait_for
from .people import Customer
from .run import IS_FULL, Run, under_load
from .test_processes import close_codes, times

Contract = Callable[..., None]
# Longer than any deadline of the desk: statement, lock, pool.
HELD_SECONDS = 10.0


def test_postgres_is_killed(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(5, 1):
            desk.kill_postgres()
            wait_for(desk.is_ready, 10, "Postgres is not started again")
            time.sleep(1)
    assert close_codes(run) == set()
    contract("Postgres kill -9, 5 times", run, silence=5, answer=2)


def test_postgres_that_cannot_be_started_at_once_is_started_later(desk: Desk) -> None:
    control = desk.data_dir / "postgres" / "global" / "pg_control"
    aside = control.with_suffix(".aside")
    desk.kill_postgres()
    control.rename(aside)
    try:
        wait_for(
            lambda: "Postgres did not start" in desk.output.read_text(), 15, "Postgres starts without its control file"
        )
    finally:
        aside.rename(control)
    wait_for(desk.is_ready, 15, "nobody tries again")


@pytest.mark.long
def test_postgres_restarts(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(5, 1):
            postmaster = desk.postmaster
            assert postmaster is not None
            postmaster.send_signal(signal.SIGINT)  # what pg_ctl restart -m fast sends
            postmaster.wait(20)
            wait_for(desk.is_ready, 10, "Postgres is not started again")
            time.sleep(1)
    assert close_codes(run) == set()
    contract("Postgres fast restart, 5 times", run, silence=5, answer=2)


@pytest.mark.long
def test_the_listeners_are_ended(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(20, 2):
            before = set(desk.listeners())
            desk.run("select pg_terminate_backend(pid) from unnest(%s::int[]) as pid", sorted(before))
            wait_for(
                lambda old=before: len(set(desk.listeners()) - old) == 2,  # type: ignore[misc]
                5,
                "nobody listens again",
            )
            time.sleep(1)
    contract("LISTEN connections ended, 20 times", run, silence=2.5)


@pytest.mark.long
def test_the_listeners_go_silent(desk: Desk, contract: Contract) -> None:
    """Half-open: the connections stand, and nothing comes through them."""
    with under_load(desk) as run:
        silent = desk.listeners()
        for pid in silent:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: len(set(desk.listeners()) - set(silent)) == 2, 15, "nobody listens anew")
        finally:
            for pid in silent:
                os.kill(pid, signal.SIGCONT)
    contract("LISTEN connections half-open", run, silence=2.5)


@contextlib.contextmanager
def locked(desk: Desk, table: str) -> Iterator[None]:
    """Hold a table, as a migration that does not end would."""
    with psycopg.connect(desk.conninfo) as connection:
        connection.execute(f"lock table {table} in access exclusive mode".encode())
        yield


def test_a_lock_is_held(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run, locked(desk, "chat_messages"):
        time.sleep(HELD_SECONDS if IS_FULL else 4)
    assert statuses(run, "POST /chat/messages") >= {200, 503}
    assert close_codes(run) <= {1013}
    contract("a table locked for 10 s", run, silence=5, answer=4)


@pytest.mark.long
def test_every_connection_of_the_pool_is_taken(desk: Desk, contract: Contract) -> None:
    """The function that tells of typing sleeps, and crowds of typing customers take every connection."""
    (definition,) = desk.run("select pg_get_functiondef('signal_typing'::regproc)")[0]
    desk.run(
        "create or replace function public.signal_typing("
        "p_visitor text default null, p_agent_id uuid default null, p_number bigint default null"
        ") returns void language sql set search_path = '' as 'select pg_catalog.pg_sleep(60)'"
    )
    with contextlib.ExitStack() as stack, under_load(desk) as run:
        customers = [stack.enter_context(Customer(desk.url)) for _ in range(4)]
        is_over = threading.Event()

        def type_on(customer: Customer) -> None:
            while not is_over.is_set():
                assert customer.ask("POST", "/chat/typing").status_code in (204, 503)

        crowd = [threading.Thread(target=type_on, args=[customers[n % 4]]) for n in range(60)]
        for thread in crowd:
            thread.start()
        time.sleep(HELD_SECONDS)
        is_over.set()
        for thread in crowd:
            thread.join()
    desk.run(definition.replace("%", "%%"))
    assert close_codes(run) <= {1013}
    contract("the pool exhausted for 10 s", run, silence=5, answer=4)


@pytest.mark.long
def test_the_disk_is_full(folder: Path, contract: Contract) -> None:
    """Database, log and pictures share a disk, and nothing fits on it any more."""
    if os.geteuid() != 0:
        pytest.skip("a full disk needs a file system of its own: run as root")
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m,mode=0711", "tmpfs", disk], check=True)
    try:
        with running(Desk(disk / "data")) as desk:
            with under_load(desk, at_least=90) as run:
                for _ in times(3, 1):
                    fill(disk / "filler")
                    wait_for(lambda: not can_post(desk), 60, "the desk goes on without a place to write to")
                    time.sleep(HELD_SECONDS)
                    (disk / "filler").unlink()
                    wait_for(desk.is_ready, 30, "the desk does not recover")
            contract("disk full, 3 times", run, silence=10)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(path: Path) -> None:
    """Take every byte that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def can_post(desk: Desk) -> bool:
    """Whether a chat can be started now."""
    try:
        Customer(desk.url).client.close()
    except (AssertionError, httpx.TransportError):
        return False
    return True


def statuses(run: Run, what: str) -> set[int]:
    """What requests of a kind were answered with; 0 stands for no answer."""
    found = {answer.status for answer in run.ledger.answers if answer.what == what}
    assert found <= {200, *RETRY}
    return found
