"""The door that every request comes in by: who asks for much waits behind their own requests, and others go first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import gevent

from ..server.buckets import Buckets, Limit
from ..server.connections import network_of
from ..server.turns import fair_turns_of
from .cookies import token_hash
from .limits import TOO_FAST, UNKNOWN_SHARE, KnownBrowsers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from ..server.client_socket import ClientSocket

KEY = re.compile(r"=([\w-]{43})(?=;|$)", re.ASCII)
MOST_KEYS = 4
STATIC_PART = 0.1  # of what a page costs, for a file
PATIENCE_SECONDS = 2.0
WORDS = Limit(1, 1)  # one page that says why for an address, each second; more would cost as much as what is refused
PROBE = "/healthz"  # says that the process lives, which a flood does not change


class Door:
    """WSGI middleware: a fair turn for each address, and a pace for each browser that the desk knows.

    All others at an address share a pace, `UNKNOWN_SHARE` times as fast: a key that nobody knows may be made up.
    """

    def __init__(self, app: WSGIApplication, limit: Limit, known: KnownBrowsers) -> None:
        self._app = app
        self._limit = limit
        self._limit_of_unknown = Limit(UNKNOWN_SHARE * limit.most, limit.seconds)
        self._known = known
        self._buckets = Buckets()
        self._words = Buckets()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request when it is its turn; refuse it when that would take too long."""
        address, turns = network_of(environ.get("REMOTE_ADDR") or ""), fair_turns_of(gevent.get_hub())
        if turns.has_waiting(address):
            _let_others_open(environ)
        turns.take(address)
        if environ.get("PATH_INFO") != PROBE and (wait := self._wait(environ, address)):
            if wait <= PATIENCE_SECONDS:
                _let_others_open(environ)
                gevent.sleep(wait)
            elif self._words.take(address, WORDS):
                return _refused(start_response, wait)
            else:
                environ[TOO_FAST] = wait
        return self._app(environ, start_response)

    def _wait(self, environ: WSGIEnvironment, address: str) -> float:
        cost = STATIC_PART if environ.get("PATH_INFO", "").startswith("/static/") else 1
        for found in islice(KEY.finditer(environ.get("HTTP_COOKIE", "")), MOST_KEYS):
            if (key := token_hash(found[1])) in self._known:
                return self._buckets.take(key, self._limit, cost, PATIENCE_SECONDS)
        return self._buckets.take(f"unknown/{address}", self._limit_of_unknown, cost, PATIENCE_SECONDS)


def _let_others_open(environ: WSGIEnvironment) -> None:
    """Give back the place of a handshake, of which there are few: who waits behind their own requests holds none."""
    connection: ClientSocket | None = environ.get("gunicorn.socket")
    if connection is not None:
        connection.leave_place()


def _refused(start_response: StartResponse, wait: float) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain"), ("Retry-After", str(round(wait + 0.5))), ("Cache-Control", "no-store")]
    start_response("429 Too Many Requests", headers)
    return [b"Too many requests are coming from here. Try again in a moment.\n"]
