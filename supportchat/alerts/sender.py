"""Sends notifications to devices by their push services (RFC 8030), beside everything else that a process does."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import gevent
import httpcore
from gevent.pool import Pool

from ..database import Database, DatabaseError
from ..database.rows import Push
from ..rendering.fragments import Fragments
from . import words
from .encryption import encoded, encrypt, padded
from .keys import PushKeys
from .reach import NotPublicError, open_pool

AT_ONCE = 8  # requests
TAKEN = 20
SECONDS = 10.0
MOST_BYTES = 16 * 1024  # of an answer, which nobody reads
# For how long a push service keeps what a device does not take: an alert of an hour ago helps nobody.
LIFETIMES = {"alert": 3600, "test": 60, "end": 0}
WAITS = (10.0, 30.0, 120.0, 300.0)  # between tries, where the service names no other

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What became of a notification: see `note_pushes`."""

    outcome: str
    problem: str = ""
    seconds: float = 0.0


class Sender:
    """Takes what is due from the database, and notes what became of it. Any number of processes may do so."""

    def __init__(
        self, database: Database, fragments: Fragments, keys: PushKeys, pool: httpcore.ConnectionPool | None = None
    ) -> None:
        self._database = database
        self._fragments = fragments
        self._keys = keys
        self._requests = pool or open_pool()
        self._work: gevent.Greenlet[..., Any] | None = None

    def send_soon(self, done: Callable[[], None]) -> None:
        """Send what is due, without waiting for it, unless that is under way; then call `done`."""
        if not self._work:
            self._work = gevent.spawn(self._send_all, done)

    def _send_all(self, done: Callable[[], None]) -> None:
        try:
            self.send()
        except DatabaseError as error:
            log.warning("notifications have to wait: %s", error)
        except Exception:
            log.exception("notifications could not be sent")
        self._work = None
        done()

    def send(self) -> int:
        """Send everything that is due, and return how many that were.

        :raise DatabaseError: when they cannot be read, or what became of them cannot be noted.
        """
        sent = 0
        while pushes := self._database.call("take_pushes", limit=TAKEN):
            results = Pool(AT_ONCE).map(self._result_of, pushes)
            self._database.call("note_pushes", results=results)
            sent += len(pushes)
        return sent

    def _result_of(self, push: Push) -> dict[str, Any]:
        try:
            found = self._sent(push)
        except NotPublicError:
            found = Outcome("failed", "not_public")
        except ValueError:  # keys that are none
            found = Outcome("failed", "keys")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            found = Outcome("later", "unreachable", _wait(push["tries"]))
        if found.problem and found.outcome != "gone":
            log.info("a notification was not sent: %s", found.problem)
        return {"id": push["id"], "kind": push["kind"], **found._asdict()}

    def _sent(self, push: Push) -> Outcome:
        body = encrypt(padded(json.dumps(self.message(push)).encode()), push["p256dh"], push["auth"])
        headers: dict[bytes | str, bytes | str] = {
            "Authorization": self._keys.authorization(push["endpoint"], push["origin"]),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(LIFETIMES[push["kind"]]),
            "Topic": _topic(push["session_id"]),
            "Urgency": "normal" if push["kind"] == "end" else "high",
        }
        limits = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
        with (
            gevent.Timeout(SECONDS, TimeoutError("no answer in time")),
            self._requests.stream(
                "POST", push["endpoint"], headers=headers, content=body, extensions={"timeout": limits}
            ) as response,
        ):
            _read_some(response)
            return outcome_of(response.status, dict(response.headers), push["tries"])

    def message(self, push: Push) -> dict[str, Any]:
        """Return what the worker of a browser gets. Safari shows it without one (Declarative Web Push)."""
        if push["kind"] == "end":
            return {"kind": "end", "tag": words.tag_of(push["about"]["number"]) if push["about"] else ""}
        with self._fragments.in_language(push["language"]):
            if push["about"]:
                content = words.shown(push["about"], with_text=push["shows_text"])
                address = f"{push['origin']}/agent?ticket={push['about']['number']}"
            else:
                content, address = words.shown_as_test(), f"{push['origin']}/alerts"
        return {
            "web_push": 8030,
            "notification": {**content, "navigate": address},
            "mutable": True,
            "kind": push["kind"],
            "push": push["id"],
        }


def outcome_of(status: int, headers: dict[bytes, bytes], tries: int) -> Outcome:
    """Return what the answer of a push service means (RFC 8030, 5 to 8)."""
    if 200 <= status < 300:
        return Outcome("sent")
    if status in (404, 410):
        return Outcome("gone", str(status))
    if status == 429 or status >= 500:
        said = {name.lower(): value for name, value in headers.items()}.get(b"retry-after", b"").decode("latin-1")
        return Outcome("later", str(status), retry_after(said) or _wait(tries))
    return Outcome("failed", str(status))


def retry_after(said: str) -> float:
    """Return the seconds that a Retry-After names, or until its date; 0 for none."""
    if said.isascii() and said.isdigit():
        return float(min(int(said[:9]), 3600))
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _wait(tries: int) -> float:
    return WAITS[min(tries, len(WAITS)) - 1]


def _topic(session_id: str | None) -> str:
    """Return the name under which a later message replaces one that the device has not taken (RFC 8030, 5.4)."""
    return encoded(hashlib.sha256(f"topic/{session_id or 'test'}".encode()).digest())[:32]


def _read_some(response: httpcore.Response) -> None:
    size = 0
    for part in response.iter_stream():
        size += len(part)
        if size > MOST_BYTES:
            break
