"""Pages and fragments are compressed on their way out. `bin/bundle` has done it for styles and scripts."""

from __future__ import annotations

import gzip

from flask import Flask, Response, g, request

from .security import is_for_desk

LEAST = 1400  # bytes: what fits into one packet arrives no sooner when it is smaller
LEVEL = 5  # of a page of 15 KB it leaves 4 in a tenth of a millisecond; more effort leaves hardly less


def init_app(app: Flask) -> None:
    """Compress what the app answers."""
    app.after_request(compress)


def compress(response: Response) -> Response:
    """Compress a text, if the browser takes that."""
    if not (response.mimetype or "").startswith("text/") or response.direct_passthrough or response.is_streamed:
        return response
    if "Content-Encoding" in response.headers:
        return response  # it has been done
    data = response.get_data()
    if len(data) < LEAST:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0 and not (is_worded_elsewhere() or g.get("holds_secret")):
        response.set_data(gzip.compress(data, LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def leave_out() -> None:
    """Leave this response as it is: it holds a secret, beside what somebody has typed."""
    g.holds_secret = True


def is_worded_elsewhere() -> bool:
    """Whether another site has chosen words that a page of the desk may repeat beside what customers wrote.

    The length of a compressed page would tell whoever watches the network how well they fit (BREACH).
    """
    is_from_elsewhere = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return is_from_elsewhere and bool(request.query_string) and is_for_desk()
