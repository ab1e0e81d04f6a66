"""Cookies: their names at this address. They hold random bytes; the database has their hash."""

from __future__ import annotations

import hashlib
import re

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature

from ..config import Config, current_config


class Session(SecureCookieSession):
    """A session that knows whether it was read from a cookie of the name without a port."""

    is_of_old_name = False


class TimelessSessions(SecureCookieSessionInterface):
    """The session that holds the token of forms, whose cookie is good as long as the browser keeps it.

    Flask refuses one that seems to be from the future: after a clock was set back, or between two servers whose clocks
    differ, every form would have expired.
    """

    session_class = Session

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name that the desk has at this address."""
        return cookie_name("s")

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie; see `flask.sessions.SessionInterface.open_session`."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        try:
            session = Session(serializer.loads(cookie("s")))
        except BadSignature:
            return Session()
        session.is_of_old_name = cookie_name("s") not in request.cookies
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie; see `flask.sessions.SessionInterface.save_session`."""
        super().save_session(app, session, response)
        if session.modified and isinstance(session, Session) and session.is_of_old_name:
            response.delete_cookie(
                old_cookie_name("s"),
                secure=self.get_cookie_secure(app),
                samesite=self.get_cookie_samesite(app),
                partitioned=self.get_cookie_partitioned(app),
            )


def init_app(app: Flask, config: Config) -> None:
    """Set up the cookies: `Secure` and `__Host-` where the desk is reached by https."""
    app.session_interface = TimelessSessions()
    app.config["SESSION_COOKIE_SECURE"] = config.is_https
    app.config["SESSION_COOKIE_SAMESITE"] = "None" if config.embed_origins and config.is_https else "Lax"
    app.config["SESSION_COOKIE_PARTITIONED"] = bool(config.embed_origins and config.is_https)


def token_hash(token: str) -> str:
    """Return the SHA-256 of a cookie's value in hex; '' for one that cannot be ours."""
    return hashlib.sha256(token.encode()).hexdigest() if 32 <= len(token) <= 64 else ""


def cookie(name: str) -> str:
    """Return the value of a cookie of ours, '' without one.

    One that was set before names knew the port counts where there is no other: a customer's is kept for
    `VISITOR_SECONDS`.
    """
    return request.cookies.get(cookie_name(name)) or request.cookies.get(old_cookie_name(name), "")


def cookie_name(name: str) -> str:
    """Return the name of a cookie at this address.

    By the prefix browsers refuse one that another host or plain http has set. They give the cookies of a host to every
    port of it: by the port in its name, two desks on one host keep out of each other's way.
    """
    # Not PORT: a container may be reached by another one. The one that browsers leave out needs no saying.
    port = re.search(r":([0-9]{1,5})$", current_config().public_url or request.host)
    return f"{old_cookie_name(name)}-{port[1]}" if port else old_cookie_name(name)


def old_cookie_name(name: str) -> str:
    """Return the name that a cookie had before names knew the port."""
    return f"__Host-{name}" if current_config().is_https else name
