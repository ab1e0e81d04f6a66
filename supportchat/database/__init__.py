"""The one door to the database: `call("post_message", ...)` runs the SQL function of that name.

Arguments are given without their prefix: `session_id=` is the function's `p_session_id`. What comes back is what the
function returns, as JSON types; None for nothing. Errors are those of `errors.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

from flask import current_app

from .errors import Conflict, DatabaseError, Forbidden, Invalid, NotFound, TooFast, Unavailable
from .scripts import own_names

__all__ = [
    "Conflict",
    "Database",
    "DatabaseError",
    "Forbidden",
    "Invalid",
    "NotFound",
    "TooFast",
    "Unavailable",
    "call",
]

# Everything that stands in the schema public is there to be called: /status looks whether a database has it all.
FUNCTIONS = frozenset(own_names().called)
# Functions that may run twice with the same arguments and leave the same behind: a call whose connection broke is
# repeated. Those that only read, and these. Messages and notes are among them because client_message_id makes them so.
REPEATABLE = frozenset(own_names().reading) | {
    "add_device",
    "add_note",
    "advance_alerts",
    "archive_site",
    "agent_of_identity",
    "change_alerts",
    "change_identity",
    "change_name",
    "change_password",
    "change_settings",
    "change_site",
    "agent_of_session",
    "begin_code",
    "begin_login",
    "change_person",
    "close_agent_session",
    "close_chat",
    "delete_site_secret",
    "end_ban",
    "end_visit",
    "identify_customer",
    "import_replies",
    "index_lines",
    "search_tickets",
    "mark_spam",
    "release_replies",
    "release_ticket",
    "close_demo_accounts",
    "disable_person",
    "disconnect_identity",
    "enable_person",
    "erase_old_chats",
    "find_exposures",
    "forget_old_data",
    "forget_process",
    "forget_reply",
    "invite_person",
    "make_handover",
    "make_password_link",
    "name_customer",
    "note_erased_files",
    "note_pushes",
    "offer_setup",
    "post_message",
    "push_arrived",
    "push_keys",
    "read_mentions",
    "post_reply",
    "record_pages",
    "record_receipt",
    "record_receipts",
    "renew_invitation",
    "reply_and_act",
    "report_process",
    "send_heartbeat",
    "send_ping",
    "set_availability",
    "set_keys",
    "set_language",
    "set_priority",
    "set_queue_order",
    "snooze_ticket",
    "tag_ticket",
    "unsnooze_ticket",
    "signal_typing",
    "start_chat",
    "sweep_assignment",
    "take_erasure_files",
    "take_back_reply",
    "take_pushes",
    "test_device",
    "withdraw_link",
}


class Database(Protocol):
    """A door: psycopg's or Supabase's."""

    advice: str  # what an admin can do when the database does not answer

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Run one function in one transaction.

        :raise DatabaseError: one of `Forbidden`, `NotFound`, `Conflict`, `Invalid`, `TooFast`, `Unavailable`.
        """

    def names_taken(self) -> str:
        """Say what has our names and is not ours; return nothing when there is no such thing, or it cannot be seen."""

    def close(self) -> None:
        """Give back every connection."""


def call(function: str, /, **arguments: Any) -> Any:
    """Run one SQL function through the app's door. See `Database.call`."""
    database: Database = current_app.extensions["database"]
    return database.call(function, **arguments)
