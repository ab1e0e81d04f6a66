"""Whether a proxy stands in front of the desk that TRUSTED_PROXIES does not count: everybody would share its limits.

Anybody can send a header, so one request proves nothing. One address that sends it with most of all requests of some
minutes does.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, current_app, request

from ..config import Config

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")
SECONDS = 300.0
FEWEST = 20  # requests: fewer are no habit
MOST_PEERS = 1000
AGAIN_SECONDS = 3600.0

# What werkzeug's ProxyFix reads as lists.
LISTS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")

log = logging.getLogger(__name__)


class Unquoted:
    """WSGI middleware: takes quotes out of the lists that proxies add to.

    Anybody can send one that is never closed: werkzeug (3.1.9) takes the whole list for none then, and the sender for
    the proxy, whom no ban of their network holds and who does not share the limits of their address.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        for name in LISTS:
            if '"' in environ.get(name, ""):
                environ[name] = environ[name].replace('"', "")
        return self._app(environ, start_response)


class ProxyWatch:
    """Counts requests and who sent those with a header of proxies, of the last minutes and those before."""

    def __init__(self) -> None:
        self._now, self._before = (0, Counter[str]()), (0, Counter[str]())
        self._began_at = time.monotonic()
        self._said_at = float("-inf")

    def note(self, peer: str, *, is_forwarded: bool) -> None:
        """Count a request, and log the proxy once an hour if there is one."""
        self._turn()
        count, peers = self._now
        if is_forwarded and (peer in peers or len(peers) < MOST_PEERS):
            peers[peer] += 1
        self._now = count + 1, peers

    def peer(self) -> str | None:
        """Return the address that has sent most of the last minutes' requests, as a proxy does; or None."""
        self._turn()
        return self._found()

    def _found(self) -> str | None:
        count = self._now[0] + self._before[0]
        forwarded = self._now[1] + self._before[1]
        for peer, sent in forwarded.most_common(1):
            if count >= FEWEST and sent > count / 2:
                return peer
        return None

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._began_at < SECONDS:
            return
        is_over = now - self._began_at >= 2 * SECONDS  # nobody has asked for anything in between
        self._before, self._now = (0, Counter[str]()) if is_over else self._now, (0, Counter[str]())
        self._began_at = now
        self._say()

    def _say(self) -> None:
        peer = self._found()
        if peer is None or time.monotonic() - self._said_at < AGAIN_SECONDS:
            return
        self._said_at = time.monotonic()
        log.error(
            "A PROXY THAT IS NOT DECLARED: most requests come from %s and name another address, but TRUSTED_PROXIES is"
            " 0, so everybody shares the limits of one address. Set TRUSTED_PROXIES to the number of proxies.",
            peer,
        )


def init_app(app: Flask, config: Config) -> None:
    """Watch for proxies, where none is declared."""
    app.extensions["proxy_watch"] = ProxyWatch()
    if not config.trusted_proxies:
        app.before_request(_note)


def undeclared_proxy() -> str | None:
    """Return the address of a proxy that is not declared, as far as this process has seen it lately."""
    watch: ProxyWatch = current_app.extensions["proxy_watch"]
    return watch.peer()


def _note() -> None:
    is_forwarded = any(header in request.environ for header in HEADERS)
    current_app.extensions["proxy_watch"].note(request.remote_addr or "", is_forwarded=is_forwarded)
