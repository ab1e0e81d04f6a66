"""Where a customer says that they are: bounded, and cut to what their site keeps."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..database import Invalid
from ..web.text import clean_line

MOST_PAGES = 10
URL_CHARACTERS = 500
TITLE_CHARACTERS = 200
GIVEN_CHARACTERS = 2000  # more of an address is not even looked at
TEXT_CHARACTERS = 60_000
MOST_PARAMETERS = 100
ADDRESS = re.compile(r"https?://[!-~]+")
PATH_PARAMETERS = re.compile(";[^/]*")


def visit_in(text: str, kept: list[str], is_ours: Callable[[str], bool]) -> dict[str, Any]:
    """Return the pages, the newest last, and the referrer that a frame has sent, as the database takes them.

    :param is_ours: whether an origin is the site's: what is said of others has been made by hand, for agents to follow.
    :raise Invalid: when it is not what a frame of ours would send.
    """
    try:
        said = json.loads(text[: TEXT_CHARACTERS + 1])
        given = said["pages"][-MOST_PAGES:]
        pages = [page for each in given if (page := _page(each, kept, is_ours))]
        return {"pages": pages, "referrer": kept_address(said.get("referrer"), kept)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Invalid("not_understood") from error


def _page(given: dict[str, Any], kept: list[str], is_ours: Callable[[str], bool]) -> dict[str, str] | None:
    url = kept_address(given["url"], kept)
    if not url or not is_ours("/".join(url.split("/", 3)[:3])):
        return None
    at = min(float(given["at"]) / 1000, time.time())
    title = clean_line(str(given["title"])[: 4 * TITLE_CHARACTERS])[:TITLE_CHARACTERS]
    return {"url": url, "title": title, "at": datetime.fromtimestamp(max(at, 0), UTC).isoformat(timespec="seconds")}


def kept_address(given: Any, kept: list[str]) -> str | None:
    """Return what is kept of an address: no fragment, no login, of its query only some parameters; None for none.

    Parameters within the path are cut as well: some servers write the session there.

    Browsers write addresses in ASCII and without spaces: anything else has been made by hand.
    """
    if not isinstance(given, str) or len(given) > GIVEN_CHARACTERS or not ADDRESS.fullmatch(given):
        return None
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
        query = [pair for pair in parse_qsl(parts.query, max_num_fields=MOST_PARAMETERS) if pair[0] in kept]
    except ValueError:
        return None
    if not host:
        return None
    name = f"[{host}]" if ":" in host else host
    shown = f"{name}:{port}" if port else name
    path = PATH_PARAMETERS.sub("", parts.path)
    return urlunsplit((parts.scheme, shown, path, urlencode(query), ""))[:URL_CHARACTERS]
