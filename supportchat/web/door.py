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
# Work for a second that comes at once is what others feel: so many requests of a browser go on at once, and the rest of
# what its limit allows follow one by one, so many in a second at least.
BURST, BURST_PACE = 20, 25
BURST_OF_UNKNOWN = 2  # times that of one browser
LONGEST_PAUSE = 20.0
WORDS = Limit(1, 1)  # one page that says why for an address, each second; more would cost as much as what is refused
PROBE = "/healthz"  # says that the process lives, which a flood does not change


class Door:
    """WSGI middleware: a fair turn for each address, and a pace for each browser that the desk knows.

    All others at an address share a pace, `UNKNOWN_SHARE` times as fast: a key that nobody knows may be made up.
    """

    def __init__(self, app: WSGIApplication, limit: Limit, known: KnownBrowsers) -> None:
        self._app = app
        self._limits = limit, _burst_of(limit, 1)
        of_unknown = Limit(UNKNOWN_SHARE * limit.most, limit.seconds)
        self._limits_of_unknown = of_unknown, _burst_of(limit, BURST_OF_UNKNOWN)
        self._known = known
        self._buckets = Buckets()
        self._bursts = Buckets()
        self._words = Buckets()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request when it is its turn; refuse it when that would take too long."""
        address, turns = network_of(environ.get("REMOTE_ADDR") or ""), fair_turns_of(gevent.get_hub())
        # After a restart hundreds of sockets of an office come back at once: its texts do not wait behind them.
        group = f"{address}/sockets" if "HTTP_UPGRADE" in environ else address
        if turns.has_waiting(group):
            _let_others_open(environ)
        turns.take(group)
        if environ.get("PATH_INFO") != PROBE:
            wait, pause = self._taken(environ, self._whose(environ, address))
            if wait > PATIENCE_SECONDS:
                if self._words.take(address, WORDS):
                    return _refused(start_response, wait)
                environ[TOO_FAST] = wait
            elif pause:
                _let_others_open(environ)
                gevent.sleep(pause)
        return self._app(environ, start_response)

    def _whose(self, environ: WSGIEnvironment, address: str) -> str:
        for found in islice(KEY.finditer(environ.get("HTTP_COOKIE", "")), MOST_KEYS):
            if (key := token_hash(found[1])) in self._known:
                return key
        return f"unknown/{address}"

    def _taken(self, environ: WSGIEnvironment, whose: str) -> tuple[float, float]:
        """Return how long a request would have to wait for its pace, and how long it is to wait."""
        cost = STATIC_PART if environ.get("PATH_INFO", "").startswith("/static/") else 1
        limit, burst = self._limits_of_unknown if whose.startswith("unknown/") else self._limits
        wait = self._buckets.take(whose, limit, cost, PATIENCE_SECONDS)
        if wait > PATIENCE_SECONDS:
            return wait, 0.0
        return wait, max(wait, self._bursts.take(whose, burst, cost, LONGEST_PAUSE))


def _burst_of(limit: Limit, browsers: int) -> Limit:
    if not limit.most:
        return limit
    return Limit(browsers * BURST, BURST / max(BURST_PACE, 2 * limit.most / limit.seconds))


def _let_others_open(environ: WSGIEnvironment) -> None:
    """Give back the place of a handshake, of which there are few: who waits behind their own requests holds none."""
    connection: ClientSocket | None = environ.get("gunicorn.socket")
    if connection is not None:
        connection.leave_place()


def _refused(start_response: StartResponse, wait: float) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain"), ("Retry-After", str(round(wait + 0.5))), ("Cache-Control", "no-store")]
    start_response("429 Too Many Requests", headers)
    return [b"Too many requests are coming from here. Try again in a moment.\n"]
