"""The people of the tests."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any

import argon2

from supportchat.database import Database

PASSWORD = "correct horse battery"
AGENTS = {"alice": ("Alice Kern", "agent"), "bob": ("Bob Ortiz", "agent"), "carol": ("Carol Tan", "admin")}


def create_cast(database: Database) -> None:
    """Put the agents into a database."""
    # Of little cost, or the logins of the tests alone take minutes.
    password_hash = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    for name, (full_name, role) in AGENTS.items():
        database.call(
            "create_agent", name=full_name, email=email_of(name), role=role, password_hash=password_hash, max_tickets=3
        )


def email_of(name: str) -> str:
    """Return the address that one of the agents logs in with."""
    return f"{name}@example.com"


def new_id() -> str:
    """Return a client_message_id."""
    return str(uuid.uuid4())


class Visitor:
    """A browser without an account, acting through the functions of the database."""

    def __init__(self, database: Database) -> None:
        self.key = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
        self._database = database

    def start(self, message: str = "Hello", **arguments: Any) -> Any:
        """Start a chat, and give the conversation."""
        arguments.setdefault("client_message_id", new_id())
        self._database.call("start_chat", visitor=self.key, message=message, **arguments)
        return self.chat

    @property
    def chat(self) -> Any:
        """The conversation of this browser."""
        return self._database.call("conversation_of_visitor", visitor=self.key)

    def post(self, message: str, **arguments: Any) -> Any:
        """Send a message, and give the answer."""
        arguments.setdefault("client_message_id", new_id())
        if "session_id" not in arguments:
            arguments["session_id"] = self.chat["session_id"]
        return self._database.call("post_message", visitor=self.key, message=message, **arguments)

    @property
    def lines(self) -> list[Any]:
        """Every line of the conversation."""
        lines: list[Any] = self._database.call("messages_after", session_id=self.chat["session_id"], after=0)
        return lines

    def events(self) -> list[str]:
        """The lines of the system, by their event."""
        return [line["event"] for line in self.lines if line["sender"] == "system"]


def agent_id(database: Database, name: str) -> str:
    """Return the id of one of the agents."""
    [found] = [agent["id"] for agent in database.call("list_agents") if agent["email"] == email_of(name)]
    return str(found)


class Agent:
    """One of the agents, acting through the functions of the database."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._database = database
        self.id = agent_id(database, name)
        self.token_hash = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
        self._process = str(uuid.uuid4())

    def come(self) -> Agent:
        """Open the desk: from now on tickets can be given to them."""
        if self._database.call("agent_of_session", token_hash=self.token_hash) is None:
            self._database.call("open_agent_session", agent_id=self.id, token_hash=self.token_hash)
        self._database.call(
            "report_process", process_id=self._process, sockets=1, came=[], left=[], token_hashes=[self.token_hash]
        )
        return self

    def call(self, function: str, **arguments: Any) -> Any:
        """Run a function as this agent."""
        return self._database.call(function, agent_id=self.id, **arguments)

    def reply(self, number: int, message: str = "How can I help?", **arguments: Any) -> Any:
        """Reply to a ticket."""
        arguments.setdefault("client_message_id", new_id())
        return self.call("post_reply", number=number, message=message, **arguments)


class Cast:
    """Everybody, on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def visitor(self) -> Visitor:
        """Return a browser that has not written yet."""
        return Visitor(self._database)

    def agent(self, name: str) -> Agent:
        """Return one of the agents."""
        return Agent(self._database, name)
