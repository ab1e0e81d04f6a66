"""A websocket's handshake, after which the page is served without a request."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from typing import Any

import h11
from flask import Flask, Request, Response, abort, current_app
from simple_websocket import Server
from wsproto import ConnectionType, WSConnection
from wsproto.events import RejectConnection
from wsproto.utilities import RemoteProtocolError

from ..server.client_socket import ClientSocket
from .connection import OVERLOAD, Connection
from .hub import Hub
from .page_socket import PageSocket
from .safe_socket import SafeSocket

KEY_BYTES = 16


class NoThread:
    """What simple_websocket takes for the thread that reads; see `PageSocket`."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        """Forget the target: with it, the socket would refer to itself."""

    def start(self) -> None:
        """Do nothing."""


# For simple_websocket, by way of flask-sock: they do the handshake.
SERVER_OPTIONS: dict[str, Any] = {"thread_class": NoThread}


def prepare_handshake(request: Request) -> None:
    """Prepare the connection for simple_websocket, before flask-sock accepts it.

    An invalid handshake gets a 400, or a 426 for an unsupported version (RFC 6455, 4.2).
    """
    _refuse_bad_handshake(request)
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in request.environ:
            client = request.environ[name]
            if isinstance(client, ClientSocket):
                client.become_websocket()
            request.environ[name] = SafeSocket(client)
    # No deflate: 292 KB can inflate to 300 MB, and it costs 90 KB of memory per socket.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def _refuse_bad_handshake(request: Request) -> None:
    # simple_websocket passes the same headers to wsproto and does not catch its exception: anybody could cause a 500.
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    try:
        WSConnection(ConnectionType.SERVER).initiate_upgrade_connection(headers, "/")
        if len(base64.b64decode(request.headers["Sec-WebSocket-Key"], validate=True)) != KEY_BYTES:
            abort(400)
    except RemoteProtocolError as error:
        hint = error.event_hint
        if isinstance(hint, RejectConnection) and hint.status_code == 426:
            abort(Response(status=426, headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}))
        abort(400)
    except (h11.LocalProtocolError, ValueError):
        abort(400)


def serve_page(hub: Hub, websocket: Server, page: Connection, on_message: Callable[[dict[str, Any]], None]) -> None:
    """Have the hub know a page for as long as its socket is open. The request ends now; messages get its app.

    With the request end its greenlet, its environment and its contexts: they are most of what a socket would cost.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def handle(message: dict[str, Any]) -> None:
        with app.app_context():
            on_message(message)

    served = PageSocket(_taken_over(websocket), page, handle, functools.partial(hub.acknowledge, page), hub.remove)
    if not hub.add(page):
        page.close(OVERLOAD)
    served.begin()


def _taken_over(websocket: Server) -> ClientSocket:
    client: ClientSocket = websocket.sock.taken_over()
    websocket.connected = False  # or flask-sock would close it
    # flask-sock makes a class for each response, which waits for the garbage collector with all that it knows.
    websocket.ws = websocket.sock = websocket.environ = None
    return client
