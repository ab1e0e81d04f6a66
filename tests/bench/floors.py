"""What the machine can do without the desk: `python -m tests.bench.floors CONNINFO POSTMASTER WHAT SECONDS [RATE]`.

It runs as a process of its own, beside a desk whose pages are closed, and prints JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg

from .meter import cpu_of, tree

CONNECTIONS = 8
TEXT = "The machine shows error E4 and the water stays cold."
FIND = "select public.conversation_of_visitor(p_visitor => %s)"
POST = "select public.post_message(p_visitor => %s, p_session_id => %s, p_message => %s, p_client_message_id => %s)"
TABLE = """
create schema if not exists bench;
create table if not exists bench.lines (
    id bigint generated always as identity primary key,
    body text not null,
    created_at timestamptz not null default now()
)
"""
INSERT = """
with line as (insert into bench.lines (body) values (%s) returning id) select pg_notify('bench', id::text) from line
"""


def visitor_of(place: int) -> str:
    """Return the key of the browser whose chat a connection posts into."""
    return hashlib.sha256(f"floor {place}".encode()).hexdigest()


class Poster:
    """A connection that posts into a chat of its own, the same one in every round.

    An agent has it: posting into one that waits also tries to find somebody, one transaction at a time.
    """

    def __init__(self, conninfo: str, place: int = 0) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)
        self._visitor = visitor_of(place)
        chat = self._run(FIND, self._visitor)
        assert chat["status"] == "open", chat["status"]
        self._session = chat["session_id"]

    def __call__(self) -> None:
        """Post a message."""
        self._run(POST, self._visitor, self._session, TEXT, str(uuid.uuid4()))

    def _run(self, statement: str, *arguments: str) -> Any:
        row = self._connection.execute(statement.encode(), arguments).fetchone()
        assert row is not None
        return row[0]


class Inserter:
    """A connection that inserts a row and notifies."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)

    def __call__(self) -> None:
        """Insert one."""
        self._connection.execute(INSERT, (TEXT,))


def paced(act: Callable[[], None], rate: float, seconds: float) -> list[float]:
    """Do something so often a second; return how long each took from the moment it was due."""
    start, took = time.monotonic() + 0.05, []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        took.append(time.monotonic() - due)
    return took


def saturated(acts: list[Callable[[], None]], seconds: float) -> int:
    """Do something on each connection as fast as it goes; return how often in all."""
    counts = [0] * len(acts)
    end = time.monotonic() + seconds

    def work(place: int) -> None:
        while time.monotonic() < end:
            acts[place]()
            counts[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def measured(acts: list[Callable[[], None]], postmaster: int, seconds: float) -> dict[str, float]:
    """Return how many a second, and Postgres' CPU seconds for 1,000 of them."""
    for act in acts:
        for _ in range(10):
            act()
    before, start = cpu_of(tree(postmaster)), time.monotonic()
    count = saturated(acts, seconds)
    took = time.monotonic() - start
    return {"rate": count / took, "postgres": (cpu_of(tree(postmaster)) - before) * 1000 / count}


def main() -> None:
    """Measure one floor, and print it."""
    conninfo, postmaster, what, seconds, *rate = sys.argv[1:]
    result: Any
    if what == "paced":
        act = Poster(conninfo)
        for _ in range(10):
            act()
        result = paced(act, float(rate[0]), float(seconds))
    elif what == "posts":
        result = measured([Poster(conninfo, place) for place in range(CONNECTIONS)], int(postmaster), float(seconds))
    else:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(TABLE.encode())
        result = measured([Inserter(conninfo) for _ in range(CONNECTIONS)], int(postmaster), float(seconds))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
