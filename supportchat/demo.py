"""Demo accounts and chats for trying out a new desk."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from .agents.passwords import hash_password, random_password
from .database import Database
from .web.cookies import token_hash
from .widget import shop

AGENTS = (
    ("Alice Kern", "alice@example.com", "agent"),
    ("Ben Ortiz", "ben@example.com", "agent"),
    ("Carol Tan", "carol@example.com", "admin"),
)

# "<" from the customer, ">" from the agent, "!" a note, "x" closes the ticket.
CHATS: tuple[tuple[Any, ...], ...] = (
    (
        {"customer_name": "Vera Lindt", "customer_phone": "+49 30 901820", "time_zone": "Europe/Berlin"},
        "< Hi! My coffee machine shows error E4 and the water stays cold.",
        "> Hello Vera, sorry about the cold start. E4 is the heating sensor.",
        "> Could you send me a photo of the label on the back? Then I can see which sensor it is.",
        "! Do we still have the old sensor in stock?",
        "< Here it is: model CM-410, serial 20-1187.",
    ),
    ({"customer_name": "Victor Amsel"}, "< Do you ship to Norway?"),
    (
        {},
        "< My licence key does not work any more.",
        "> I have sent you a new key.",
    ),
    (
        {"customer_name": "Maja Sol", "customer_phone": "+47 22 86 44 00", "time_zone": "Europe/Oslo"},
        "< The invoice for October has the wrong address on it. Can you change it?",
    ),
    (
        {"customer_name": "Tom Berg"},
        "< Thank you, it works now!",
        "> Glad to hear that.",
        "x",
    ),
)


def create_demo_agents(database: Database) -> None:
    """Create the demo agents in a database that never had any, and print their passwords once."""
    if database.call("check_table", table="agents")["rows"]:
        return
    passwords = {}
    for name, email, role in AGENTS:
        passwords[email] = random_password()
        password_hash = hash_password(passwords[email])
        made = database.call(
            "create_agent", name=name, email=email, role=role, password_hash=password_hash, is_demo=True
        )
        if role == "admin":
            open_shop(database, made["id"])
    print("\nCreated three demo accounts. Their passwords are shown only once:\n")
    for _, email, role in AGENTS:
        print(f"  {role:5}  {email:18}  {passwords[email]}")


def open_shop(database: Database, admin_id: str) -> None:
    """Add the site of the shop at /demo."""
    database.call("add_site", agent_id=admin_id, key=shop.KEY, name=shop.NAME)
    database.call("change_site", agent_id=admin_id, key=shop.KEY, values=shop.LOOK)


def create_demo_chats(database: Database) -> list[int]:
    """Start the demo chats, answer them as the first agent, and return their ticket numbers."""
    agent = database.call("list_agents")[0]
    numbers = []
    for person, *script in CHATS:
        visitor = token_hash(secrets.token_urlsafe(32))
        answer = _say(database, "start_chat", script[0], visitor=visitor, **person)
        number = database.call("conversation_of_visitor", visitor=visitor)["number"]
        for line in script[1:]:
            if line.startswith("<"):
                _say(database, "post_message", line, visitor=visitor, session_id=answer["session_id"])
            else:
                _answer(database, agent["id"], number, line)
        numbers.append(number)
    return numbers


def _answer(database: Database, agent_id: str, number: int, line: str) -> None:
    ticket = database.call("ticket_of_agent", agent_id=agent_id, number=number)
    if ticket["agent"] is not None:
        agent_id = ticket["agent"]["id"]
    else:
        database.call("assign_ticket", agent_id=agent_id, number=number, assignee_id=agent_id)
    if line == "x":
        database.call("close_ticket", agent_id=agent_id, number=number)
    elif line.startswith("!"):
        database.call("add_note", agent_id=agent_id, number=number, client_message_id=str(uuid.uuid4()), note=line[2:])
    else:
        _say(database, "post_reply", line, agent_id=agent_id, number=number)


def _say(database: Database, function: str, line: str, **arguments: Any) -> Any:
    return database.call(function, client_message_id=str(uuid.uuid4()), message=line[2:], **arguments)
