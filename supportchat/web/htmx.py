"""What a request of htmx says of itself."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, urlsplit

from flask import request


def from_htmx() -> bool:
    """Whether htmx made the request, for fragments; else a browser did, for a page."""
    return "HX-Request" in request.headers


def shown_address() -> SplitResult:
    """Return the address of the page that a request of htmx came from; an empty one when it names none."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # "http://[", which no browser says
        return urlsplit("")


def is_shown(**named: str) -> bool:
    """Whether the address of the page that a request of htmx came from names this."""
    shown = parse_qs(shown_address().query)
    return all(shown.get(name) == [value] for name, value in named.items())
