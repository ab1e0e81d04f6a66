"""The way on from a login that has begun."""

from __future__ import annotations

from flask import Response, make_response, redirect, url_for

from .logins import Begun, set_login_cookies


def enter(begun: Begun, target: str | None = None) -> Response:
    """Send a browser on with its new cookie: to the page that it wanted, or to the second step before that.

    :param target: a path that came with the request; it is looked at where it is gone to.
    """
    if begun.needs_code:
        response = make_response(redirect(url_for("account.second_step", next=target), 303))
    else:
        response = make_response(redirect(url_for("agents.login", next=target, done=""), 303))
    set_login_cookies(response, begun)
    return response
