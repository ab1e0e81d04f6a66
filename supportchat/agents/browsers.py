"""What a browser is called, by what it says of itself."""

from __future__ import annotations

import functools
from typing import NamedTuple

import gevent
from flask import request

from ..web.text import clean_line

USER_AGENT_CHARACTERS = 256  # the database has the same limit
PHONES = ("iOS", "Android")


class Browser(NamedTuple):
    """A browser and its system, '' where it does not say; whether that is one of phones."""

    name: str
    system: str
    is_phone: bool


def own_user_agent() -> str | None:
    """Return what the browser of this request says of itself, bounded; None for nothing."""
    return clean_line(request.headers.get("User-Agent", "")[:USER_AGENT_CHARACTERS]) or None


@functools.lru_cache(maxsize=1000)
def browser_of(user_agent: str | None) -> Browser:
    """Return the browser behind a user agent. To look one up takes milliseconds, so some are kept."""
    # In a thread: the first look-up compiles expressions for 0.2 s.
    found: Browser = gevent.get_hub().threadpool.apply(_parsed, ((user_agent or "")[:USER_AGENT_CHARACTERS],))
    return found


def _parsed(said: str) -> Browser:
    # Here, because it takes 5 MB and only /account asks.
    import ua_parser

    browser, system = ua_parser.parse_user_agent(said), ua_parser.parse_os(said)
    family = system.family if system else ""
    return Browser(_plain(browser.family) if browser else "", family, family in PHONES)


def _plain(family: str) -> str:
    """Return the name by which people know a browser: Safari of Mobile Safari."""
    for extra in ("Mobile ", "Headless", " Mobile", " iOS", " WebView"):
        family = family.replace(extra, "")
    return family
