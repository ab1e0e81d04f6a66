"""Two customers and everybody at the desk, and what each of them has."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from tests.cast import Agent
from tests.web import Browser, Web

SECRET = "My secret"
KEY_OF_HERS, KEY_OF_HIS = "a" * 64, "b" * 64


@dataclass
class Chat:
    """A conversation with a picture, as others may know it."""

    session_id: str
    number: int
    image_id: str
    client_message_id: str
    epoch: str

    @property
    def ids(self) -> list[str]:
        """Everything by which somebody could ask for it."""
        return [self.session_id, self.image_id, self.client_message_id]


@dataclass
class People:
    """Vera, whose chat alice has; victor, whose chat bob has; and everybody's browser."""

    hers: Chat
    his: Chat
    browsers: dict[str, Browser] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def people(app: Flask, web: Web, alice: Agent, bob: Agent, rows: Any) -> People:
    """Everybody, with a browser each. `disabled` was an agent until a moment ago, and `returned` is logged out."""
    vera = web.customer(SECRET, customer_name="Vera Lindt", customer_phone="+49 30 123456")
    alice.call("set_availability", availability="away")
    bob.come()
    victor = web.customer("I am victor", customer_name="Victor Hahn")
    made = People(_chat(app, rows, 1001, KEY_OF_HERS), _chat(app, rows, 1002, KEY_OF_HIS))
    made.browsers = {"nobody": Browser(app), "new": web.visitor(), "vera": vera, "victor": victor}
    made.roles = dict.fromkeys(made.browsers, "stranger")
    add_lead(app)
    roles = {"alice": "agent", "erin": "lead", "carol": "admin", "disabled": "stranger", "returned": "stranger"}
    for name, role in roles.items():
        made.browsers[name] = web.agent({"disabled": "bob", "returned": "alice"}.get(name, name))
        made.roles[name] = role
    cookie = made.browsers["returned"].client.get_cookie("a")
    assert cookie is not None
    made.browsers["returned"].post("/agent/logout")
    made.browsers["returned"].client.set_cookie("a", cookie.value)
    rows("update agents set is_active = false where name = 'Bob Ortiz'")
    return made


def add_lead(app: Flask) -> None:
    """Have the desk a lead, who logs in like everybody."""
    call = app.extensions["database"].call
    password_hash = call("begin_login", email="alice@example.com", browser="", address="")["password_hash"]
    call(
        "create_agent",
        name="Erin Vogt",
        email="erin@example.com",
        role="lead",
        password_hash=password_hash,
        max_tickets=3,
    )


def _chat(app: Flask, rows: Any, number: int, key: str) -> Chat:
    app.extensions["images"].put(key, io.BytesIO(b"picture"), "image/webp")
    [(session_id, image_id)] = rows(
        "insert into chat_images (session_id, storage_key, content_type, width, height, bytes, digest)"
        " select session_id, %s, 'image/webp', 1, 1, 7, 'd' from tickets where number = %s"
        " returning session_id::text, id::text",
        key,
        number,
    )
    [(client_message_id,)] = rows(
        "select client_message_id::text from chat_messages where session_id = %s and sender = 'user'", session_id
    )
    [(epoch,)] = rows("select _supportchat.epoch_of(%s::uuid, database_epoch())", session_id)
    return Chat(session_id, number, image_id, client_message_id, epoch)
