"""The socket of a chat."""

from __future__ import annotations

from typing import Any

from flask import g, request

from ...database import DatabaseError, NotFound
from ...realtime.connection import Connection, Shown
from ...realtime.hub import current_hub
from ...realtime.news import Found
from ...realtime.sockets import refuse_bad_handshake, serve_page
from ...server.client_socket import ClientSocket
from ...web import limits, security
from ...web.policies import for_visitors
from .. import visitors
from .blueprint import bp, sock


@bp.before_request
def admit_socket() -> None:
    """Check who opens a socket before the handshake: flask-sock asks nobody afterwards."""
    if security.is_websocket():
        refuse_bad_handshake(request)
        visitor = visitors.known_visitor()
        limits.check_browser("sockets", visitor)
        g.found = current_hub().find(visitor=visitor)
        if g.found is None:
            raise NotFound("conversation_not_found")
        limits.know(visitor)


@for_visitors
def socket(client: ClientSocket) -> None:
    """Push what happens in the conversation of this browser."""
    found: Found = g.pop("found")
    session_id = found.session_id
    hub = current_hub()
    page = Connection(token_hash=visitors.visitor(), address=limits.address())
    page.found = found

    def on_message(message: dict[str, Any]) -> None:
        if message.get("hello") is True:
            try:
                hub.greet(page)
                hub.show(page, session_id, "customer", Shown.parse(message))
            except DatabaseError:
                page.close(hub.overload_code)
        elif "typing" in message:
            hub.say_typing(page, message["typing"])

    serve_page(hub, client, page, on_message)


sock.route("/chat/ws", bp=bp)(socket)
