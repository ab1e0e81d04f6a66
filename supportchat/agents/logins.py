"""Agents, known by a login session that the database keeps."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from flask import Response, g, request

from ..config import current_config
from ..database import call
from ..database.rows import Agent, BegunLogin, Credentials, PendingLogin
from ..rendering.languages import choose_anew
from ..web import limits
from ..web.cookies import KEPT_SECONDS, cookie, cookie_name, cookie_options, old_cookie_name, token_hash
from .browsers import own_user_agent
from .passwords import is_right_password, refuse_when_busy
from .two_factor import Proof

SECONDS = 12 * 3600  # logins.sql ends the session then, whatever the cookie says
PENDING_SECONDS = 5 * 60  # two_factor.sql forgets it then


class Begun(NamedTuple):
    """A login session with the key of its browser, or a login that waits for its second step."""

    token: str
    browser: str
    needs_code: bool


def current_agent() -> Agent | None:
    """Return the agent who is logged in, asked of the database once per request."""
    if "agent" not in g:
        token = agent_token_hash()
        g.agent = call("agent_of_session", token_hash=token) if token else None
        if g.agent:
            limits.know(token)
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


def log_in(email: str, password: str) -> Begun | None:
    """Begin a login; None when address and password do not belong together.

    :raise TooFast: when it was tried too often, by this address or for this account.
    """
    known = matching(email, password)
    if known is None:
        call("refuse_login", email=email, address=limits.address())
    return begin_session(known["agent_id"], password_hash=known["password_hash"]) if known else None


def begin_session(agent_id: str, **shown: str) -> Begun | None:
    """Begin a login session of an agent who has shown who they are; with two-factor, the second step of one.

    :param shown: by what: `password_hash`, or `issuer` and `subject`. :return: None when that lets nobody in by now.
    """
    token, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    answer: BegunLogin | None = call(
        "open_agent_session",
        agent_id=agent_id,
        token_hash=token_hash(token),
        browser=token_hash(browser),
        address=limits.address(),
        user_agent=own_user_agent(),
        known=known_browser(),
        how="provider" if "subject" in shown else None,
        **shown,
    )
    return Begun(token, browser, answer["needs_code"]) if answer else None


def finish_login(proof: Proof) -> Begun:
    """Begin the login session of an agent whose second code was right.

    :raise Invalid: when it does not count any more. :raise NotFound: when the login has waited too long.
    """
    token, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    call(
        "finish_login",
        pending=pending_token_hash(),
        browser=known_browser(),
        token_hash=token_hash(token),
        new_browser=token_hash(browser),
        address=limits.address(),
        **proof._asdict(),
    )
    return Begun(token, browser, needs_code=False)


def pending_login() -> PendingLogin | None:
    """Return the login that waits for its second step in this browser."""
    pending = pending_token_hash()
    found: PendingLogin | None = call("pending_login", token_hash=pending, browser=known_browser()) if pending else None
    return found


def pending_token_hash() -> str:
    """Return the hash of the token of a login that waits for its second step; '' without one."""
    return token_hash(request.cookies.get(cookie_name("p"), ""))


def checked(email: str, password: str) -> Credentials | None:
    """Return the credentials of somebody who is logged in and shows once more who they are; None for a wrong password.

    It counts as a login. :raise TooFast: when it was tried too often, by this address or for this account.
    """
    known = matching(email, password)
    if known is None:
        call("refuse_login", email=email, address=limits.address(), where="account")
    return known


def matching(email: str, password: str) -> Credentials | None:
    """Return whose address and password these are; None when they do not belong together. It counts as a login.

    :raise TooFast: when it was tried too often, by this address or for this account.
    """
    config, browser = current_config(), known_browser()
    if not browser:  # else the database knows whether it takes turns of its own
        refuse_when_busy()
    known: Credentials | None = call(
        "begin_login",
        email=email,
        browser=browser,
        address=limits.address(),
        limits={"account": config.limit_logins, "address": config.limit_logins_per_address},
    )
    group = f"browser/{browser}" if known and known["browser_known"] else ""
    return known if is_right_password(known and known["password_hash"], password, group) else None


def known_browser() -> str:
    """Return the hash of the key of a browser in which an agent has logged in before; '' for any other."""
    return token_hash(request.cookies.get(cookie_name("k"), ""))


def set_login_cookies(response: Response, begun: Begun) -> None:
    """Give the browser its login session, or the token of one that waits for its second step."""
    if begun.needs_code:
        response.set_cookie(cookie_name("p"), begun.token, max_age=PENDING_SECONDS, **cookie_options())
        if not known_browser():  # the second step is bound to this key then, and to no other browser without one
            response.set_cookie(cookie_name("k"), begun.browser, max_age=KEPT_SECONDS, **cookie_options())
        return
    response.set_cookie(cookie_name("a"), begun.token, max_age=SECONDS, **cookie_options())
    response.set_cookie(cookie_name("k"), begun.browser, max_age=KEPT_SECONDS, **cookie_options())
    if cookie_name("p") in request.cookies:
        response.delete_cookie(cookie_name("p"), **cookie_options())


def delete_agent_cookie(response: Response) -> None:
    """Take the login session from the browser, under either name. Another desk's on this host stays."""
    for name in {cookie_name("a"), old_cookie_name("a")}:
        if token_hash(request.cookies.get(name, "")) == agent_token_hash():
            response.delete_cookie(name, **cookie_options())
