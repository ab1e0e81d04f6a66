"""Single browsers for the faults that need no crowd: a customer and an agent, over HTTP, one request at a time."""

from __future__ import annotations

import re
import uuid
from typing import Any, Self

import httpx

from tests.cast import PASSWORD

from .clients import MESSAGES_ID, SESSION


class Person:
    """A browser with its cookies. Threads may share it."""

    def __init__(self, url: str, seconds: float = 30.0) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=seconds, trust_env=False, verify=False)

    def __enter__(self) -> Self:
        """Open the browser."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the browser."""
        self.client.close()

    def look(self, path: str) -> str:
        """Load a page."""
        return self.client.get(path).text

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request as htmx does."""
        headers = {"Origin": self.url, "HX-Request": "true"}
        return self.client.request(method, path, headers=headers, **arguments)

    @property
    def cookies(self) -> str:
        """The header that a handshake carries."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookies.jar)


class Customer(Person):
    """A customer whose chat has begun."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__(url, **arguments)
        self.look("/chat")
        answer = self.ask("POST", "/chat", data={"message": "Hello", "client_message_id": str(uuid.uuid4())})
        if answer.status_code != 200:
            self.client.close()
        assert answer.status_code == 200, answer.text
        html = self.look("/chat")
        number, session = MESSAGES_ID.search(html), SESSION.search(html)
        assert number is not None
        assert session is not None
        self.number, self.session = int(number[1]), session[1]

    def send(self, message: str, cid: str = "", **arguments: Any) -> httpx.Response:
        """Send a message."""
        values = {"message": message, "client_message_id": cid or str(uuid.uuid4()), "session": self.session}
        return self.ask("POST", "/chat/messages", data=values, **arguments)

    def shown(self) -> str:
        """The lines of the chat, as a page that is loaded now shows them."""
        return self.look("/chat")


class Agent(Person):
    """An agent who is logged in. Only an open socket makes one available."""

    def __init__(self, url: str, email: str) -> None:
        super().__init__(url)
        self.look("/agent/login")
        answer = self.ask("POST", "/agent/login", data={"email": email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        self.look("/agent")

    def reply(self, number: int, message: str) -> httpx.Response:
        """Reply to a customer."""
        values = {"message": message, "client_message_id": str(uuid.uuid4())}
        return self.ask("POST", f"/tickets/{number}/messages", data=values)

    def assign(self, number: int, agent: str = "", expected: str = "") -> httpx.Response:
        """Claim a ticket or hand it over."""
        return self.ask("POST", f"/tickets/{number}/assignment", data={"agent": agent, "expected": expected})


def lines_of(html: str) -> list[int]:
    """Return the numbers of the lines that a page shows."""
    return [int(seq) for seq in re.findall(r'id="message-\d+-(\d+)"', html)]
