"""Customers, known by the key of their browser."""

from __future__ import annotations

import base64
import hashlib
import secrets

from flask import Flask, Response, abort, g

from ..database import NotFound
from ..web.cookies import KEPT_SECONDS, cookie, cookie_name, cookie_options, is_in_foreign_frame, token_hash


def init_app(app: Flask) -> None:
    """Have answers carry the key of a browser that has just got one."""
    app.after_request(_give_visitor_cookie)


def visitor() -> str:
    """Return the hash of this browser's key; '' for a browser that has none."""
    if "visitor" not in g:
        g.visitor = token_hash(own_key())
    key: str = g.visitor
    return key


def own_key() -> str:
    """Return this browser's key; '' for none. Its cookie has another name in a frame on another site."""
    return cookie("c") or cookie("f")


def known_visitor() -> str:
    """Return the hash of this browser's key.

    :raise NotFound: when it has none, and so no conversation.
    """
    key = visitor()
    if not key:
        raise NotFound("conversation_not_found")
    return key


def ensure_visitor() -> str:
    """Return the hash of this browser's key, and the browser a key if it has none."""
    if not visitor():
        g.fresh_visitor = g.get("fresh_visitor") or secrets.token_urlsafe(32)
        return token_hash(g.fresh_visitor)
    return visitor()


def kept_visitor() -> str:
    """Return the hash of the key that the page gave this browser; refuse one that has not kept it.

    What it sends would be stored, and it would never see it again. It gets a key once more, for another try.
    """
    if not visitor():
        ensure_visitor()
        abort(400, "cookies_refused")
    return visitor()


def fresh_key(client_message_id: str) -> str:
    """Return the key under which this browser starts its first chat.

    Whoever chose the one that it has so far (another program on this host can set its cookies) would read the chat. The
    id of the message makes it another one, known to nobody but who has the form, and the same at each retry.
    """
    digest = hashlib.sha256(f"start {own_key()} {client_message_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def take_key(key: str) -> None:
    """Give this browser another key."""
    g.fresh_visitor = key


def keep_visitor() -> None:
    """Have this browser keep its key for another `KEPT_SECONDS`. Its key must be one that the database knows."""
    g.fresh_visitor = own_key()


def delete_visitor_cookie(response: Response) -> None:
    """Take its key from a customer's browser."""
    response.delete_cookie(_name(), **cookie_options(in_frames=True))


def _give_visitor_cookie(response: Response) -> Response:
    key = g.pop("fresh_visitor", None)
    if key:
        response.set_cookie(_name(), key, max_age=KEPT_SECONDS, **cookie_options(in_frames=True))
    return response


def _name() -> str:
    return cookie_name("f" if is_in_foreign_frame() else "c")
