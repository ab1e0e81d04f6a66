"""A desk for the faults to happen to, and the table of what they have done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgres import open_folder

from .desk import Desk, running
from .run import IS_FULL, MESSAGES, Run
from .table import Measured, keep, written

_measured: list[Measured] = []
Keep = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    """Name our mark."""
    config.addinivalue_line("markers", "long: a fault that takes minutes; bin/test --faults runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long faults to `bin/test --faults`, which gives every fault the time that its messages take."""
    if IS_FULL:
        for item in items:
            if "tests/faults" in item.path.as_posix():
                item.add_marker(pytest.mark.timeout(120 + MESSAGES))
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if IS_FULL and _measured:
        keep(_measured)
        terminalreporter.write("\n" + written(_measured))


@pytest.fixture(scope="session")
def shared_desk() -> Iterator[Desk]:
    """The desk of all faults that leave it running, as they should."""
    with open_folder() as folder, running(Desk(folder / "data")) as desk:
        yield desk


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    """A desk that runs."""
    assert shared_desk.is_ready(), "the fault before this one has left the desk behind broken"
    return shared_desk


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a desk of a test's own."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def contract() -> Callable[..., None]:
    """A function that asserts that a run has kept the contract, and puts it into the table.

    Its arguments: the name of the fault, the run, and the most seconds that it may have taken for a line to reach an
    open screen, for a page to be back on its socket, and for an answer to come.
    """

    def kept(fault: str, run: Run, *, silence: float, reconnect: float = 60.0, answer: float = 10.0) -> None:
        verdict = run.verdict
        _measured.append(Measured.of(fault, verdict))
        print(
            f"{fault}: sent {verdict.sent}, acked {verdict.acked}, stored without an ack {verdict.unacked_but_stored},"
            f" silence {verdict.longest_silence:.1f}, reconnect {verdict.longest_reconnect:.1f},"
            f" without ack {verdict.longest_without_ack:.1f}, slowest answer {verdict.slowest_answer:.1f},"
            f" loaded anew {verdict.resets}"
        )
        assert verdict.broken == {}
        assert verdict.acked >= run.asked
        # The short faults share the machine with the tests beside them, the long ones have it for themselves.
        patience = 1 if IS_FULL else 5
        assert verdict.longest_silence < silence * patience
        assert verdict.longest_reconnect < reconnect * patience
        assert verdict.slowest_answer < answer * patience

    return kept
