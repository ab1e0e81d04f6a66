"""How often somebody may do something. SQL counts what has to be exact (`take_token`); the rest is counted per process.

Who is asking is known by the key of their browser or their login where there is one, else by their address.
"""

from __future__ import annotations

from array import array

from flask import Flask, current_app, request

from ..database import TooFast
from ..server.buckets import Buckets, Limit
from ..server.connections import network_of

TOO_FAST = "supportchat.too_fast"  # in the environment of a request: the seconds after which it may come again
PLACES = 2**17  # for known browsers: of 5,000, four in a hundred lose theirs, until they are heard of again
UNKNOWN_SHARE = 5  # of the limit of one browser, for all at an address that are not known yet


class KnownBrowsers:
    """The keys of browsers that the database has known lately. Once in a while one takes the place of another.

    Only their hashes, in one piece: an object for each would keep a whole page of memory when what was made beside it
    has gone, 20 MB after 5,000 sockets.
    """

    def __init__(self) -> None:
        self._hashes = array("q", bytes(8 * PLACES))

    def add(self, key: str) -> None:
        """Remember a key."""
        self._hashes[hash(key) % PLACES] = hash(key)

    def __contains__(self, key: str) -> bool:
        return key != "" and self._hashes[hash(key) % PLACES] == hash(key)


def init_app(app: Flask) -> None:
    """Give the app its buckets."""
    app.extensions["buckets"] = Buckets()
    app.extensions["known_browsers"] = KnownBrowsers()
    app.before_request(_refuse_too_fast)


def _refuse_too_fast() -> None:
    # What the door lets in only to be told so, with what was typed.
    if wait := request.environ.get(TOO_FAST):
        raise TooFast("requests_too_fast", str(max(1, round(wait + 0.5))))


def check(act: str, whose: str) -> None:
    """Count one act of somebody; `act` names the setting: messages, typing, receipts, pictures, pages or sockets.

    :param whose: who has logged in, or '' for somebody of whom only the address is known.
    :raise TooFast: when it is one too many.
    """
    _take(act, whose or address(), _limit_of(act))


def check_browser(act: str, key: str) -> None:
    """Count one act of a customer's browser.

    A key that this process has not seen to be good may be made up, another one for each request: it counts for its
    address, which may do as much as five browsers. `know` ends that.

    :raise TooFast: when it is one too many.
    """
    limit = _limit_of(act)
    if key in current_app.extensions["known_browsers"]:
        _take(act, key, limit)
    else:
        _take(act, f"unknown/{address()}", Limit(UNKNOWN_SHARE * limit.most, limit.seconds))


def know(key: str) -> None:
    """Remember that the database knows the key of a browser, or of a login."""
    current_app.extensions["known_browsers"].add(key)


def _limit_of(act: str) -> Limit:
    limit: Limit = getattr(current_app.extensions["config"], f"limit_{act}")
    return limit


def _take(act: str, whose: str, limit: Limit) -> None:
    wait = current_app.extensions["buckets"].take(f"{act}/{whose}", limit)
    if wait:
        raise TooFast(f"{act}_too_fast", str(max(1, round(wait + 0.5))))


def address() -> str:
    """Return the address that the request comes from; of IPv6 its network, whose addresses are all one person's.

    TRUSTED_PROXIES decides whose word counts for it: see `ProxyFix`.
    """
    return network_of(request.remote_addr or "")
