"""The sites from which customers chat: which one a request is about, and how it looks."""

from __future__ import annotations

import time
from typing import Any

from flask import current_app, g, request

from ..database import Database, DatabaseError
from ..database.rows import Site
from ..web.bodies import is_form_taken

MAIN = "main"
KEPT_SECONDS = 2.0  # as long as any news may take to reach another process
# What a site is before the database has said it.
PLAIN: Site = {
    "key": MAIN,
    "name": "Support",
    "colour": "#006f75",
    "logo": None,
    "greeting": None,
    "show_faces": True,
    "show_reply_time": True,
    "language": None,
    "allowed_origins": [],
    "follow_pages": False,
    "kept_parameters": [],
    "archived_at": None,
}


class Sites:
    """The sites that are not archived, read at most every two seconds, or at once when one has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Site] = {}
        self._reads_again_at = float("-inf")

    def all(self) -> dict[str, Site]:
        """Return them by their keys, the main one first. While the database does not answer: as they were."""
        began = time.monotonic()
        if not self._known or began >= self._reads_again_at:
            self._reads_again_at = began + KEPT_SECONDS
            try:
                found: list[Site] = self._database.call("sites_in_use")
            except DatabaseError:
                self.forget()
            else:
                self._known = {site["key"]: site for site in found}
        return self._known or {MAIN: PLAIN}

    def forget(self) -> None:
        """Read them anew when they are asked for next."""
        self._reads_again_at = float("-inf")


def known_sites() -> dict[str, Site]:
    """Return the sites that are not archived, by their keys, the main one first."""
    sites: Sites = current_app.extensions["sites"]
    return sites.all()


def site_with(key: str | None) -> Site:
    """Return the site with a key; the main one, when there is no such site or it is archived."""
    sites = known_sites()
    return sites.get(key or MAIN) or sites[MAIN]


def site_of_request() -> Site:
    """Return the site that the request names in its address or form, else the main one."""
    if "site" not in g:
        g.site = site_with(request.args.get("site") or _form().get("site"))
    site: Site = g.site
    return site


def link_values() -> dict[str, Any]:
    """Return what a link to the chat has to carry to stay on the site of the request: nothing for the main one."""
    key = site_of_request()["key"]
    return {} if key == MAIN else {"site": key}


def _form() -> Any:
    # Of what was refused unread nothing is read now.
    return request.form if is_form_taken() else {}
