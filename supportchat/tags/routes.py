"""The page of the tags, and their names for whoever types one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..database import call
from ..database.rows import ListedTag, RenamedTag
from ..rendering.filters import bdi
from ..rendering.languages import translated as _
from ..tickets.routes.sorting import TAG_CHARACTERS, typed_tag
from ..web.htmx import from_htmx
from ..web.policies import for_people_with

bp = Blueprint("tags", __name__)

# As in the paths of tickets: Postgres knows no larger ones.
TAG = "/tags/<int(max=999999999):tag_id>"


@bp.get("/tags")
@for_people_with("answer")
def index() -> ResponseReturnValue:
    """Show every tag, and on how many tickets it is."""
    return _page()


@bp.get("/tags/names")
@for_people_with("answer")
def names() -> ResponseReturnValue:
    """Show the tags that begin with what is typed."""
    typed = request.args.get("tag", "")[:TAG_CHARACTERS]
    return render_template("tags/_names.html", tags=call("complete_tag", agent_id=g.agent["id"], text=typed))


@bp.post(TAG)
@for_people_with("curate")
def rename(tag_id: int) -> ResponseReturnValue:
    """Give a tag another name; one that another tag has merges the two."""
    renamed: RenamedTag = call("rename_tag", agent_id=g.agent["id"], tag_id=tag_id, name=typed_tag())
    name = bdi(renamed["name"])
    return _done(_("Merged into %(tag)s.", tag=name) if renamed["merged"] else _("Saved as %(tag)s.", tag=name))


@bp.post(f"{TAG}/delete")
@for_people_with("curate")
def delete(tag_id: int) -> ResponseReturnValue:
    """Delete a tag, which takes it from all tickets."""
    deleted = call("delete_tag", agent_id=g.agent["id"], tag_id=tag_id)
    return _done(_("Deleted %(tag)s.", tag=bdi(deleted["name"])))


def _done(said: str) -> ResponseReturnValue:
    return _page(said=said) if from_htmx() else redirect(url_for("tags.index"), 303)


def _page(**values: Any) -> str:
    listed: list[ListedTag] = call("list_tags", agent_id=g.agent["id"])
    name = "tags/_tags.html" if from_htmx() else "tags/show.html"
    return render_template(name, agent=g.agent, tags=listed, **values)
