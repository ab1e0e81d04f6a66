"""What the tests of privacy share: a customer with something to erase."""

from __future__ import annotations

from typing import Any

from supportchat.database import Database
from tests.cast import Agent, Visitor, new_id

# The only key of the pictures of these tests begins with its number.
PICTURE = {"content_type": "image/png", "width": 2, "height": 2, "bytes": 4, "digest": "0" * 64}
# Tables with rows of a conversation: what erase_conversation has to think of. A new one belongs there, and here.
OF_CONVERSATIONS = {
    *("user_sessions", "chat_messages", "tickets", "chat_images", "events", "ticket_notes", "ticket_reads"),
    "note_mentions",
    *("customers_here", "customer_pages", "bans", "search_lines", "ticket_tags", "ticket_drafts"),
    "held_replies",
    *("agent_alerts", "agent_pushes"),
}


def picture(number: int) -> dict[str, Any]:
    """Return what the database stores of a picture."""
    return {"key": f"{number:064x}", **PICTURE}


def talk(database: Database, vera: Visitor, alice: Agent) -> int:
    """Have a customer with a name and a phone number, a picture and a note on them; return the number of the ticket."""
    vera.start(
        "My secret",
        customer_name="Vera Lindt",
        customer_phone="+49 30 1234567",
        time_zone="Europe/Berlin",
        framed_on="https://shop.example",
    )
    number = int(vera.chat["number"])
    vera.post("", image=picture(number))
    alice.reply(number, "An answer")
    page = {"url": "https://shop.example/kettles", "title": "My secret", "at": "2026-11-27T09:00:00+00:00"}
    database.call("record_pages", visitor=vera.key, visit={"pages": [page], "referrer": "https://shop.example/"})
    alice.call("add_note", number=number, client_message_id=new_id(), note="She is upset, @Bob Ortiz")
    alice.call("save_draft", number=number, mode="note", draft="She is still upset")
    return number


def end(database: Database, rows: Any, vera: Visitor, days: int) -> None:
    """End a customer's chat as if it had been so many days ago."""
    session_id = vera.chat["session_id"]
    database.call("close_chat", visitor=vera.key)
    rows("update tickets set closed_at = now() - make_interval(days => %s) where session_id = %s", days, session_id)
