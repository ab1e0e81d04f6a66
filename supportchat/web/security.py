"""What every request must pass and every answer carries: its origin, its framing, the headers of a strict page."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, request

from ..config import Config, current_config
from ..server.hosts import is_loopback
from . import bodies
from .bodies import SAFE_METHODS
from .cookies import FRAMES
from .refusals import log_refusal, logins_log

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Pages that customers' sites may show in a frame, if the desk knows them: see `_framing_origins`.
EMBEDDABLE = ("chat",)
# Pages that show the chat in a frame themselves.
FRAMING = ("widget.demo",)
# Where the pages of agents are; everything else is for customers.
DESK = (
    *("/agent", "/tickets", "/account", "/people", "/sites", "/bans", "/links", "/privacy", "/audit", "/status"),
    *("/search", "/tags", "/replies", "/alerts"),
)
# Asked by machines, by whatever name their network has for this one.
PROBES = ("/healthz", "/readyz")
VARIES = "Cookie, HX-Request"


def init_app(app: Flask, config: Config) -> None:
    """Install the checks before and the headers after each request."""
    logins_log.setLevel("INFO")  # a login that is right has a line as well
    app.before_request(check_host)
    app.before_request(check_origin)
    app.before_request(bodies.receive)  # after the others: of what they refuse nothing is read
    app.after_request(add_headers)
    app.teardown_request(bodies.forget)
    app.wsgi_app = NamelessProbes(app.wsgi_app)  # type: ignore[method-assign]
    app.extensions["page_headers"] = page_headers(config)
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    app.jinja_env.globals["public_url"] = config.public_url
    # Not Flask's TRUSTED_HOSTS: werkzeug cuts what is listed there at the first colon (3.1.9), which IPv6 begins with.
    app.extensions["trusted_hosts"] = trusted_hosts(config)


class NamelessProbes:
    """WSGI middleware: answers health probes whatever they name as their host, names that Flask refuses too."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if environ.get("PATH_INFO") in PROBES:
            environ["HTTP_HOST"] = "localhost"
        return self._app(environ, start_response)


def trusted_hosts(config: Config) -> set[str] | None:
    """Return the host names that the desk answers to; None for any, where only the network knows its name.

    With PUBLIC_URL or on loopback a page of another name would be a forged one (DNS rebinding, poisoned links).
    """
    ours = {"localhost", "127.0.0.1", "::1", config.host.lower()}
    if config.public_url:
        return {urlsplit(config.public_url).hostname or "", *ours}
    return ours if is_loopback(config.host) else None


def check_host() -> None:
    """Refuse a request that has reached us under a name which is not ours."""
    if is_our_host():
        return
    hosts = current_app.extensions["trusted_hosts"]
    expected = ", ".join(sorted(hosts)) if hosts else "the name of a host"
    log_refusal("host", request.environ.get("HTTP_HOST"), expected, "PUBLIC_URL, HOST, and what proxies pass on")
    abort(400, "wrong_host")


def is_our_host() -> bool:
    """Whether the request names the desk as its host."""
    host, trusted = _host_of(f"//{request.host}"), current_app.extensions["trusted_hosts"]
    return host is not None and (trusted is None or host in trusted)


def is_for_desk() -> bool:
    """Whether the request is for a page of agents, or for what such a page asks for."""
    return request.path.startswith(DESK)


def check_origin() -> None:
    """Refuse what another site has a browser do: unsafe requests, and websockets. Nothing else protects them."""
    if is_from_our_pages():
        return
    reason, setting = _why_foreign()
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    log_refusal("origin", origin if site is None else f"{origin} ({site})", own_origin(), setting)
    abort(403, reason)


def is_from_our_pages() -> bool:
    """Whether a request is safe or was made by a page of ours, at the name of ours that it has reached."""
    if not is_our_host():
        return False
    if request.method in SAFE_METHODS and not is_websocket():
        return True
    # Browsers alone can set it, and they know where they are, whatever a proxy makes of the address. They leave it out
    # on http://, and not all of them send it with a websocket.
    site = None if is_websocket() else request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" if site is not None else request.headers.get("Origin") == own_origin()


def _why_foreign() -> tuple[str, str]:
    """Return the code for whoever sent a request that is not from our pages, and the setting that may be wrong."""
    origin, site = request.headers.get("Origin", ""), request.headers.get("Sec-Fetch-Site")
    if origin == "null" and request.blueprint in EMBEDDABLE and framing_origins():
        return "sandboxed", "the sandbox of the frame, which has to say allow-same-origin"
    if site is None and origin in ("", "null"):
        return "no_origin", "the browser, or what removes Origin on the way"
    setting = "PUBLIC_URL" if current_config().public_url else "PUBLIC_URL, or TRUSTED_PROXIES behind a proxy"
    # Then it is the desk that does not know its own scheme or port. A proxy that replaces Host looks like another site
    # to browsers that do not send Sec-Fetch-Site: only the log names the setting then.
    is_ours = site == "same-origin" if site is not None else _host_of(origin) == _host_of(own_origin())
    return "wrong_address" if is_ours else "foreign_origin", setting


