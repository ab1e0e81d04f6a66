"""What the chat in a frame of another site is asked, and says: how much is unread, and where the customer is."""

from __future__ import annotations

from flask import Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...sites import site_of_request
from ...web import limits, security
from ...web.policies import for_visitors
from ...widget.visits import visit_in
from .. import visitors
from .blueprint import bp


@bp.get("/chat/unread")
@for_visitors
def unread() -> Response:
    """Tell a page of the site how much is unread in the chat that this browser has with it: a number, and no more."""
    origin = request.headers.get("Origin", "")
    if not security.may_frame(origin):
        abort(403, "foreign_origin")
    key = visitors.visitor()
    response = jsonify(call("unread_of_visitor", visitor=key, site=site_of_request()["key"]) if key else 0)
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.vary.add("Origin")
    return response


@bp.post("/chat/pages")
@for_visitors
def record_pages() -> ResponseReturnValue:
    """Remember where on its site the customer is, if the site wants that."""
    visitor, site = visitors.known_visitor(), site_of_request()
    limits.check_browser("pages", visitor)
    if site["follow_pages"]:
        visit = visit_in(request.form.get("visit", ""), site["kept_parameters"], security.may_frame)
        call("record_pages", visitor=visitor, visit=visit)
    return "", 204
