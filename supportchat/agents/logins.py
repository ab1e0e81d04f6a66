"""Agents, known by a login session that the database keeps."""

from __future__ import annotations

import secrets

from flask import Response, g, request

from ..config import current_config
from ..database import call
from ..database.rows import Agent, Credentials
from ..rendering.languages import choose_anew
from ..web import limits
from ..web.cookies import KEPT_SECONDS, cookie, cookie_name, cookie_options, old_cookie_name, token_hash
from .passwords import is_right_password

SECONDS = 12 * 3600  # logins.sql ends the session then, whatever the cookie says


def current_agent() -> Agent | None:
    """Return the agent who is logged in, asked of the database once per request."""
    if "agent" not in g:
        token = agent_token_hash()
        g.agent = call("agent_of_session", token_hash=token) if token else None
        choose_anew()  # the rest of the answer is in their language
    agent: Agent | None = g.agent
    return agent


def is_page_of(agent: Agent, said: str | None) -> bool:
    """Whether a page was made for this agent, by what it says; one that says nothing counts as theirs.

    All tabs of a browser share its cookie: one that has missed a logout would go on as whoever logged in next.
    """
    return said in (None, agent["id"])


def agent_token_hash() -> str:
    """Return the hash of the login session's cookie; '' without one."""
    return token_hash(cookie("a"))


def log_in(email: str, password: str) -> str | None:
    """Begin a login session and return its token; None when address and password do not belong together.

    :raise TooFast: when it was tried too often, by this address or for this account.
    """
    config = current_config()
    known: Credentials | None = call(
        "begin_login",
        email=email,
        browser=token_hash(_agents_browser()),
        address=limits.address(),
        limits={"account": config.limit_logins, "address": config.limit_logins_per_address},
    )
    if not is_right_password(known and known["password_hash"], password) or known is None:
        call("refuse_login", email=email, address=limits.address())
        return None
    return begin_session(known["agent_id"])


def begin_session(agent_id: str) -> str:
    """Begin a login session of an agent who has shown who they are, and return its token."""
    token, g.agents_browser = secrets.token_urlsafe(32), _agents_browser() or secrets.token_urlsafe(32)
    call(
        "open_agent_session",
        agent_id=agent_id,
        token_hash=token_hash(token),
        browser=token_hash(g.agents_browser),
        address=limits.address(),
    )
    return token


def _agents_browser() -> str:
    """Return the key of a browser in which an agent has logged in before; '' for any other."""
    key = request.cookies.get(cookie_name("k"), "")
    return key if token_hash(key) else ""


def set_agent_cookie(response: Response, token: str) -> None:
    """Give the browser its login session."""
    response.set_cookie(cookie_name("a"), token, max_age=SECONDS, **cookie_options())
    response.set_cookie(cookie_name("k"), g.agents_browser, max_age=KEPT_SECONDS, **cookie_options())


def delete_agent_cookie(response: Response) -> None:
    """Take the login session from the browser, under either name. Another desk's on this host stays."""
    for name in {cookie_name("a"), old_cookie_name("a")}:
        if token_hash(request.cookies.get(name, "")) == agent_token_hash():
            response.delete_cookie(name, **cookie_options())
