"""The people of a measurement: agents with their tabs, customers, and who is connected to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from tests.cast import PASSWORD
from tests.faults.desk import Desk as Server

from .floors import CONNECTIONS, visitor_of
from .pages import Book, Customer, Desk
from .wire import Browser

START = """
select public.start_chat(p_visitor => visitor, p_message => 'Hello', p_client_message_id => gen_random_uuid())
from unnest(%s::text[]) as visitor
"""
T = TypeVar("T")
AGENTS, TABS = 10, 10
AT_ONCE = 16


class Crowd:
    """Customers with a chat each, and for each of them a tab of an agent that shows it."""

    customer: type[Customer] = Customer
    desk: type[Desk] = Desk

    def __init__(self, server: Server, *, reacts: bool = True) -> None:
        self.server = server
        self.book = Book()
        self.reacts = reacts
        self.agents: list[Browser] = []
        self.customers: list[Customer] = []
        self.desks: list[Desk] = []

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser("127.0.0.1", self.server.port)

    async def gather(self, agents: int = AGENTS, tabs: int = TABS) -> None:
        """Let agents log in and customers start chats, which the agents are given, and load all their pages."""
        self.agents = await gathered(self.log_in, self.server.new_agents(agents), AT_ONCE)
        waiting = [self.desk(browser, self.book, reacts=False) for browser in self.agents]
        for desk in waiting:
            await desk.load()
            await desk.open()
        self.customers = [self.customer(self.browser(), self.book, reacts=self.reacts) for _ in range(agents * tabs)]
        await gathered(Customer.start, self.customers, AT_ONCE)
        # Those of the floors, which agents have to have too.
        self.start_chats([visitor_of(place) for place in range(CONNECTIONS)])
        owners = {desk.agent: desk.browser for desk in waiting}
        self.desks = await gathered(lambda given: self._tab(owners[given[1]], given[0]), self._given(), AT_ONCE)
        for desk in waiting:
            await desk.close()

    def start_chats(self, visitors: list[str]) -> None:
        """Start chats by SQL."""
        self.server.run(START, visitors)

    def _given(self) -> list[tuple[int, str]]:
        numbers = [customer.number for customer in self.customers]
        statement = "select number, assigned_agent_id::text from tickets where number = any (%s) order by number"
        given = self.server.run(statement, numbers)
        assert all(agent for _, agent in given), "not every ticket was given to an agent"
        return [(number, agent) for number, agent in given]

    async def _tab(self, browser: Browser, number: int) -> Desk:
        # A tab shares the cookies of its browser, not its connections: browsers keep six of them.
        own = self.browser()
        own.cookies = browser.cookies
        desk = self.desk(own, self.book, reacts=self.reacts)
        await desk.load(number)
        return desk

    async def log_in(self, email: str) -> Browser:
        """Return the browser of an agent who has logged in."""
        browser = self.browser()
        await browser.get("/agent/login")
        while (answer := await browser.post("/agent/login", {"email": email, "password": PASSWORD})).status == 429:
            await asyncio.sleep(int(answer.header("retry-after")))
        assert answer.status == 303, answer.body
        return browser

    async def open(self) -> None:
        """Open every socket, and wait until the first refreshes and receipts are over."""
        await gathered(Desk.open, self.desks, AT_ONCE)
        await gathered(Customer.open, self.customers, AT_ONCE)
        await asyncio.sleep(2.0)

    async def close(self) -> None:
        """Close every socket."""
        await asyncio.gather(*(page.close() for page in (*self.customers, *self.desks)))


async def gathered(work: Callable[..., Awaitable[T]], things: Iterable[object], at_once: int) -> list[T]:
    """Do something to each of many, so many at once, and return what each gave in their order."""
    gate = asyncio.Semaphore(at_once)

    async def one(thing: object) -> T:
        async with gate:
            return await work(thing)

    return await asyncio.gather(*(one(thing) for thing in things))


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
