"""How long somebody is waited for, and how many connections there may be."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from supportchat.config import ROOT
from supportchat.server.buckets import Bucket, Limit
from supportchat.server.connections import Connections, Slot
from supportchat.server.deadline import LEAST_RATE, LONGEST_SECONDS, Deadline
from supportchat.server.worker import LONGEST_LINE, Brief
from supportchat.web.refusals import LINES, Quota


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test."""
    return Clock(monkeypatch)


def test_who_sends_nothing_is_waited_for_so_long_and_no_longer(clock: Clock) -> None:
    deadline = Deadline(20)
    clock.now += 19
    assert deadline.left == 1
    clock.now += 2
    assert deadline.left == 0


def test_a_byte_now_and_then_does_not_buy_time(clock: Clock) -> None:
    deadline = Deadline(20)
    for _ in range(30):
        clock.now += 1
        deadline.moved(1)
    assert deadline.left == 0


def test_a_slow_line_gets_the_time_that_it_needs(clock: Clock) -> None:
    deadline = Deadline(20)
    for _ in range(int(LONGEST_SECONDS) - 1):
        clock.now += 1
        deadline.moved(LEAST_RATE)
        assert deadline.left > 0
    clock.now += 1
    assert deadline.left == 0


def test_whoever_has_sent_much_and_stops_is_waited_for_as_long_as_anybody(clock: Clock) -> None:
    deadline = Deadline(20)
    deadline.moved(10_000_000)
    assert deadline.left == 20


def slots(connections: Connections, address: str, count: int) -> list[Slot | None]:
    return [connections.enter(address) for _ in range(count)]


def test_one_address_takes_no_more_than_its_share() -> None:
    connections = Connections(10, 2)
    first, second, third = slots(connections, "192.0.2.1", 3)
    assert first is not None
    assert second is not None
    assert third is None
    assert connections.enter("192.0.2.2") is not None
    first.leave()
    assert connections.enter("192.0.2.1") is not None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(one: str, other: str, is_same: bool) -> None:
    connections = Connections(10, 1)
    assert connections.enter(one) is not None
    assert (connections.enter(other) is None) == is_same


def test_websockets_are_counted_elsewhere_but_keep_their_slot() -> None:
    connections = Connections(3, 1)
    for _ in range(3):
        slot = connections.enter("192.0.2.1")
        assert slot is not None
        slot.count_elsewhere()
    assert connections.enter("192.0.2.1") is None
    assert slot is not None
    slot.leave()
    assert connections.enter("192.0.2.1") is not None


def test_one_address_opens_no_more_connections_than_it_could_use(clock: Clock) -> None:
    connections = Connections(10_000, 256)

    def opened() -> bool:
        slot = connections.enter("192.0.2.1")
        if slot is not None:
            slot.leave()
        return slot is not None

    assert [opened() for _ in range(513)] == [*[True] * 512, False]
    assert connections.enter("192.0.2.2") is not None
    clock.now += 10
    assert opened()


def test_behind_a_proxy_only_the_whole_is_bounded() -> None:
    connections = Connections(3, 0)
    assert None not in slots(connections, "192.0.2.1", 3)
    assert connections.enter("192.0.2.2") is None


def test_a_bucket_lets_a_burst_pass_and_then_so_many_a_second(clock: Clock) -> None:
    bucket = Bucket(Limit(3, 1.5))
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.wait == 0.5
    clock.now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_gunicorns_parent_loads_the_worker_without_the_app() -> None:
    # It would be there before a worker has patched the standard library.
    script = "import sys, supportchat.server.worker; print({'supportchat.app', 'flask'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_what_is_no_request_does_not_fill_the_log() -> None:
    brief, written = Brief(Quota().allows), []
    for number in range(100):
        text = f"Invalid request from ip=192.0.2.1: Invalid header name: '{number} \x1b[31m\n{'x' * 4000}'"
        record = logging.LogRecord("gunicorn.error", logging.WARNING, "", 0, text, (), None)
        if brief.filter(record):
            written.append(record.getMessage())
    assert len(written) == LINES
    assert all(line.isprintable() and len(line) <= LONGEST_LINE for line in written)
    other = logging.LogRecord("gunicorn.error", logging.WARNING, "", 0, "Worker exiting", (), None)
    assert brief.filter(other)
