"""Who is asking: customers by the key of their browser, agents by a login session. Cookies hold random bytes; the
database holds their hash, and decides."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from urllib.parse import SplitResult, urlsplit

import argon2
from flask import Flask, Request, Response, abort, g, redirect, request, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature

from . import limits
from .config import Config, current_config
from .database import TooFast, call
from .pool import Full, SmallPool

P = ParamSpec("P")
R = TypeVar("R")
Agent = dict[str, Any]

VISITOR_SECONDS = 180 * 86400
AGENT_SECONDS = 12 * 3600  # agents.sql ends the session then, whatever the cookie says

# argon2-cffi's defaults are RFC 9106's second recommendation: 64 MiB, 3 passes.
_hasher = argon2.PasswordHasher(parallelism=1)
# Each takes 64 MiB and a third of a second of a processor, so two run at once: in threads that nothing else waits for.
_hashes = SmallPool(threads=2, most_waiting=20)
# What a login for an unknown address is checked against, so that it takes as long as one for a known address. It is
# drawn, not computed: a hash takes a third of a second, which no process that starts should have to wait for.
_NOBODY = "$argon2id$v=19$m={},t={},p={}${}${}".format(
    _hasher.memory_cost,
    _hasher.time_cost,
    _hasher.parallelism,
    *(b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len)),
)


# Customers


def visitor() -> str:
    """Give the hash of this browser's key; '' for a browser that has none."""
    return token_hash(cookie("c"))


def ensure_visitor() -> str:
    """Give the hash of this browser's key, and the browser a key if it has none."""
    if not visitor():
        g.fresh_visitor = g.get("fresh_visitor") or secrets.token_urlsafe(32)
        return token_hash(g.fresh_visitor)
    return visitor()


def keep_visitor() -> None:
    """Have this browser keep its key for another `VISITOR_SECONDS`. Its key must be one that the database knows."""
    g.fresh_visitor = cookie("c")


def token_hash(token: str) -> str:
    """Give the SHA-256 of a cookie's value in hex; '' for one that cannot be ours."""
    return hashlib.sha256(token.encode()).hexdigest() if 32 <= len(token) <= 64 else ""


# Agents


def current_agent() -> Agent | None:
    """Give the agent who is logged in, asked of the database once per request."""
    if "agent" not in g:
        token = agent_token_hash()
        g.agent = call("agent_of_session", token_hash=token) if token else None
    agent: Agent | None = g.agent
    return agent


def is_page_of(agent: Agent, said: str | None) -> bool:
    """Whether a page was made for this agent, by what it says; one that says nothing counts as theirs.

    All tabs of a browser share its cookie: one that has missed a logout would go on as whoever logged in next.
    """
    return said in (None, agent["id"])


def agent_token_hash() -> str:
    """Give the hash of the login session's cookie; '' without one."""
    return token_hash(cookie("a"))


def log_in(email: str, password: str) -> str | None:
    """Begin a login session and give its token; None when address and password do not belong together.

    :raise TooFast: when it was tried too often, by this address or for this account.
    """
    config = current_config()
    known = call(
        "begin_login",
        email=email,
        browser=token_hash(_agents_browser()),
        address=limits.address(),
        limits={"account": config.limit_logins, "address": config.limit_logins_per_address},
    )
    is_right = _hashing(_verify, known["password_hash"] if known else _NOBODY, password)
    if not known or not is_right:
        return None
    token, g.agents_browser = secrets.token_urlsafe(32), _agents_browser() or secrets.token_urlsafe(32)
    call(
        "open_agent_session",
        agent_id=known["agent_id"],
        token_hash=token_hash(token),
        browser=token_hash(g.agents_browser),
    )
    return token


def _agents_browser() -> str:
    """Give the key of a browser in which an agent has logged in before; '' for any other."""
    key = request.cookies.get(cookie_name("k"), "")
    return key if token_hash(key) else ""


