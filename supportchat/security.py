"""What every request must pass and every answer carries: its origin, its framing, the headers of a strict page."""

from __future__ import annotations

import ipaddress
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, request

from . import bodies
from .bodies import SAFE_METHODS
from .config import Config, current_config

# Pages that customers' sites may show in a frame, when EMBED_ORIGINS names them.
EMBEDDABLE = ("chat",)


def init_app(app: Flask, config: Config) -> None:
    """Install the checks before and the headers after each request."""
    app.before_request(check_host)
    app.before_request(check_origin)
    app.before_request(bodies.receive)  # after the others: of what they refuse nothing is read
    app.after_request(add_headers)
    app.teardown_request(bodies.forget)
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    # Not Flask's TRUSTED_HOSTS: werkzeug cuts what is listed there at the first colon (3.1.9), which IPv6 begins with.
    app.extensions["trusted_hosts"] = trusted_hosts(config)


def trusted_hosts(config: Config) -> set[str] | None:
    """Give the host names that the desk answers to; None for any, where only the network knows its name.

    With PUBLIC_URL or on loopback a page of another name would be a forged one (DNS rebinding, poisoned links).
    """
    ours = {"localhost", "127.0.0.1", "::1", config.host.lower()}
    if config.public_url:
        return {urlsplit(config.public_url).hostname or "", *ours}
    return ours if is_loopback(config.host) else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_host() -> None:
    """Refuse a request that has reached us under a name which is not ours."""
    if not is_our_host():
        abort(400)


def is_our_host() -> bool:
    """Whether the request names the desk as its host."""
    try:
        host = urlsplit(f"//{request.host}").hostname
    except ValueError:  # [::::1], say, which werkzeug lets pass
        return False
    trusted = current_app.extensions["trusted_hosts"]
    return trusted is None or host in trusted


def check_origin() -> None:
    """Refuse what another site has a browser do: unsafe requests, and websockets, which no token protects."""
    if request.method in SAFE_METHODS and not is_websocket():
        return
    origin = request.headers.get("Origin")
    if origin is None and not is_websocket():
        # A browser that leaves it out says by this header at least where the request comes from.
        origin = own_origin() if request.headers.get("Sec-Fetch-Site") == "same-origin" else None
    if origin != own_origin():
        abort(403, "foreign_origin")


def own_origin() -> str:
    """Give scheme, host and port of the desk: PUBLIC_URL, or what this request has reached. '' for a name not ours."""
    if current_config().public_url:
        return current_config().public_url
    return request.host_url.rstrip("/") if is_our_host() else ""


def is_websocket() -> bool:
    """Whether the request asks for a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def csp_nonce() -> str:
    """Give the nonce of this answer: scripts and htmx attributes without it do nothing."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def add_headers(response: Response) -> Response:
    """Add the headers that keep a page to itself. A route that has set one of them knows better."""
    headers = response.headers
    config = current_config()
    frames = "'none'"
    if request.blueprint in EMBEDDABLE and config.embed_origins:
        frames = " ".join(config.embed_origins)
    websocket = own_origin().replace("http", "ws", 1)
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; "
        f"script-src 'nonce-{csp_nonce()}'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
        f"connect-src 'self' {websocket}; form-action 'self'; base-uri 'none'; object-src 'none'; "
        f"frame-ancestors {frames}; require-trusted-types-for 'script'; trusted-types htmx",
    )
    # By this the page knows that it was the desk that answered, and no proxy or hotel's login page in between.
    headers["X-Supportchat"] = "1"
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
    headers.setdefault("Cache-Control", "no-store")
    response.vary.update(("Cookie", "HX-Request"))
    if config.is_https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
