"""Where a browser is sent, or comes from: addresses of ours, whatever the request says."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from .htmx import from_htmx, shown_address


def to_login() -> ResponseReturnValue:
    """Send somebody who is not logged in to the login page, and back afterwards where that is a page."""
    if from_htmx():
        return Response(status=401, headers={"HX-Redirect": url_for("agents.login", next=_shown_page())})
    if request.method == "GET":
        return redirect(url_for("agents.login", next=request.full_path.rstrip("?")), 303)
    return redirect(url_for("agents.login"), 303)


def to_two_factor() -> ResponseReturnValue:
    """Send somebody who has to set up two-factor before anything else to where they do so."""
    if from_htmx():
        return Response(status=403, headers={"HX-Redirect": url_for("account.two_factor_page")})
    return redirect(url_for("account.two_factor_page"), 303)


def to_desk() -> ResponseReturnValue:
    """Send somebody to the desk from a page that is not theirs any more."""
    if from_htmx():
        return Response(headers={"HX-Redirect": url_for("agents.desk")})
    return redirect(url_for("agents.desk"), 303)


def _shown_page() -> str | None:
    """Return the path of the page that a request of htmx came from, to come back to."""
    address = shown_address()
    return f"{address.path}?{address.query}".rstrip("?") or None


def sending_page() -> str:
    """Return the path of the page whose form was sent, by what the browser says; the desk when it does not."""
    try:
        address = urlsplit(request.referrer or "")
    except ValueError:  # "http://[", which no browser says
        return url_for("agents.desk")
    return safe_next(f"{address.path}?{address.query}".rstrip("?"))


def safe_next(target: str) -> str:
    """Return a path of ours to go to after login; the desk for anything that could lead elsewhere."""
    ours = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    )
    return target if ours else url_for("agents.desk")
