"""Server processes that die, restart, or stop moving, under load."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from .desk import Desk, wait_for
from .run import IS_FULL, Run, under_load

Contract = Callable[..., None]


def times(full: int, short: int) -> range:
    """How often a fault happens."""
    return range(full if IS_FULL else short)


def close_codes(run: Run) -> set[int]:
    """The codes with which sockets were closed."""
    return {code for screen in run.ledger.screens for _, code in screen.closed}


def test_a_worker_is_killed_again_and_again(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(20, 3):
            wait_for(lambda: len(desk.workers) == 2, 10, "no two workers")
            with contextlib.suppress(psutil.NoSuchProcess):
                random.choice(desk.workers).kill()
            time.sleep(2)
    contract("worker kill -9, every 2 s", run, silence=3, reconnect=3)


def test_a_reload_closes_every_socket_so_that_its_page_comes_back(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(10, 1):
            before = {worker.pid for worker in desk.workers}
            desk.supervisor.send_signal(signal.SIGHUP)
            wait_for(lambda old=before: not old & {w.pid for w in desk.workers}, 30, "old workers stay")  # type: ignore[misc]
            wait_for(lambda: len(desk.workers) == 2 and desk.is_ready(), 30, "no new workers")
    assert close_codes(run) == {1012}
    contract("HUP, ten times", run, silence=5, reconnect=5)


@pytest.mark.long
def test_the_whole_desk_is_stopped_and_started_again(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(3, 1):
            desk.stop()
            desk.start()
            time.sleep(5)
    assert 1012 in close_codes(run)
    contract("TERM and start again, 3 times", run, silence=10, reconnect=10)


@pytest.mark.long
def test_gunicorn_is_killed(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(5, 1):
            master = desk.master
            assert master is not None
            master.kill()
            wait_for(lambda old=master: desk.master not in (None, old), 10, "no new gunicorn")  # type: ignore[misc]
            wait_for(desk.is_ready, 10, "no service after the master was killed")
    contract("master kill -9", run, silence=5, reconnect=5)


@pytest.mark.long
def test_a_worker_that_stops_moving_is_replaced(desk: Desk, contract: Contract) -> None:
    with under_load(desk, at_least=120) as run:
        frozen = desk.workers[0]
        os.kill(frozen.pid, signal.SIGSTOP)
        assert desk.is_ready()  # its peer serves
        wait_for(lambda: not psutil.pid_exists(frozen.pid), 45, "gunicorn does not replace a frozen worker")
    contract("worker frozen until gunicorn replaces it", run, silence=35)


@pytest.mark.long
def test_a_worker_that_stops_for_a_while_goes_on(desk: Desk, contract: Contract) -> None:
    with under_load(desk, at_least=120) as run:
        frozen = desk.workers[0]
        os.kill(frozen.pid, signal.SIGSTOP)
        time.sleep(20)
        os.kill(frozen.pid, signal.SIGCONT)
    contract("worker frozen for 20 s", run, silence=22, answer=22)


@pytest.mark.long
def test_no_worker_can_open_another_file(desk: Desk, contract: Contract) -> None:
    with under_load(desk) as run:
        for _ in times(3, 1):
            workers = desk.workers
            limits = {worker: worker.rlimit(psutil.RLIMIT_NOFILE) for worker in workers}
            for worker, (_soft, hard) in limits.items():
                worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds(), hard))
            time.sleep(10)
            for worker, limit in limits.items():
                worker.rlimit(psutil.RLIMIT_NOFILE, limit)
            wait_for(desk.is_ready, 10, "the desk does not recover")
            assert desk.workers == workers  # nobody has crashed
            time.sleep(2)
    contract("no file descriptor left for 10 s, 3 times", run, silence=15, answer=30)
