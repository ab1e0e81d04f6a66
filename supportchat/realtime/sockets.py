"""A websocket's handshake, after which the page is served without a request."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Request, Response, abort, current_app, request
from flask_sock import Sock
from wsproto.utilities import generate_accept_token

from ..server.client_socket import ClientSocket
from .connection import OVERLOAD, Connection
from .hub import Hub
from .page_socket import PageSocket
from .safe_socket import SafeSocket

KEY_BYTES = 16
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
ACCEPTANCE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)


class Served(Response):
    """Tells gunicorn that the connection has been a websocket: there is no more to send."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send nothing."""
        raise StopIteration


SERVED = Served()


class DeskSock(Sock):  # type: ignore[misc]
    """Routes of websockets. Its own route makes a class for each response, which waits for the garbage collector with
    all that it knows: 5,000 pages that open left tens of megabytes."""

    def route(self, path: str, bp: Blueprint) -> Callable[[Callable[[ClientSocket], Any]], None]:
        """Return a decorator for what serves the websockets of a path."""

        def decorate(serve: Callable[[ClientSocket], Any]) -> None:
            @functools.wraps(serve)
            def view() -> Response:
                serve(accepted(request))
                return SERVED

            bp.route(path, websocket=True)(view)

        return decorate


def accepted(request: Request) -> ClientSocket:
    """Accept a handshake that has been checked (RFC 6455, 4.2.2), and return its connection.

    simple_websocket would parse each header once more, which costs more than all else that a page asks for. No
    extension is agreed on: with deflate 292 KB can inflate to 300 MB, and it costs 90 KB of memory per socket.
    """
    client: ClientSocket = request.environ["gunicorn.socket"]
    client.become_websocket()
    key: str = request.environ["HTTP_SEC_WEBSOCKET_KEY"]
    SafeSocket(client).send(ACCEPTANCE % generate_accept_token(key.encode()))
    return client


def refuse_bad_handshake(request: Request) -> None:
    """Answer an invalid handshake with a 400, or a 426 for an unsupported version (RFC 6455, 4.2)."""
    headers = request.environ
    version = headers.get("HTTP_SEC_WEBSOCKET_VERSION")
    tokens = {token.strip().lower() for token in headers.get("HTTP_CONNECTION", "").split(",")}
    if request.method != "GET" or "upgrade" not in tokens or not version or _has_control_characters(headers):
        abort(400)
    if version != "13":
        abort(Response(status=426, headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}))
    try:
        key = base64.b64decode(headers.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except ValueError:
        abort(400)
    if len(key) != KEY_BYTES:
        abort(400)


def _has_control_characters(headers: dict[str, Any]) -> bool:
    return any(CONTROL.search(value) for name, value in headers.items() if name.startswith("HTTP_"))


def serve_page(hub: Hub, client: ClientSocket, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Have the hub know a page for as long as its socket is open. The request ends now; messages get its app.

    With the request end its greenlet, its environment and its contexts: they are most of what a socket would cost.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def handle(message: dict[str, Any]) -> None:
        with app.app_context():
            on_message(message)

    served = PageSocket(client.taken_over(), page, handle, functools.partial(hub.acknowledge, page), hub.remove)
    if not hub.add(page):
        page.close(OVERLOAD)
    served.begin()
