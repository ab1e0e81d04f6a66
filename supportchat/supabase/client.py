"""The Supabase project: one official client for the whole process, over one pool of connections."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import gevent.monkey
import httpcore
import httpx
import supabase
from gevent.lock import BoundedSemaphore
from yarl import URL

# Of one read or write; a call as a whole has its own limit, which the door and the store set.
TIMEOUT = httpx.Timeout(6.0, connect=3.0)
# The pool always has room: see `Places`.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)


class Places:
    """How many calls may be under way at once. Whoever finds no place free waits here, and not in httpcore's pool.

    A limit of gevent's that strikes there can hit a request that was given a connection and has not begun: nobody
    connects it then, nobody removes it, and when every connection of the pool is such a one, no call gets any for as
    long as the process lives (httpcore 1.0.9).
    """

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    @contextlib.contextmanager
    def taken(self, seconds: float) -> Iterator[None]:
        """Have a place for a while.

        :raise httpx.PoolTimeout: when none gets free within `seconds`.
        """
        if not self._free.acquire(timeout=max(0.0, seconds)):
            raise httpx.PoolTimeout("every place is taken")
        try:
            yield
        finally:
            self._free.release()


@dataclass(frozen=True)
class Project:
    """The client, and the pool of connections under it for what the client cannot do.

    Nobody may sign in on the client: an auth event replaces the secret key in its headers (supabase 2.34.1).
    """

    client: supabase.Client
    http: httpx.Client

    def stream(self, address: URL) -> contextlib.AbstractContextManager[httpx.Response]:
        """Begin to load something with the project's key, without holding it in memory."""
        return self.http.stream("GET", str(address), headers=self.client.options.headers)


def open_project(url: str, secret_key: str) -> Project:
    """Return a project by its URL and secret key. Nothing connects yet."""
    _ask_the_kernel_whether_sockets_are_readable()
    # HTTP/2, the client's own choice, lost 1 to 8 % of 4,000 concurrent calls; HTTP/1.1 lost none.
    transport = PostgrestTransport(http2=False, limits=LIMITS, verify=_trusted())
    # A redirect to another host would take the key there.
    http = httpx.Client(transport=transport, timeout=TIMEOUT, follow_redirects=False)
    options = supabase.ClientOptions(
        httpx_client=http,
        auto_refresh_token=False,
        persist_session=False,
        postgrest_client_retry=False,
    )
    return Project(supabase.create_client(url, secret_key, options), http)


@functools.cache
def _trusted() -> ssl.SSLContext:
    # The certificates of the system: a project of one's own may have one of the company's.
    return ssl.create_default_context()


class PostgrestTransport(httpx.HTTPTransport):
    """Returns PostgREST's answers so that the client takes them for what they are, and those of others as errors.

    The client makes an empty list of nothing (204), which is what a void function gives and psycopg gives as None; data
    of any page that comes with 200; and of an error without a code, as gateways give them, one that says nothing: it
    gets the HTTP status as its code.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; see `httpx.BaseTransport.handle_request`."""
        response = super().handle_request(request)
        if not request.url.path.startswith("/rest/"):
            return response
        response.read()  # all of it, and the connection is free again
        if response.status_code == 204:
            return httpx.Response(200, headers={"Content-Type": "application/json"}, content=b"null")
        try:
            body = response.json()
        except ValueError:
            return _error(502 if response.is_success else response.status_code, response.reason_phrase)
        if response.is_success or (isinstance(body, dict) and isinstance(body.get("code"), str)):
            return response
        said = body.get("message") if isinstance(body, dict) else None
        return _error(response.status_code, str(said or response.reason_phrase))


def _error(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"code": str(status), "message": message})


def _ask_the_kernel_whether_sockets_are_readable() -> None:
    # httpcore looks at every idle connection for each request. gevent's poll switches greenlets to do it, which made
    # 40 greenlets with 50 connections 3 to 4 times slower; the kernel's own answers at once.
    poll = gevent.monkey.get_original("select", "poll")

    def is_socket_readable(sock: socket.socket | None) -> bool:
        descriptor = -1 if sock is None else sock.fileno()
        if descriptor < 0:
            return True  # the next read finds out
        waiting = poll()
        waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(0))

    httpcore._backends.sync.is_socket_readable = is_socket_readable  # type: ignore[attr-defined]