def hash_password(password: str) -> str:
    """Give what the database keeps of a password."""
    return _hashing(_hasher.hash, password)


def random_password() -> str:
    """Return a password of 64 random bits that can be read out on the phone."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _hashing(function: Callable[..., R], *arguments: Any) -> R:
    try:
        return _hashes.run(function, *arguments)
    except Full as error:
        raise TooFast("logins_busy", "2") from error


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


# Cookies


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
    app.after_request(_give_visitor_cookie)


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


def set_agent_cookie(response: Response, token: str) -> None:
    """Give the browser its login session."""
    response.set_cookie(cookie_name("a"), token, max_age=AGENT_SECONDS, **_of_agents())
    response.set_cookie(cookie_name("k"), g.agents_browser, max_age=VISITOR_SECONDS, **_of_agents())


def delete_agent_cookie(response: Response) -> None:
    """Take the login session from the browser, under either name. Another desk's on this host stays."""
    for name in {cookie_name("a"), old_cookie_name("a")}:
        if token_hash(request.cookies.get(name, "")) == agent_token_hash():
            response.delete_cookie(name, **_of_agents())


def _of_agents() -> dict[str, Any]:
    # Lax: who follows a link from a mail to a ticket is logged in. No GET changes anything, and every unsafe request
    # has to come from our own origin.
    return {"secure": current_config().is_https, "httponly": True, "samesite": "Lax"}


def _give_visitor_cookie(response: Response) -> Response:
    key = g.pop("fresh_visitor", None)
    if key:
        response.set_cookie(cookie_name("c"), key, max_age=VISITOR_SECONDS, **_visitor_cookie_options())
    return response


def delete_visitor_cookie(response: Response) -> None:
    """Take its key from a customer's browser."""
    response.delete_cookie(cookie_name("c"), **_visitor_cookie_options())


def _visitor_cookie_options() -> dict[str, Any]:
    is_embedded = bool(current_config().embed_origins) and current_config().is_https
    return {
        "secure": current_config().is_https,
        "httponly": True,
        "samesite": "None" if is_embedded else "Lax",
        "partitioned": is_embedded,
    }


# What a route demands. The policy stands at the route and can be read from it; a test finds every route without one.


def open_to_all(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that anybody may call."""
    return _marked(view, "anyone")


def for_visitors(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that shows and changes the conversation of the calling browser only, found by its key."""
    return _marked(view, "visitor")


def for_agents(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only agents who are logged in call a route."""
    return _demanding(view, "agent")


def for_admins(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only admins call a route."""
    return _demanding(view, "admin")


def _demanding(view: Callable[P, ResponseReturnValue], role: str) -> Callable[P, ResponseReturnValue]:
    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        agent = current_agent()
        if agent is None or not is_page_of(agent, request.headers.get("X-Agent")):
            return to_login()
        if role == "admin" and agent["role"] != "admin":
            abort(403, "admins_only")
        return view(*args, **kwargs)

    return _marked(guarded, role)


def _marked(view: Callable[P, R], policy: str) -> Callable[P, R]:
    view.policy = policy  # type: ignore[attr-defined]
    return view


def to_login() -> ResponseReturnValue:
    """Send somebody who is not logged in to the login page, and back afterwards where that is a page."""
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": url_for("agents.login", next=_shown_page())})
    if request.method == "GET":
        return redirect(url_for("agents.login", next=request.full_path.rstrip("?")), 303)
    return redirect(url_for("agents.login"), 303)


def shown_address() -> SplitResult:
    """Return the address of the page that a request of htmx came from; an empty one when it names none."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # "http://[", which no browser says
        return urlsplit("")


def _shown_page() -> str | None:
    """Give the path of the page that a request of htmx came from, to come back to."""
    address = shown_address()
    return f"{address.path}?{address.query}".rstrip("?") or None


def safe_next(target: str) -> str:
    """Give a path of ours to go to after login; the desk for anything that could lead elsewhere."""
    ours = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    )
    return target if ours else url_for("agents.desk")
