"""Thousands of sockets: what opening them takes, what idle ones cost, and how they come back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import random
import secrets
import time
from collections.abc import Callable, Sequence

from tests.faults.desk import Desk as Server

from .crowd import Crowd, gathered, percentile
from .messages import opened, paced
from .meter import Cpu, Meter, memory_of
from .pages import Book, Customer
from .report import Line
from .wire import Browser, Failed

CONNECTING = 64
COMING_BACK = 2000
CUT_AT_ONCE = 20  # then the client sends what is due: to cut 2,000 takes it a fifth of a second
LONGEST_AWAY = 40.0
BATCH = 250
SETTLE_SECONDS = 12.0
LONGEST_TELLING = 120.0
RESTS_FOR = 2.0
RESTING = 0.1  # of a core
RATE = 20
# To find an agent for each that starts would count all tickets of all agents, each time.
GIVE = """
update tickets set status = 'open', assigned_agent_id = here.id, assigned_at = now()
from (
    select id, row_number() over () - 1 as place, count(*) over () as staff from agents where lease_expires_at > now()
) as here
where status = 'waiting' and number %% here.staff = here.place
"""
LOAD = """
select visitor, public.conversation_of_visitor(p_visitor => visitor) from unnest(%s::text[]) as visitor
"""


def made_customers(crowd: Crowd, count: int) -> list[Customer]:
    """Return customers whose chats are started by SQL, and who have loaded their pages."""
    made = [secrets.token_urlsafe(32) for _ in range(count)]
    tokens = {hashlib.sha256(token.encode()).hexdigest(): token for token in made}
    visitors = list(tokens)
    crowd.server.run("update agents set max_tickets = 1")
    for start in range(0, count, BATCH):
        crowd.start_chats(visitors[start : start + BATCH])
    crowd.server.run(GIVE)
    return loaded(crowd.server, tokens)


def loaded(server: Server, tokens: dict[str, str]) -> list[Customer]:
    """Return customers who have loaded the pages of their chats; `tokens` are the cookies by their hashes."""
    customers = []
    for visitor, chat in server.run(LOAD, list(tokens)):
        customer = Customer(Browser("127.0.0.1", server.port), Book(), reacts=False)
        customer.browser.cookies[f"c-{server.port}"] = tokens[visitor]
        customer.session, customer.seq, customer.epoch = chat["session_id"], chat["last_seq"], chat["epoch"]
        customers.append(customer)
    return customers


async def all_told(meter: Meter) -> None:
    """Wait until the desk rests: each of its hundred pages is told of all who wait, and reads the queue again."""
    used = meter.read()
    async with asyncio.timeout(LONGEST_TELLING):
        while True:
            await asyncio.sleep(RESTS_FOR)
            before, used = used, meter.read()
            if used.server - before.server + used.postgres - before.postgres < RESTS_FOR * RESTING:
                return


async def come_back(customer: Customer) -> float:
    """Cut a page's socket and let it come back as a page does; return how many seconds it was away."""
    start = time.monotonic()
    assert customer.socket is not None
    customer.socket.abort()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_AWAY):
            for attempt in itertools.count():
                # As templates/base.html tells hx-ws.
                await asyncio.sleep(min(5.0, 0.8 * 2**attempt) * random.uniform(0.1, 1.9))
                with contextlib.suppress(Failed):
                    await customer.open()
                    break
    return time.monotonic() - start


async def text_meanwhile(crowd: Crowd, seconds: float, customers: Sequence[Customer]) -> tuple[float, list[float], int]:
    """Let pages come back while texts are sent: return the texts' p95 in ms, the pages' seconds away, and the texts."""
    texts = asyncio.create_task(paced(crowd, RATE, seconds))
    await asyncio.sleep(0.5)
    start = time.monotonic()
    coming = []
    for customer in customers:
        coming.append(asyncio.create_task(come_back(customer)))
        if len(coming) % CUT_AT_ONCE == 0:
            await asyncio.sleep(0)
    away = await asyncio.gather(*coming)
    end = time.monotonic()
    numbers = [number for number in await texts if start <= crowd.book.due[number] <= end]
    return 1000 * percentile(crowd.book.latencies(numbers), 0.95), list(away), len(numbers)


async def measure_sockets(
    crowd: Crowd, meter: Meter, count: int, seconds: float, say: Callable[[str], None]
) -> list[Line]:
    """Open them, leave them alone, let some come back, and close them."""
    worker = crowd.server.workers[0].pid
    # The agents stay, or their tickets would be given to others.
    async with opened(crowd):
        say(f"{count:,} customers")
        customers = await asyncio.to_thread(made_customers, crowd, count)
        await all_told(meter)
        empty = memory_of(worker)
        say("their sockets")
        before, start = meter.read(), time.monotonic()
        await gathered(Customer.open, customers, CONNECTING)
        took, used = time.monotonic() - start, meter.read() - before
        cost = Cpu(*(1000 * part / count for part in (used.server, used.postgres, used.client)))
        await asyncio.sleep(SETTLE_SECONDS)
        full = memory_of(worker)
        before, start = meter.read(), time.monotonic()
        await asyncio.sleep(seconds)
        idle, waited = meter.read() - before, time.monotonic() - start
        say("some come back")
        p95, away, texts = await text_meanwhile(crowd, 8.0, customers[:COMING_BACK])
        still_open = sum(customer.socket is not None and customer.socket.is_open for customer in customers)
        assert still_open >= count * 0.99, f"{still_open} of {count} sockets are open"
        peak = memory_of(worker)
        await gathered(Customer.close, customers, CONNECTING)
        await asyncio.sleep(SETTLE_SECONDS)
        gone = memory_of(worker)
    busy = [100 * part / waited for part in (idle.server, idle.postgres)]
    return [
        Line(f"idle socket, of {count:,}", f"{(full - empty) / count / 1024:.1f} KiB", must="45 KiB", aim="38 KiB"),
        Line(
            f"{count:,} idle sockets and 200 more pages, CPU of server + Postgres",
            *(f"{busy[0]:.1f} + {busy[1]:.1f} % of a core", "", "", "4 % in all", "2 %"),
        ),
        Line(
            "connects/s to caught_up",
            f"{count / took:,.0f} ({cost.server:.2f} + {cost.postgres:.2f} CPU s for 1,000)",
            must=">= 700",
            aim="1,000",
        ),
        Line(
            f"{len(away):,} come back at once: the longest away, p50",
            f"{max(away, default=0.0):.1f} s, {percentile(away, 0.5):.1f} s" if away else "",
            must="5 s",
        ),
        Line(f"text p95 meanwhile ({texts} texts)", f"{p95:.0f} ms", must="150 ms", aim="100 ms"),
        Line(
            f"memory of the worker: before, with {count:,}, 12 s after they have gone",
            f"{empty / 2**20:.0f}, {peak / 2**20:.0f}, {gone / 2**20:.0f} MiB",
            ratio=f"{gone / empty:.2f} x",
            must="1.20 x",
        ),
    ]
