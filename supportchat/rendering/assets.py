"""Styles, scripts and icons. `bin/bundle` has made the files; WhiteNoise serves them, and browsers may keep them."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from wsgiref.headers import Headers
from xml.etree import ElementTree
from zipfile import ZipFile

import lucide
from flask import Flask, Response, abort, send_from_directory
from markupsafe import Markup
from whitenoise import WhiteNoise

from ..config import ROOT
from ..web.policies import open_to_all
from ..web.security import is_for_desk

# Icons that point along the line of the text: mirrored where that runs from right to left.
DIRECTED = ("arrow-left", "chevron-right", "log-in", "log-out", "undo-2")
BETWEEN_TAGS = re.compile(r">\s+<")  # would count as text of what an icon stands in
BUILT: Path = ROOT / "static" / "built"
# A page in a sandbox has no origin, and needs styles and scripts to say that the chat cannot work there.
PUBLIC = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


def init_app(app: Flask) -> None:
    """Serve `static/built/` and give templates `asset()`, `audience()` and `icon()`."""
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=BUILT,
        prefix="/static",
        allow_all_origins=False,
        immutable_file_test=lambda path, url: True,
        add_headers_function=_add_headers,
    )
    app.add_url_rule("/static/<version>/<path:file>", "asset_of_another_version", asset_of_another_version)
    app.jinja_env.globals["asset"] = lambda file: f"/static/{newest_files()[file]}"
    app.jinja_env.globals["audience"] = audience
    app.jinja_env.globals["icon"] = icon


@open_to_all
def asset_of_another_version(version: str, file: str) -> Response:
    """Return the file of today to a page of another version, which would have neither styles nor scripts else.

    Not by a redirect: while processes of two versions run, each would send browsers on to the other.
    """
    path = newest_files().get(file) or abort(404)
    response = send_from_directory(BUILT, path, conditional=False)
    response.headers.update({"Cache-Control": "no-store", **PUBLIC})
    return response


@functools.cache
def newest_files() -> dict[str, str]:
    """Return where each file is that `bin/bundle` had made when this process started, below `static/built/`."""
    paths: dict[str, str] = json.loads(BUILT.with_suffix(".json").read_text())
    return paths


def audience() -> str:
    """Return whose styles and scripts the page has."""
    return "agents" if is_for_desk() else "customers"


def _add_headers(headers: Headers, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    for name, value in PUBLIC.items():
        headers[name] = value


@functools.cache
def icon(name: str, size: int = 20) -> Markup:
    """Draw an icon of the Lucide set, in the colour of the text around it. Words beside it say what it means."""
    drawing = _icons().read(f"{name}.svg").decode().replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
    svg = ElementTree.fromstring(drawing)  # noqa: S314 - an icon of the package
    svg.attrib |= {"width": str(size), "height": str(size), "stroke-width": "1.75", "aria-hidden": "true"}
    svg.attrib["class"] = "icon icon--directed" if name in DIRECTED else "icon"
    drawn = ElementTree.tostring(svg, encoding="unicode")
    return Markup(BETWEEN_TAGS.sub("><", drawn).strip())  # noqa: S704 - an icon of the package


@functools.cache
def _icons() -> ZipFile:
    """Return the file with all icons. The package itself opens it for each of them, which takes 10 ms."""
    return ZipFile(Path(lucide.__file__).with_name("lucide.zip"))
