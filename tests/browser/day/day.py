"""What happens on a day, and what has to be true in the evening."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import expect

from supportchat.database import Database
from tests.alerts.push_service import PushService, Subscriber
from tests.browser.conftest import DESK, Opener
from tests.browser.day.customers import Customer
from tests.browser.day.desk import Typist
from tests.cast import AGENTS, Cast

WAIT_SECONDS = 20.0
REPLIES: dict[str, dict[str, Any]] = {
    "Hello": {"message": "Hi {{customer.first_name|there}}, I will have a look. This is ticket {{ticket.number}}."},
    "Order": {"message": "Your order is on its way, {{customer.name}}."},
    "Solved": {"message": "Glad that it works again. Have a good day!", "close_after": True, "tags": ["Solved"]},
}


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Day:
    """Three agents, their customers and their telephones."""

    def __init__(self, windows: Opener, url: str, database: Database, rows: Any, pushes: PushService) -> None:
        self.url, self.rows = url, rows
        self._windows, self._cast, self._pushes = windows, Cast(database), pushes
        self.customers: list[Customer] = []
        self.phones: dict[str, Subscriber] = {}
        self.desks: dict[str, Typist] = {}
        self.windows: list[Typist] = []
        self.replied: dict[int, list[str]] = defaultdict(list)

    def prepare(self) -> None:
        """Save replies for everybody, and give each agent a telephone that shows the text."""
        carol = self._cast.agent("carol")
        for name, values in REPLIES.items():
            carol.call("save_reply", values={"name": name, "is_shared": True, **values})
        for name in AGENTS:
            agent, phone = self._cast.agent(name), self._pushes.subscribe(name)
            agent.call("change_alerts", values={"shows_text": True})
            agent.call(
                "add_device", endpoint=self._pushes.origin + phone.path, origin="https://desk.example", **phone.keys
            )
            self.phones[name] = phone

    # People

    def customer(self, message: str, name: str = "", **more: Any) -> Customer:
        """Have somebody write."""
        made = Customer(self.url, name, **more)
        self.customers.append(made)
        return made.start(message)

    def arrive(self, name: str) -> Typist:
        """Have an agent come, or open the desk on another device."""
        made: Typist = self._windows(Typist, **DESK)
        self.windows.append(made.arrive(name))
        self.desks.setdefault(name, made)
        return made

    def agent_of(self, customer: Customer) -> Typist:
        """Return the desk of who has the ticket of a customer, once somebody has it."""
        until(lambda: self._owner(customer) in self.desks, f"nobody has #{customer.number}")
        return self.desks[self._owner(customer)]

    def _owner(self, customer: Customer) -> str:
        found = self.rows(
            "select split_part(a.email, '@', 1) from tickets t join agents a on a.id = t.assigned_agent_id"
            " where t.number = %s",
            customer.number,
        )
        return str(found[0][0]) if found else ""

    def give(self, customer: Customer, to: str) -> Typist:
        """Have somebody in particular have a ticket."""
        owner, wanted = self._cast.agent(self.agent_of(customer).name), self._cast.agent(to)
        if owner.id != wanted.id:
            owner.call("assign_ticket", number=customer.number, assignee_id=wanted.id, expected_id=owner.id)
        return self.desks[to]

    # Replies

    def reply(self, customer: Customer, text: str) -> Typist:
        """Have the agent of a customer reply."""
        desk = self.agent_of(customer)
        desk.reply(customer.number, text)
        self.note_reply(customer, text, desk)
        return desk

    def send_saved(self, customer: Customer, name: str) -> Typist:
        """Have the agent of a customer send a saved reply."""
        desk = self.agent_of(customer)
        desk.send_saved(customer.number, name)
        self.note_reply(customer, filled(name, customer), desk)
        return desk

    def note_reply(self, customer: Customer, text: str, desk: Typist | None = None) -> None:
        """Keep what an agent has written, once it is stored. With a desk, send it even if something came meanwhile."""
        before = len(self.replied[customer.number])

        def is_stored() -> bool:
            if desk and desk.page.locator("#reply-error [type=submit]").count():
                desk.keys("Enter")
            return self._replies(customer) > before

        until(is_stored, f"{text!r} was not sent")
        self.replied[customer.number].append(text)

    def _replies(self, customer: Customer) -> int:
        [(count,)] = self.rows(
            "select count(*) from chat_messages join tickets using (session_id) where number = %s and sender = 'agent'",
            customer.number,
        )
        return int(count)

    def say_that_it_arrived(self, phone: Subscriber) -> None:
        """Say what the worker of a browser says of the last notification that it has shown."""
        push = {"push": phone.got[-1]["push"]}
        assert httpx.post(f"{self.url}/alerts/arrived", data=push, headers={"Origin": self.url}).is_success

    # In the evening

    def check(self) -> None:
        """Nothing is lost, doubled or out of order, nobody waits, and nobody was told twice."""
        for customer in self.customers:
            self._check_chat(customer)
        assert self.rows("select number from tickets where status <> 'closed'") == []
        until(lambda: self.rows("select * from agent_alerts") == [], "an alert has not ended")
        for desk in self.windows:
            twice = [text for text, count in Counter(desk.noted("told")).items() if count > 1]
            assert (desk.name, twice) == (desk.name, [])
            assert desk.noted("clicks") == []
        for phone in self.phones.values():
            self._check_phone(phone)

    def _check_chat(self, customer: Customer) -> None:
        stored = self.rows(
            "select seq, sender, message from chat_messages join tickets using (session_id)"
            " where number = %s order by seq",
            customer.number,
        )
        assert [seq for seq, _, _ in stored] == list(range(1, len(stored) + 1))
        assert [text for _, sender, text in stored if sender == "user"] == customer.wrote
        assert [text for _, sender, text in stored if sender == "agent"] == self.replied[customer.number]
        assert [sender for _, sender, _ in stored if sender != "system"][-1] == "agent", customer.number
        assert customer.has_caught_up(len(stored)), (customer.number, sorted(customer.shown), len(stored))
        assert sorted(customer.shown) == [seq for seq, _, _ in stored]
        assert customer.disordered == []

    def _check_phone(self, phone: Subscriber) -> None:
        rang = [message for message in phone.got if message["kind"] == "alert"]
        assert len({message["push"] for message in rang}) == len(rang)
        # With the text: nobody is told of the same message twice.
        said = Counter((message["notification"]["tag"], message["notification"]["body"]) for message in rang)
        assert [text for text, count in said.items() if count > 1] == []


def filled(name: str, customer: Customer) -> str:
    """Return a saved reply as it is for a customer."""
    first_name = customer.name.split()[0] if customer.name else ""
    text = re.sub(r"\{\{customer\.first_name\|there\}\}", first_name or "there", REPLIES[name]["message"])
    return text.replace("{{ticket.number}}", str(customer.number)).replace("{{customer.name}}", customer.name)


def wait_for_phone(phone: Subscriber, kind: str, count: int = 1) -> None:
    """Wait until a telephone has got a number of messages of a kind."""
    until(lambda: sum(message["kind"] == kind for message in phone.got) >= count, f"{kind}: {phone.got}")


def expect_title(desk: Typist, count: int) -> None:
    """Wait for the number in the title of a tab."""
    expect(desk.page).to_have_title(re.compile(rf"^\({count}\) " if count else r"^[^(]"))
