"""On the way to the provider and back: rows that are used once, each bound to the browser that it began in."""

from __future__ import annotations

import logging
import secrets

from flask import Response, abort, make_response, render_template, request

from ..agents.logins import known_browser
from ..config import current_config
from ..database import call
from ..database.rows import ProviderFlow
from ..web import compression, limits
from ..web.cookies import cookie_name, cookie_options, token_hash
from ..web.redirects import safe_next
from ..web.refusals import quota
from ..web.security import own_origin
from ..web.sentences import sentence
from .errands import BAD, UNREACHABLE, ProviderError
from .provider import Provider, current_provider

CALLBACK = "/agent/login/callback"
SECONDS = 10 * 60  # identities.sql forgets it then
LONGEST_TARGET = 2000
LONGEST_CODE = 4096
EXPIRED, DECLINED = "provider_expired", "provider_declined"
# What a page may be asked to say, by its address.
PROBLEMS = frozenset(
    {
        *(UNREACHABLE, BAD, EXPIRED, DECLINED, "provider_unknown", "provider_other_login", "provider_email_other"),
        *("provider_email_taken", "identity_taken", "identity_connected", "link_unknown"),
    }
)

log = logging.getLogger(__name__)


def own_provider() -> Provider:
    """Return the provider; without one there are no such pages."""
    return current_provider() or abort(404)


def redirect_address() -> str:
    """Return where the provider sends browsers back to: it has to be registered there."""
    return own_origin() + CALLBACK


def leave(purpose: str, *, target: str = "", link_hash: str = "", session_hash: str = "") -> Response:
    """Send a browser to the provider.

    By a page that goes on by itself: a redirect would be part of the form that was sent, which leads nowhere but here.

    :param purpose: 'login', 'invitation' (of that link) or 'account' (of that login session).
    :param target: the path to go to afterwards; one that could lead elsewhere is dropped.
    :raise TooFast: when it was done too often. :raise ProviderError: when the provider cannot be asked.
    """
    provider, config = own_provider(), current_config()
    state, nonce, browser, code_verifier = (secrets.token_urlsafe(32) for _ in range(4))
    call(
        "begin_provider_flow",
        state_hash=token_hash(state),
        browser=token_hash(browser),
        issuer=provider.issuer,
        nonce=nonce,
        code_verifier=code_verifier,
        purpose=purpose,
        address=limits.address(),
        target=target if len(target) <= LONGEST_TARGET and safe_next(target) == target else None,
        link_hash=link_hash or None,
        session_hash=session_hash or None,
        known=known_browser(),
        limits={"account": config.limit_logins, "address": config.limit_logins_per_address},
    )
    address = provider.authorization_address(state, nonce, code_verifier, redirect_address())
    compression.leave_out()
    response = make_response(render_template("provider/leave.html", address=address))
    response.set_cookie(cookie_name("o"), browser, max_age=SECONDS, **cookie_options())
    return response


def taken_flow() -> ProviderFlow:
    """Return what a browser that comes back has left for, which counts once.

    :raise ProviderError: when it has not left from here, has taken too long, or has come back before.
    """
    browser = request.cookies.get(cookie_name("o"), "")
    state, browser_hash = token_hash(_parameter("state") or ""), token_hash(browser)
    flow: ProviderFlow | None = None
    if state and browser_hash:
        flow = call("take_provider_flow", state_hash=state, browser=browser_hash)
    if flow is None or flow["issuer"] != own_provider().issuer:
        raise ProviderError(EXPIRED, "nothing is known of this state in this browser")
    return flow


def brought_code() -> tuple[str, str | None]:
    """Return the code that a browser brings from the provider, and who says to have sent it.

    :raise ProviderError: when it brings an error instead.
    """
    named, error, code = (_parameter(name) for name in ("iss", "error", "code"))
    if named not in (None, own_provider().issuer):
        raise ProviderError(BAD, "the redirect names another issuer")
    if error is not None:
        raise ProviderError(DECLINED if error == "access_denied" else BAD, "the redirect brings an error")
    if not code or len(code) > LONGEST_CODE or not (code.isascii() and code.isprintable()):
        raise ProviderError(BAD, "the redirect brings no usable code")
    return code, named


def said_problem() -> str:
    """Return the sentence that the address of a page asks for; '' for none."""
    code = request.args.get("problem", "")
    return problem_sentence(code) if code in PROBLEMS else ""


def problem_sentence(code: str) -> str:
    """Return the sentence about a login by the provider that does not go on."""
    return sentence(code, current_config().oidc_name)


def log_problem(error: ProviderError) -> None:
    """Log why, within the quota: neither codes nor tokens, nor what strangers have written."""
    if quota.allows("login by the provider"):
        log.warning("login by the provider: %s (from %s)", error.reason, request.remote_addr)


def _parameter(name: str) -> str | None:
    values = request.args.getlist(name)
    if len(values) > 1:
        raise ProviderError(BAD, f"the redirect has {name} more than once")
    return values[0] if values else None
