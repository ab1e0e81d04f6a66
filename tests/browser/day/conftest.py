"""A desk whose notifications go to a push service of the tests, and the people of a day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from supportchat.config import Config
from tests.alerts.push_service import PushService
from tests.server import Server

IS_LONG = os.environ.get("DAY") == "long"


def pytest_configure(config: pytest.Config) -> None:
    """Name our mark."""
    config.addinivalue_line("markers", "long_day: takes minutes; bin/test --day runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes minutes to `bin/test --day`."""
    long = [] if IS_LONG else [item for item in items if item.get_closest_marker("long_day")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def pushes(tmp_path: Path) -> Iterator[PushService]:
    """The push service of the agents' telephones."""
    running = PushService(tmp_path).start()
    yield running
    running.stop()
    assert running.problems == []


@pytest.fixture
def server(config: Config, pushes: PushService, tmp_path: Path) -> Iterator[Server]:
    """A desk that may send to that service."""
    running = Server(config, LIMITS="off", PUSHES=str(tmp_path / "tls.pem"))
    running.start()
    yield running
    running.kill()
