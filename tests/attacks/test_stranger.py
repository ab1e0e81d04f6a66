"""Whatever a stranger does, nobody else waits long: the short form of `python -m tests.attacks.stranger`."""

from __future__ import annotations

import pytest

from tests.server import Server
from tests.variants import variant

from .attacks import ATTACKS
from .stranger import Customers, run

pytestmark = pytest.mark.mode("postgres")

SECONDS = 1.2
STANDSTILL = 1.0  # of the worker's CPU time
CONNECTIONS = (
    "pings",
    "empty_fragments",
    "fragments",
    "hellos",
    "pipelined_health",
    "pipelined_static",
    "unfinished_bodies",
    "chunked_slowly",
    "refused_sender",
    "many_fields",
    "unread_answers",
)
CONTENTS = tuple(name for name in ATTACKS if name not in CONNECTIONS)
# One of each kind: frames, requests without waiting, bodies, forms, answers; logins, writing, pages, pictures, keys.
QUICK: tuple[str, ...] = ("pings", "pipelined_static", "chunked_slowly", "many_fields", "unread_answers")
QUICK += ("logins", "starts", "marks", "links", "looks_of_many", "large_pictures", "made_up_keys")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(QUICK, id="one of each kind"),
        pytest.param(CONNECTIONS, id="connections", marks=variant),
        pytest.param(CONTENTS, id="contents", marks=variant),
    ],
)
def test_no_stranger_makes_a_customer_wait(server: Server, names: tuple[str, ...]) -> None:
    assert server.process is not None
    customers = Customers(server.url)
    slow = {}
    for name in names:
        for _ in range(2):  # the machine may be busy with something else
            outcome = run(name, server.url, SECONDS, server.process.pid, customers, before_seconds=0)
            assert outcome.is_same_worker, name
            if outcome.during.longest_stall < STANDSTILL and not outcome.during.failures:
                break
        else:
            slow[name] = f"{outcome.during.longest_stall:.1f} s, {outcome.during.failures} failed"
    assert slow == {}
