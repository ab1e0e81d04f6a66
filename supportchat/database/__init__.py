"""The one door to the database: `call("post_message", ...)` runs the SQL function of that name.

Arguments are given without their prefix: `session_id=` is the function's `p_session_id`. What comes back is what the
function returns, as JSON types; None for nothing. Errors are those of `errors.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

from flask import current_app

from .errors import Conflict, DatabaseError, Invalid, NotFound, TooFast, Unavailable

__all__ = ["Conflict", "Database", "DatabaseError", "Invalid", "NotFound", "TooFast", "Unavailable", "call"]

# Functions that may run twice with the same arguments and leave the same behind: a call whose connection broke is
# repeated. Messages and notes are among them because client_message_id makes them so.
REPEATABLE = frozenset(
    {
        "add_note",
        "agent_of_session",
        "applied_scripts",
        "begin_login",
        "check_table",
        "close_agent_session",
        "close_chat",
        "conversation_heads",
        "conversation_of_visitor",
        "conversations",
        "credentials_of",
        "desk_figures",
        "desk_fingerprint",
        "forget_process",
        "good_sessions",
        "image_of_session",
        "list_agents",
        "list_tickets",
        "messages_after",
        "messages_before",
        "missing_functions",
        "notes_after",
        "orphan_images",
        "orphan_rows",
        "post_message",
        "post_reply",
        "record_receipt",
        "report_process",
        "send_heartbeat",
        "send_ping",
        "set_availability",
        "signal_typing",
        "start_chat",
        "stuck_tickets",
        "sweep_assignment",
        "ticket_of_agent",
        "verify_chat",
        "who_is_here",
    }
)
# Everything that is called, or that what is called needs in this version: /status looks whether it is all there.
FUNCTIONS = REPEATABLE | {
    "assign_ticket",
    "close_ticket",
    "create_agent",
    "database_epoch",
    "open_agent_session",
    "reopen_ticket",
    "reset_password",
    "unassign_ticket",
}


class Database(Protocol):
    """A door: psycopg's or Supabase's."""

    advice: str  # what an admin can do when the database does not answer

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Run one function in one transaction.

        :raise DatabaseError: one of `NotFound`, `Conflict`, `Invalid`, `TooFast`, `Unavailable`.
        """

    def names_taken(self) -> str:
        """Say what has our names and is not ours; return nothing when there is no such thing, or it cannot be seen."""

    def close(self) -> None:
        """Give back every connection."""


def call(function: str, /, **arguments: Any) -> Any:
    """Run one SQL function through the app's door. See `Database.call`."""
    database: Database = current_app.extensions["database"]
    return database.call(function, **arguments)
