"""Networks that lose packets, crawl, or fall silent. Each test has namespaces of its own; nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from supportchat.config import NO_LIMITS, ROOT
from tests.postgres import open_folder

from .checker import check, stored_rows
from .desk import Desk, running, wait_for
from .network import SERVER_ADDRESS, Network, laid_network, skip_unless_possible
from .run import IS_FULL, MESSAGES, under_load

Contract = Callable[..., None]
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Two sides and a cable."""
    skip_unless_possible()
    with laid_network() as network:
        yield network


@pytest.fixture(scope="module")
def far_desk(network: Network) -> Iterator[Desk]:
    """A desk on the server's side, to which any address may come."""
    settings = {"LIMITS": "on", **NO_LIMITS}  # others reach it, so that they cannot just be off
    with (
        open_folder() as folder,
        running(Desk(folder / "data", prefix=network.at_server, host="0.0.0.0", **settings)) as desk,
    ):
        yield desk


@pytest.fixture
def far_url(far_desk: Desk, network: Network) -> Iterator[str]:
    """Where the clients' side finds the desk."""
    yield f"http://{SERVER_ADDRESS}:{far_desk.port}"
    network.restore()


def test_three_of_ten_packets_are_lost(network: Network, far_desk: Desk, far_url: str, contract: Contract) -> None:
    messages = min(MESSAGES, 2000)
    with under_load(far_desk, url=far_url, prefix=network.at_client, messages=messages, at_least=120) as run:
        network.lose(30)
        wait_for(lambda: progress(far_desk) >= messages, 60 + messages / 2, "too slow under loss")
        assert network.dropped() > 0
        network.restore()
    contract("30 % of the packets lost", run, silence=30, answer=30)


def test_every_connection_is_reset(network: Network, far_desk: Desk, far_url: str, contract: Contract) -> None:
    with under_load(far_desk, url=far_url, prefix=network.at_client) as run:
        for _ in range(10 if IS_FULL else 2):
            network.reset(far_desk.port)
            time.sleep(3)
    contract("every connection reset, 10 times", run, silence=2, reconnect=2)


def test_clients_that_fall_silent_are_found_out(
    network: Network, far_desk: Desk, far_url: str, contract: Contract
) -> None:
    with under_load(far_desk, prefix=network.at_server, at_least=180) as run:
        run.start(url=far_url, prefix=network.at_client, name="far", customers=3, agents=0, messages=30, rate=1)
        # Six customers and their agents, two desks; three more customers and their agents.
        wait_for(lambda: sockets(far_desk) == 20, 30, "not every page is open", lambda: sockets(far_desk))
        network.drop()
        took = wait_for(lambda: sockets(far_desk) == 17, 55, "the server keeps half-open sockets")
        network.restore()
    contract("clients half-open", run, silence=45)
    assert took < 55
    near, far = run.ledgers
    far_marks = {screen.mark for screen in far.screens}
    near.screens = [screen for screen in near.screens if screen.mark not in far_marks]
    assert check(near, stored_rows(far_desk.conninfo)).longest_silence < 4  # nobody else has noticed


def test_text_goes_through_a_thin_pipe_beside_a_picture(
    network: Network, far_desk: Desk, far_url: str, contract: Contract
) -> None:
    network.make_thin("64kbit")
    try:
        with under_load(far_desk, prefix=network.at_server, at_least=180) as run:
            run.start(url=far_url, prefix=network.at_client, name="thin", customers=1, agents=0, messages=15, rate=0.5)
            done = subprocess.run(
                [*network.at_client, sys.executable, "-m", "tests.faults.picture", far_url],
                cwd=ROOT,
                timeout=170,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        network.make_wide()
    contract("64 kbit/s, a picture going up", run, silence=10, answer=10)


def progress(desk: Desk) -> int:
    """How many messages there are in chats that are not closed."""
    ((count,),) = desk.run(
        "select count(*) from chat_messages join tickets using (session_id)"
        " where tickets.status <> 'closed' and sender <> 'system'"
    )
    return int(count)


def sockets(desk: Desk) -> int:
    """How many sockets the server processes hold."""
    ((count,),) = desk.run("select coalesce(sum(sockets), 0) from server_processes where live_until > now()")
    return int(count)
