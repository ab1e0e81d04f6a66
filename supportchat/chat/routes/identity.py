"""Who the customer is, as their site has signed it."""

from __future__ import annotations

import secrets

from flask import Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from ...database import Conflict, Invalid, NotFound, call
from ...database.rows import Identified, IdentityRules
from ...identity.claims import Named
from ...identity.tokens import TokenRefused, named_in
from ...sites import shown_site, site_of_request
from ...web import limits
from ...web.cookies import token_hash
from ...web.policies import for_visitors
from ...web.refusals import quota
from .. import visitors
from .blueprint import bp

ASKS = "other_person_here"


@bp.post("/chat/identity")
@for_visitors
def identify() -> ResponseReturnValue:
    """Take the customer for whom a token names. The browser gets another key, and the chats of that person.

    One that is somebody else's is asked first: a 409, until the form has `replace`.
    """
    visitor, site = visitors.visitor(), site_of_request()["key"]
    limits.check_browser("messages", visitor)
    named = _named(request.form.get("token", ""), site)
    fresh = secrets.token_urlsafe(32)
    try:
        answer: Identified = call(
            "identify_customer",
            visitor=visitor,
            fresh=token_hash(fresh),
            site=site,
            **named._asdict(),
            replaces="replace" in request.form,
        )
    except Conflict as error:
        if error.code != ASKS:
            raise
        response: Response = jsonify({"asks": True})
        response.status_code = 409
        return response
    if answer["moved"]:
        visitors.take_key(fresh)
        limits.know(token_hash(fresh))
    return jsonify(answer)


@bp.get("/chat/identity")
@for_visitors
def ask_who() -> ResponseReturnValue:
    """Ask whether the browser should be somebody else's. Nothing of its chat is shown."""
    return render_template("chat/other_person.html", site=shown_site())


def _named(token: str, site: str) -> Named:
    """Return whom a token names.

    :raise DatabaseError: when the site names nobody, or not by this token. The log says why.
    """
    rules: IdentityRules | None = call("identity_rules", site=site)
    if rules is None:
        raise NotFound("identity_off")
    try:
        return named_in(token, rules)
    except TokenRefused as error:
        if quota.allows("token of a site"):
            current_app.logger.warning("a token of the site %s was refused: %s", site, error.reason)
        raise Invalid("token_refused", error.reason) from error
