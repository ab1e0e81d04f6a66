"""What open pages say they have received and read: collected for a moment, and written with one call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from ..database import Database, Unavailable
from ..database.rows import Conversation, ReceiptsRecorded, read_marks
from ..server.buckets import Buckets, Limit
from .connection import Connection, as_count

WRITE_SECONDS = 0.15
RETRY_SECONDS = 2.0
AT_ONCE = 200

Key = tuple[Connection, str]


class Receipts:
    """The newest receipt of each page counts. One that could not be written is tried again.

    What a process that dies has not written yet, pages say again once they have caught up elsewhere.
    """

    def __init__(self, database: Database, soon: Callable[[float, Callable[[], None]], None], limit: Limit) -> None:
        """:param soon: runs a task once, so many seconds after the first of several calls."""
        self._database = database
        self._soon = soon
        self._limit = limit
        self._buckets = Buckets()
        self._due: dict[Key, dict[str, Any]] = {}
        self._is_writing = False

    def say(self, page: Connection, state: Conversation, said: Any) -> None:
        """Note what a page says of the conversation that it shows; ignore what is of another one, or makes no sense."""
        if not isinstance(said, dict) or said.get("epoch") != state["epoch"]:
            return
        delivered, read = as_count(said.get("delivered")), as_count(said.get("read"))
        if not page.agent_id and _is_known(state, delivered, read):
            return
        if self._buckets.take(page.viewer, self._limit):
            return
        self._due[page, state["session_id"]] = {
            "session_id": state["session_id"],
            "epoch": state["epoch"],
            "delivered": delivered,
            "read": read,
            **(
                {"agent_id": page.agent_id, "token_hash": page.token_hash}
                if page.agent_id
                else {"visitor": page.token_hash}
            ),
        }
        if not self._is_writing:
            self._soon(WRITE_SECONDS, self.write_receipts)

    def write_receipts(self) -> None:
        """Write what pages have said.

        :raise DatabaseError: if it cannot be written; unless it was refused, it is tried again.
        """
        if self._is_writing or not self._due:
            return
        self._is_writing = True
        some = dict(itertools.islice(self._due.items(), AT_ONCE))
        self._due = dict(itertools.islice(self._due.items(), AT_ONCE, None))
        again, seconds = some, RETRY_SECONDS
        try:
            done: ReceiptsRecorded = self._database.call("record_receipts", receipts=list(some.values()))
            again, seconds = {key: some[key] for key in some if key[1] in done["busy"]}, WRITE_SECONDS
        except Unavailable:
            raise
        except Exception:
            again = {}
            raise
        finally:
            self._is_writing = False
            self._due = again | self._due
            if self._due:
                self._soon(seconds, self.write_receipts)


def _is_known(state: Conversation, delivered: int, read: int) -> bool:
    known_delivered, known_read = read_marks(state, "customer")
    return max(delivered, read) <= known_delivered and read <= known_read
