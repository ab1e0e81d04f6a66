"""The page of the search, and its views: searches with a name."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..database import call
from ..database.rows import Found, View
from ..web.forms import whole_number
from ..web.htmx import from_htmx
from ..web.policies import for_people_with
from ..web.text import clean_line
from .query import QUERY_CHARACTERS, Query, parsed

bp = Blueprint("search", __name__)

ROWS = 30
MOST_ROWS = 200
COUNTED = 100
NAME_CHARACTERS = 60
VIEW = "/search/views/<uuid:view_id>"


@bp.get("/search")
@for_people_with("answer")
def index() -> ResponseReturnValue:
    """Search, and show the views; `view` is the one that was chosen."""
    query = parsed(request.args.get("q", ""))
    if from_htmx():
        return render_template("search/_found.html", **_found(query), agent=g.agent)
    views: list[View] = call("list_views", agent_id=g.agent["id"])
    chosen = next((view for view in views if view["id"] == request.args.get("view")), None)
    if chosen and "q" not in request.args:
        query = parsed(chosen["query"])
    return render_template("search/show.html", agent=g.agent, views=views, chosen=chosen, **_found(query))


@bp.get("/search/views")
@for_people_with("answer")
def views() -> ResponseReturnValue:
    """Show the views as a menu, or lead to their page."""
    if not from_htmx():
        return redirect(url_for("search.index"))
    return render_template("search/_views.html", views=call("list_views", agent_id=g.agent["id"]), in_menu=True)


@bp.post("/search/views")
@for_people_with("answer")
def save() -> ResponseReturnValue:
    """Keep a search as a view."""
    return _saved(None)


@bp.post(VIEW)
@for_people_with("answer")
def change(view_id: uuid.UUID) -> ResponseReturnValue:
    """Give a view another name, another search, or other people."""
    return _saved(str(view_id))


@bp.post(f"{VIEW}/delete")
@for_people_with("answer")
def delete(view_id: uuid.UUID) -> ResponseReturnValue:
    """Delete a view."""
    call("delete_view", agent_id=g.agent["id"], view_id=str(view_id))
    return redirect(url_for("search.index"), 303)


@bp.get(f"{VIEW}/count")
@for_people_with("answer")
def count(view_id: uuid.UUID) -> ResponseReturnValue:
    """Show how many tickets a view has, up to 100."""
    views: list[View] = call("list_views", agent_id=g.agent["id"])
    query = next((parsed(view["query"]) for view in views if view["id"] == str(view_id)), None)
    if not query:
        return ""
    found: Found = call("search_tickets", agent_id=g.agent["id"], **query.arguments(), limit=COUNTED)
    return f"{len(found['rows'])}{'' if found['is_complete'] else '+'}"


def _found(query: Query) -> dict[str, Any]:
    limit = min(max(whole_number("rows"), ROWS), MOST_ROWS)
    found: Found | None = None
    if query:
        found = call("search_tickets", agent_id=g.agent["id"], **query.arguments(), limit=limit)
    return {"query": query, "found": found, "limit": limit, "most": MOST_ROWS}


def _saved(view_id: str | None) -> ResponseReturnValue:
    view: View = call(
        "save_view",
        agent_id=g.agent["id"],
        view_id=view_id,
        name=clean_line(request.form.get("name", "")[: 4 * NAME_CHARACTERS]),
        query=parsed(request.form.get("query", "")[: 4 * QUERY_CHARACTERS]).text,
        is_shared=request.form.get("shared") == "on",
    )
    return redirect(url_for("search.index", view=view["id"]), 303)
