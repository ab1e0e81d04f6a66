"""What people ask of a desk that grow() has filled, by HTTP."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Awaitable, Callable

import psycopg

from tests.faults.desk import Desk as Server

from .acts import ANSWERED, People
from .pages import HTMX, Customer
from .sockets import loaded
from .wire import Answer, Browser

Request = Callable[[], Awaitable[Answer]]
AGENT = "grown-1-1"
# A cookie has the name that grow() has given the hash, made long enough.
KNOWN = "update {table} set token_hash = encode(sha256(convert_to(%s, 'utf8')), 'hex') where token_hash = %s"
NEWEST = """
select distinct v.token_hash from tickets t
join user_sessions s using (session_id)
join visitors v using (visitor_id)
where t.number > (select max(number) from tickets) - %s and v.token_hash like 'grown-%%'
"""


def cookie_of(name: str) -> str:
    """Return the cookie of whom grow() has called so."""
    return name.rjust(32, "-")


def make_known(server: Server, table: str, names: list[str]) -> dict[str, str]:
    """Let browsers or logins be known by their cookies, and return those by their hashes."""
    with psycopg.connect(server.conninfo) as connection:
        connection.cursor().executemany(KNOWN.format(table=table).encode(), [(cookie_of(name), name) for name in names])
    return {hashlib.sha256(cookie_of(name).encode()).hexdigest(): cookie_of(name) for name in names}


def grown_customers(server: Server, count: int) -> list[Customer]:
    """Return customers who have the pages of the newest chats open."""
    names = [name for (name,) in server.run(NEWEST, count) if name != ANSWERED]
    return loaded(server, make_known(server, "visitors", names))


class Visits:
    """The agent with the longest history, who may see everything, and a customer whose chat is open."""

    def __init__(self, server: Server) -> None:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            self.people = People.of(connection)
        make_known(server, "agent_sessions", [AGENT])
        make_known(server, "visitors", [ANSWERED])
        server.run("update agents set role = 'admin' where id = %s", self.people.agent)
        # All have more than that to answer: what is closed and reopened here draws nothing from the queue.
        server.run("update agents set max_tickets = 1")
        self.agent = Browser("127.0.0.1", server.port)
        self.agent.cookies[f"a-{server.port}"] = cookie_of(AGENT)
        self.customer = Browser("127.0.0.1", server.port)
        self.customer.cookies[f"c-{server.port}"] = cookie_of(ANSWERED)
        self.stranger = Browser("127.0.0.1", server.port)

    def requests(self) -> list[tuple[str, Request]]:
        """Return every act with its name. What one of them does, a later one undoes."""
        return [*self._looks(), *self._acts(), *self._of_customers()]

    def _looks(self) -> list[tuple[str, Request]]:
        opened, waiting = f"/tickets/{self.people.open.number}", f"/tickets/{self.people.waiting.number}"

        def get(name: str, path: str, headers: str = HTMX) -> tuple[str, Request]:
            return name, functools.partial(self.agent.get, path, headers)

        return [
            get("GET /agent", "/agent", ""),
            get("GET /agent, with a ticket", f"/agent?ticket={self.people.open.number}", ""),
            *(get(f"GET /tickets, {view}", f"/tickets?view={view}") for view in ("mine", "unassigned", "all")),
            get("GET a ticket, open", opened),
            get("GET a ticket, waiting", waiting),
            get("GET a ticket, closed", f"/tickets/{self.people.closed.number}"),
            get("GET a ticket's changes", f"{opened}/changes"),
            get("GET a ticket's latest lines", f"{opened}/messages?after={self.people.open.last_seq - 2}"),
            get("GET a ticket's earlier lines", f"{opened}/messages?before={self.people.open.last_seq}"),
            get("GET who could take it", f"{opened}/assignment"),
            get("GET /status", "/status", ""),
        ]

    def _acts(self) -> list[tuple[str, Request]]:
        opened, waiting = f"/tickets/{self.people.open.number}", f"/tickets/{self.people.waiting.number}"

        def post(name: str, path: str, **values: str) -> tuple[str, Request]:
            return name, functools.partial(self.agent.post, path, values, HTMX)

        def delete(name: str, path: str) -> tuple[str, Request]:
            return name, functools.partial(self.agent.ask, "DELETE", path, HTMX)

        return [
            parts("POST a reply", self.agent, f"{opened}/messages", message="Is it this one?"),
            parts("POST a note", self.agent, f"{opened}/notes", message="Has asked before."),
            post("POST a receipt", f"{opened}/receipts", delivered="9", read="9"),
            post("POST typing", f"{opened}/typing"),
            post("POST a claim", f"{waiting}/assignment", agent="", expected=""),
            delete("DELETE the claim", f"{waiting}/assignment"),
            post("POST a hand-over", f"{opened}/assignment", agent=self.people.colleague, expected=self.people.agent),
            post("POST it back", f"{opened}/assignment", agent=self.people.agent, expected=self.people.colleague),
            post("POST the end of a ticket", f"{opened}/closure"),
            delete("DELETE its end", f"{opened}/closure"),
            post("POST away", "/agent/availability", availability="away"),
            post("POST available", "/agent/availability", availability="available"),
        ]

    def _of_customers(self) -> list[tuple[str, Request]]:
        session = self.people.open.session_id

        def get(name: str, browser: Browser, path: str, headers: str = "") -> tuple[str, Request]:
            return name, functools.partial(browser.get, path, headers)

        return [
            get("GET /chat, first visit", self.stranger, "/chat"),
            get("GET /chat", self.customer, "/chat"),
            get("GET the latest lines", self.customer, f"/chat/messages?after={self.people.open.last_seq - 2}", HTMX),
            parts("POST a message", self.customer, "/chat/messages", message="It is.", session=session),
            parts("POST a start", self.stranger, "/chat", message="Hello"),
            ("POST the end of a chat", functools.partial(self.stranger.post, "/chat/closure", {}, HTMX)),
        ]


def parts(name: str, browser: Browser, path: str, **values: str) -> tuple[str, Request]:
    """Return the sending of a form with a new id."""
    values["client_message_id"] = str(uuid.uuid4())
    return name, functools.partial(browser.post_parts, path, values, headers=HTMX)
