"""The audit log: newest first, by page; and as a file."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, g, render_template, request
from flask.typing import ResponseReturnValue

from ..database import Invalid, call
from ..database.rows import AuditPage
from ..privacy.streams import Place, sent_as_made
from ..web.forms import uuid_of, whole_number
from ..web.htmx import from_htmx
from ..web.policies import for_people_with
from .export import FORMATS, parts
from .kinds import GROUPS

PAGE = 50

bp = Blueprint("audit", __name__)


@bp.get("/audit")
@for_people_with("see_audit")
def index() -> ResponseReturnValue:
    """Show a page of the audit log: of the kinds and the person that the address names, before an entry."""
    asked = _asked()
    page: AuditPage = call("list_audit", **asked, before=whole_number("before") or None, limit=PAGE + 1)
    rows = page["rows"][:PAGE]
    return render_template(
        "audit/_audit.html" if from_htmx() else "audit/show.html",
        agent=g.agent,
        rows=rows,
        people=page["people"],
        groups=list(GROUPS),
        group=_group(),
        person=asked["person_id"],
        following=rows[-1]["id"] if len(page["rows"]) > PAGE else None,
    )


@bp.post("/audit/export")
@for_people_with("see_audit")
def export() -> ResponseReturnValue:
    """Download the audit log, as CSV or as JSON."""
    kind = request.form.get("format", "csv")
    if kind not in FORMATS:
        raise Invalid("not_understood")
    asked, place = _asked(), Place()
    try:
        call("note_audit_export", agent_id=g.agent["id"], format=kind)
        rows = parts(kind, current_app.extensions["database"], **asked)
        return sent_as_made(place, rows, f"audit-log.{kind}", FORMATS[kind])
    except BaseException:
        place.leave()
        raise


def _asked() -> dict[str, Any]:
    group = _group()
    return {
        "agent_id": g.agent["id"],
        "kinds": list(GROUPS[group]) if group else None,
        "person_id": uuid_of(request.values.get("person")),
    }


def _group() -> str:
    group = request.values.get("group", "")
    return group if group in GROUPS else ""
