"""More than one server process on a database; one of them with a clock that jumps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supportchat.config import Config
from tests.server import Server

from .desk import Desk
from .run import MESSAGES, RATE, under_load

Contract = Callable[..., None]
HOUR, DAY = 3600, 86400


def second_server(desk: Desk, folder: Path, **environ: str) -> Iterator[Server]:
    """Run another server process on another port over the database of a desk."""
    config = Config(
        database_url=desk.conninfo,
        data_dir=folder,
    )
    server = Server(config, LIMITS="off", **environ)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def other(desk: Desk, folder: Path) -> Iterator[Server]:
    """A second server process."""
    yield from second_server(desk, folder)


def test_the_customer_is_on_one_server_and_the_agent_on_the_other(
    desk: Desk, other: Server, contract: Contract
) -> None:
    with under_load(desk, customers=0, messages=MESSAGES // 4, rate=RATE / 2) as run:
        run.start(url=other.url, name="elsewhere", agents=0, rate=RATE / 2)
    assert {message.kind for message in run.ledger.sent} >= {"message", "reply"}
    contract("customers on one server, agents on another", run, silence=2.5)


@pytest.fixture
def clock(folder: Path) -> Path:
    """A file that says by how many seconds the clock of the jumping server is off."""
    clock = folder / "clock"
    clock.write_text("0")
    return clock


@pytest.fixture
def jumping(desk: Desk, folder: Path, clock: Path) -> Iterator[Server]:
    """A second server process whose clock can be set."""
    customize = str(Path(__file__).parent / "clock")
    yield from second_server(desk, folder, PYTHONPATH=customize, CLOCK_OFFSET_FILE=str(clock))


@pytest.mark.long
def test_the_clock_of_one_server_jumps(desk: Desk, jumping: Server, clock: Path, contract: Contract) -> None:
    with under_load(desk, rate=RATE / 2) as run:
        elsewhere = run.start(url=jumping.url, name="elsewhere", agents=0, rate=RATE / 2)
        for offset in (HOUR, -HOUR, DAY, -DAY, 0):
            clock.with_suffix(".new").write_text(str(offset))
            os.replace(clock.with_suffix(".new"), clock)
            run.let_write(elsewhere, 5)
    contract("the clock of one server jumps by hours and days", run, silence=2.5)
