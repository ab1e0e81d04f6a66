"""What other sites load, and the link that takes a chat from there into a window of its own."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..chat import visitors
from ..config import current_config
from ..database import NotFound, call
from ..database.rows import Handover, TakenHandover
from ..rendering.assets import PUBLIC
from ..sites import shown_site, site_of_request
from ..web import limits
from ..web.cookies import token_hash
from ..web.policies import for_visitors, open_to_all
from . import shop
from .script import script_for
from .sealing import opened, sealed

bp = Blueprint("widget", __name__)

FRESH_SECONDS = 3600


@bp.get("/widget.js")
@open_to_all
def script() -> Response:
    """Serve the script for other sites. Its address stays the same, so browsers ask for a newer one after an hour."""
    made = script_for(site_of_request())
    is_compressed = request.accept_encodings["gzip"] > 0
    response = Response(made.compressed if is_compressed else made.plain, mimetype="text/javascript")
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers.update({"Vary": "Accept-Encoding", **PUBLIC})
    response.cache_control.public = True
    response.cache_control.max_age = FRESH_SECONDS
    response.set_etag(made.etag, weak=True)
    response.make_conditional(request)
    return response


@bp.get("/demo")
@bp.get("/demo/<chosen>")
@open_to_all
def demo(chosen: str = shop.FIRST) -> ResponseReturnValue:
    """Show the chat on a page of a shop, on a desk that is tried out."""
    product = shop.PRODUCTS.get(chosen)
    if product is None or not current_config().demo:
        raise NotFound("not_found")
    chat = url_for("chat.show", site=shop.KEY)
    return render_template("widget/demo.html", shop=shop, product=product, chosen=chosen, chat=chat)


@bp.post("/chat/handover")
@for_visitors
def make_handover() -> ResponseReturnValue:
    """Make a link that takes the chat of this browser along into a window of its own, and return it."""
    limits.check_browser("messages", visitors.known_visitor())
    token = secrets.token_urlsafe(32)
    call(
        "make_handover",
        visitor=visitors.known_visitor(),
        token_hash=token_hash(token),
        sealed_key=sealed(visitors.own_key(), token),
    )
    return Response(url_for("widget.show_handover", token=token), mimetype="text/plain")


@bp.get("/chat/handover/<token>")
@for_visitors
def show_handover(token: str) -> ResponseReturnValue:
    """Show which chat a link takes along. It is used up by the button on this page."""
    link: Handover | None = call("show_handover", token_hash=token_hash(token))
    if link is None:
        raise NotFound("handover_unknown")
    return render_template("chat/handover.html", link=link, site=shown_site(link["site"]))


@bp.post("/chat/handover/<token>")
@for_visitors
def take_handover(token: str) -> ResponseReturnValue:
    """Use a link up: this browser has the chat from now on, as the one that it comes from."""
    taken: TakenHandover = call("take_handover", token_hash=token_hash(token))
    key = opened(taken["sealed_key"], token)
    if token_hash(key) not in taken["visitors"]:  # it has got another one since
        raise NotFound("handover_unknown")
    visitors.take_key(key)
    return redirect(url_for("chat.show"), 303)