@functools.lru_cache(maxsize=64)
def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:  # [::::1], say, which werkzeug lets pass as a host
        return None


def own_origin() -> str:
    """Return the desk's origin: PUBLIC_URL, or what this request has reached; '' under a name not ours."""
    if current_config().public_url:
        return current_config().public_url
    # Some proxies call the scheme of a websocket wss.
    return re.sub("^ws", "http", f"{request.scheme}://{request.host}") if is_our_host() else ""


def desk_name() -> str:
    """Return the name of the host at which people reach the desk."""
    return _host_of(own_origin()) or "localhost"


def is_websocket() -> bool:
    """Whether the request asks for a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def csp_nonce() -> str:
    """Return the nonce of this answer: scripts and htmx attributes without it do nothing."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def add_headers(response: Response) -> Response:
    """Add the headers that keep a page to itself. A route that has set one of them knows better."""
    headers = response.headers
    given = {name.lower() for name, _ in headers}
    # By this the page knows that it was the desk that answered, and no proxy or hotel's login page in between.
    added = {"Content-Security-Policy": _policy(), "X-Supportchat": "1", **current_app.extensions["page_headers"]}
    if request.blueprint in EMBEDDABLE:
        added |= _framed_headers()
    headers.extend({name: value for name, value in added.items() if value and name.lower() not in given})
    if "vary" in given and not response.cache_control.public:
        response.vary.update(VARIES.split(", "))
    return response


def _policy() -> str:
    config = current_config()
    # What asks for no nonce has neither scripts nor htmx attributes.
    scripts = f"'nonce-{g.csp_nonce}'" if "csp_nonce" in g else "'none'"
    frames = " ".join(("'self'", *framing_origins())) if request.blueprint in EMBEDDABLE else "'none'"
    framed = "frame-src 'self'; " if request.endpoint in FRAMING else ""
    # 'self' includes websockets but in Safari before 16. What the request names as its host may be a proxy's matter.
    websocket = config.public_url.replace("http", " ws", 1)
    # The desk alone has a worker. Only the policy of that name makes its address: static/js/alerts/registration.js.
    worker, types = ("worker-src 'self'; manifest-src 'self'; ", "htmx worker") if is_for_desk() else ("", "htmx")
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
        f"connect-src 'self'{websocket}; form-action 'self'; base-uri 'none'; object-src 'none'; "
        f"{worker}{framed}frame-ancestors {frames}; require-trusted-types-for 'script'; trusted-types {types}"
    )


def framing_origins() -> tuple[str, ...]:
    """Return the origins that may show the chat of the request's site in a frame."""
    from ..sites import site_of_request  # which needs the languages, and those this module

    return (*site_of_request()["allowed_origins"], *current_config().embed_origins)


def may_frame(origin: str) -> bool:
    """Whether a page of this origin may show the chat of the request's site, as frame-ancestors says it to browsers."""
    if not origin.startswith(("https://", "http://")):
        return False  # null, or none
    parts = origin.partition("://")
    for allowed in (own_origin(), *framing_origins()):
        scheme, _, host = allowed.partition("://")
        if origin == allowed or (host.startswith("*.") and parts[0] == scheme and parts[2].endswith(host[1:])):
            return True
    return False


def _framed_headers() -> dict[str, str]:
    """Return what lets a page in a frame on another site, also where that one has a Cross-Origin-Embedder-Policy.

    It is for the page in the frame alone: what that page asks for is its own.
    """
    if not framing_origins():
        return {"X-Frame-Options": "SAMEORIGIN"}
    use = request.headers.get("Sec-Fetch-Dest")
    headers = {"X-Frame-Options": ""}
    if use is None or use in FRAMES:  # over http, and by older browsers, it is not said
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return headers | ({"Cross-Origin-Embedder-Policy": "require-corp"} if use in FRAMES else {})


def page_headers(config: Config) -> dict[str, str]:
    """Return the headers that are the same for every answer."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # frame-ancestors says the same, and more
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
        # Proxies that rewrite pages break them: Cloudflare writes "[email protected]" over addresses.
        "Cache-Control": "no-store, no-transform",
        "Vary": VARIES,
    }
    # It would hold for every port of the host: only who has the whole of it may say so.
    if config.is_https and urlsplit(config.public_url).port is None:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
