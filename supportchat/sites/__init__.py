"""The sites from which customers chat: which one a request is about, and how it looks."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, current_app, g, request, url_for

from ..database import Database, DatabaseError
from ..database.rows import Site
from ..rendering.languages import choose_anew, gettext
from ..web.bodies import is_form_taken
from .look import OWN, look_class, look_name

MAIN = "main"
KEPT_SECONDS = 2.0  # as long as any news may take to reach another process
# What a site is before the database has said it.
PLAIN: Site = {
    "key": MAIN,
    "name": "Support",
    "colour": OWN,
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


def init_app(app: Flask) -> None:
    """Give templates what the look of a site takes."""
    app.jinja_env.filters["look_class"] = look_class
    app.jinja_env.filters["look_name"] = look_name
    app.jinja_env.filters["site_name"] = site_name
    app.jinja_env.filters["site_of_key"] = site_of_key
    app.jinja_env.filters["site_label"] = site_label
    app.jinja_env.filters["in_title"] = in_title
    app.jinja_env.globals["chat_address"] = chat_address
    app.jinja_env.globals["link_values"] = link_values


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


def shown_site(key: str | None = None) -> Site:
    """Return the site whose look and language the page has: the one with a key, else the one that the request names."""
    site = site_with(key) if key else site_of_request()
    if site["language"]:
        g.site_language = site["language"]
        choose_anew()
    return site


def site_name(site: Site) -> str:
    """Return what people call a site."""
    return site_label(site["name"])


def site_label(name: str) -> str:
    """Return the name of a site. One that nobody has named yet is called in the language of the page."""
    return gettext("Support") if name == PLAIN["name"] else name


def site_of_key(key: str) -> str:
    """Return what a site is called, by its key; the key of one that is archived."""
    site = known_sites().get(key)
    return site_name(site) if site else key


def in_title(site: Site) -> str:
    """Return what the title of a customer's page ends with: the name of the site, once somebody has given it one."""
    return "" if site["name"] == PLAIN["name"] else f" · {site['name']}"


def link_values() -> dict[str, Any]:
    """Return what a link to the chat has to carry to stay on the site of the request: nothing for the main one."""
    key = site_of_request()["key"]
    return {} if key == MAIN else {"site": key}


def chat_address(**values: Any) -> str:
    """Return the address of the chat on the site of the request."""
    return url_for("chat.show", **link_values(), **values)


def _form() -> Any:
    # Of what was refused unread nothing is read now.
    return request.form if is_form_taken() else {}
