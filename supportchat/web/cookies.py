"""Cookies: their names at this address. They hold random bytes; the database has their hash."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

from flask import Flask, Response, request

from ..config import current_config

KEPT_SECONDS = 180 * 86400  # of what is to outlast a login
# How the session began that older versions kept the token of their forms in, as Flask writes it: {"csrf_token"
FORMER_SESSION = "eyJjc3JmX3Rva2Vu"
FRAMES = ("iframe", "frame")


def init_app(app: Flask) -> None:
    """Take the session of older versions from browsers that still have it."""
    app.after_request(_delete_former_session)


def token_hash(token: str) -> str:
    """Return the SHA-256 of a cookie's value in hex; '' for one that cannot be ours."""
    return hashlib.sha256(token.encode()).hexdigest() if 32 <= len(token) <= 64 else ""


def cookie(name: str) -> str:
    """Return the value of a cookie of ours, '' without one.

    One that was set before names knew the port counts where there is no other: a customer's is kept for
    `KEPT_SECONDS`.
    """
    cookies = request.cookies
    return cookies.get(cookie_name(name)) or cookies.get(old_cookie_name(name), "")


def cookie_name(name: str) -> str:
    """Return the name of a cookie at this address.

    By the prefix browsers refuse one that another host or plain http has set. They give the cookies of a host to every
    port of it: by the port in its name, two desks on one host keep out of each other's way.
    """
    # Not PORT: a container may be reached by another one. The one that browsers leave out needs no saying.
    return old_cookie_name(name) + _port(current_config().public_url or request.host)


@functools.lru_cache(maxsize=64)
def _port(address: str) -> str:
    port = re.search(r":([0-9]{1,5})$", address)
    return f"-{port[1]}" if port else ""


def old_cookie_name(name: str) -> str:
    """Return the name that a cookie had before names knew the port."""
    return f"__Host-{name}" if current_config().is_https else name


def is_in_foreign_frame() -> bool:
    """Whether the request comes from a frame on another site, where browsers keep only cookies that are set for it.

    The browser says so of the page itself. What that page sends later shows by its key: no other one has this name.
    """
    headers = request.headers
    is_shown_there = headers.get("Sec-Fetch-Dest") in FRAMES and headers.get("Sec-Fetch-Site") == "cross-site"
    return is_shown_there or (not cookie("c") and bool(cookie("f")))


def cookie_options(*, in_frames: bool = False) -> dict[str, Any]:
    """Return how a cookie of ours is set; `in_frames`: so that it works in a frame on another site, if this is one.

    Lax otherwise: whoever follows a link from a mail to a ticket is logged in. No GET changes anything, and unsafe
    requests have to come from our own pages. A partitioned one belongs to the site that shows the frame: on any other
    site the browser does not send it.
    """
    is_https = current_config().is_https
    is_framed = in_frames and is_https and is_in_foreign_frame()
    return {
        "secure": is_https,
        "httponly": True,
        "samesite": "None" if is_framed else "Lax",
        "partitioned": is_framed,
    }


def _delete_former_session(response: Response) -> Response:
    if FORMER_SESSION not in request.environ.get("HTTP_COOKIE", ""):
        return response
    for name in {cookie_name("s"), old_cookie_name("s")}:
        if response.status_code < 400 and request.cookies.get(name, "").startswith(FORMER_SESSION):
            response.delete_cookie(name, **cookie_options(in_frames=True))
    return response
