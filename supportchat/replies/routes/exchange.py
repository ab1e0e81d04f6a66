"""Saved replies as a file, in both directions."""

from __future__ import annotations

from flask import Response, g, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from ...database import call
from ...database.rows import ImportedReplies
from ...web.forms import uploaded_file
from ...web.policies import for_people_with
from .. import sheet
from ..saved import replies_of_agent
from .blueprint import bp, list_page


@bp.get("/replies/export")
@for_people_with("answer")
def export() -> ResponseReturnValue:
    """Download everybody's replies, or one's own, as CSV."""
    shared = request.args.get("whose") != "mine"
    text = sheet.written([reply for reply in replies_of_agent() if reply["is_shared"] == shared])
    response = Response(text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename=replies-{'shared' if shared else 'own'}.csv"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/replies/import")
@for_people_with("answer")
def import_file() -> ResponseReturnValue:
    """Save the replies of a CSV file: all of them, or none."""
    file = uploaded_file("file")
    if file is None:
        return list_page(problems=[_("Choose a file first.")]), 422
    try:
        rows = sheet.read(file.stream.read(sheet.MOST_BYTES + 1))
    except sheet.SheetRefusedError as refused:
        return list_page(problems=refused.problems), 422
    shared = request.form.get("whose") == "everybody"
    imported: ImportedReplies = call("import_replies", agent_id=g.agent["id"], rows=rows, shared=shared)
    return list_page(said=_said(imported))


def _said(imported: ImportedReplies) -> str:
    added = ngettext("%(num)s reply added", "%(num)s replies added", imported["added"])
    changed = ngettext("%(num)s replaced", "%(num)s replaced", imported["changed"])
    return f"{added} · {changed}" if imported["changed"] else added
