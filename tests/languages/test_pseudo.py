"""Pages in a made-up language show no English: what has no brackets is a name, a number or what somebody wrote."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from supportchat.rendering.languages import SHIPPED
from tests.cast import PASSWORD, Agent
from tests.web import Browser, Web

from .pseudo import PseudoClient, write_pseudo
from .reading import read

pytestmark = pytest.mark.mode("postgres")

LANGUAGES = "|".join(SHIPPED.values())
LETTERS = re.compile(r"[^\W\d_]{2,}")
# Names, what the people of these tests write, and what no language words: times, the product, names of tables.
NAMES = re.compile(
    r"Vera|Lindt|Alice|Kern|Bob|Ortiz|Carol|Tan|\b[A-Z]{2}\b|\w+@[\w.]+|Help me|Of course|A note"
    r"|\b[A-Z2-7]{4}\b|Chrome|Werkzeug|abcd-efgh-ijkl-mnop"
    rf"|\d (ms|Sek\.|Min\.)|UTC|supportchat|\bsc\b|user_sessions|chat_messages|tickets|agents|{LANGUAGES}"
)


@pytest.fixture(scope="session")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the catalog of the made-up language."""
    folder = tmp_path_factory.mktemp("translations")
    write_pseudo(folder)
    return folder


@pytest.fixture
def web(app: Flask, translations: Path) -> Web:
    """Browsers that ask for the made-up language."""
    app.extensions["babel"].translation_directories = [str(translations)]
    app.test_client_class = PseudoClient
    return Web(app)


def bare(page: str) -> list[str]:
    """Return what a page shows outside of brackets."""
    found = read(page)
    outside = re.split(r"[⟦⟧]", "".join(inner_out("".join(found.texts))))
    attributes = [attribute for attribute in found.attributes if not re.fullmatch(r"⟦.*⟧", attribute, re.DOTALL)]
    return [text.strip() for text in [*outside, *attributes] if LETTERS.search(NAMES.sub("", text))]


def inner_out(text: str) -> list[str]:
    """Return the parts of a text that stand in no bracket."""
    parts, depth = [], 0
    for part in re.split(r"([⟦⟧])", text):
        depth += (part == "⟦") - (part == "⟧")
        parts.append("⟧" if part in "⟦⟧" else part if not depth else "")
    return parts


@pytest.fixture
def vera(web: Web, alice: Agent) -> Browser:
    """A customer who has written to Alice, with a picture's worth of events in her chat."""
    vera = web.customer("Help me", customer_name="Vera Lindt", customer_phone="+49 30 901820")
    alice.call("post_reply", number=1001, client_message_id="00000000-0000-4000-8000-000000000001", message="Of course")
    alice.call("add_note", number=1001, client_message_id="00000000-0000-4000-8000-000000000002", note="A note")
    return vera


def second_step(web: Web) -> TestResponse:
    """Return the answer to a wrong code."""
    alice = web.agent("alice")
    alice.post("/account/two-factor", secret="A" * 32, code=pyotp.TOTP("A" * 32).now(), current=PASSWORD)
    alice.post("/agent/logout")
    alice.post("/agent/login", email="alice@example.com", password=PASSWORD)
    return alice.post("/agent/login/code", code="x")


PAGES: dict[str, Callable[[Web, Browser], str]] = {
    "the start": lambda web, vera: web.visitor().get("/chat").text,
    "the start, refused": lambda web, vera: web.visitor().post("/chat", message="", customer_phone="x").text,
    "the chat": lambda web, vera: vera.get("/chat").text,
    "the end of a chat": lambda web, vera: vera.post("/chat/closure", htmx=True).text,
    "a refused message": lambda web, vera: vera.post("/chat/messages", message="").text,
    "no such page": lambda web, vera: vera.get("/nothing").text,
    "the login": lambda web, vera: web.visitor().get("/agent/login").text,
    "a wrong login": lambda web, vera: web.visitor().post("/agent/login", email="a@b.example", password="x").text,
    "the desk": lambda web, vera: web.agent("alice").get("/agent").text,
    "one's own ticket": lambda web, vera: web.agent("alice").get("/agent?ticket=1001").text,
    "the ticket of a colleague": lambda web, vera: web.agent("bob").get("/agent?ticket=1001&view=all").text,
    "the agents of a ticket": lambda web, vera: web.agent("bob").get("/tickets/1001/assignment").text,
    "no such ticket": lambda web, vera: web.agent("alice").get("/agent?ticket=4").text,
    "a closed ticket": lambda web, vera: web.agent("alice").post("/tickets/1001/closure", htmx=True).text,
    "a conflict": lambda web, vera: web.agent("bob").post("/tickets/1001/messages", htmx=True, message="x").text,
    "one's own page": lambda web, vera: web.agent("alice").get("/account").text,
    "another password": lambda web, vera: web.agent("alice").post("/account/password", password="x").text,
    "how good a password is": lambda web, vera: (
        web.agent("alice").post("/account/password/strength", password="x").text
    ),
    "the set-up of two-factor": lambda web, vera: web.agent("alice").post("/account/two-factor", code="x").text,
    "the second step": lambda web, vera: second_step(web).text,
    "the people": lambda web, vera: web.agent("carol").get("/people").text,
    "the status": lambda web, vera: web.agent("carol").get("/status").text,
    "a status that is none of one's business": lambda web, vera: web.agent("alice").get("/status").text,
}


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_english(page: str, web: Web, vera: Browser) -> None:
    shown = PAGES[page](web, vera)
    assert "⟦" in shown
    assert bare(shown) == []


def test_the_words_of_scripts_are_of_the_language(web: Web, vera: Browser) -> None:
    [written] = re.findall(r'data-words="([^"]*)"', web.agent("alice").get("/agent").text)
    for word in json.loads(html.unescape(written)).values():
        forms = word.values() if isinstance(word, dict) else [word]
        assert all(re.fullmatch("⟦.*⟧", form) for form in forms)
