"""What admins do for privacy: a customer's copy, their erasure, and how long chats are kept."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from ..database import Conflict, DatabaseError, Invalid, call
from ..database.rows import Erasure, ErasurePreview, ExportedConversation, Privacy, RetentionPreview
from ..images.stores import StoreUnavailable
from ..web.error_pages import failure
from ..web.errors import described, on_refusal
from ..web.forms import uuid_of, whole_number
from ..web.htmx import from_htmx
from ..web.policies import for_people_with
from ..web.sentences import sentence
from .archive import Archive
from .streams import Place, sent_as_made

TICKET = "/tickets/<int(max=999999999):number>"
PAGE = 50
AUDIT_YEARS = (1, 2, 3, 5, 10)
DAYS_OF_YEAR = 365

bp = Blueprint("privacy", __name__)


# A customer's copy, and their erasure


@bp.post(f"{TICKET}/export")
@for_people_with("export")
def export(number: int) -> ResponseReturnValue:
    """Download what we have of the customer of a ticket, with the private notes if the form says so."""
    place, with_notes = Place(), "notes" in request.form
    try:
        conversations: list[ExportedConversation] = call(
            "export_customer", agent_id=g.agent["id"], number=number, with_notes=with_notes
        )
        database, store = (current_app.extensions[part] for part in ("database", "images"))
        archive = Archive(conversations, database, store, with_notes=with_notes)
        return sent_as_made(place, archive.parts(), f"customer-of-ticket-{number}.zip", "application/zip")
    except BaseException as error:
        place.leave()
        if isinstance(error, StoreUnavailable):
            current_app.logger.error("images: %s", error)
            return failure(503, "pictures_unreadable")
        raise


@bp.get(f"{TICKET}/erasure")
@for_people_with("erase")
def ask_to_erase(number: int) -> ResponseReturnValue:
    """Ask what of the customer of a ticket is to be erased, and say how much that is."""
    preview: ErasurePreview = call("preview_erasure", agent_id=g.agent["id"], number=number)
    return render_template("privacy/erasure.html", agent=g.agent, preview=preview)


@bp.post(f"{TICKET}/erasure")
@for_people_with("erase")
def erase(number: int) -> ResponseReturnValue:
    """Erase the chat of a ticket, or everything that we have of its customer, and lead to the receipt."""
    everything = request.form.get("what") == "customer"
    receipt: Erasure = call("erase_customer", agent_id=g.agent["id"], number=number, everything=everything)
    current_app.extensions["eraser"].wake()
    return redirect(url_for("privacy.index", done=receipt["id"], _anchor=f"receipt-{receipt['id']}"), 303)


# How long things are kept


@bp.get("/privacy")
@for_people_with("manage_desk")
def index() -> ResponseReturnValue:
    """Show how long chats are kept, what another number of days would erase, and the receipts."""
    if not request.args.get("days"):
        return _page()
    try:
        preview: RetentionPreview = call("preview_retention", agent_id=g.agent["id"], days=whole_number("days"))
    except Invalid as error:
        return _refused(error)
    return _page(preview=preview)


@bp.post("/privacy/retention")
@for_people_with("manage_desk")
def keep_for_days() -> ResponseReturnValue:
    """Have chats erased so many days after their end."""
    try:
        _change(retention_days=whole_number("days"))
    except Invalid:
        return _refused(Invalid("days_out_of_range"))
    current_app.extensions["eraser"].wake()
    return _done(_("Saved. Chats that are old enough are being erased.") if "some" in request.form else _("Saved."))


@bp.post("/privacy/retention/delete")
@for_people_with("manage_desk")
def keep_all() -> ResponseReturnValue:
    """Keep chats until somebody erases them."""
    _change(retention_days=None)
    return _done(_("Saved. Chats are kept from now on."))


@bp.post("/privacy/audit")
@for_people_with("manage_desk")
def keep_audit() -> ResponseReturnValue:
    """Say for how long the audit log is kept."""
    _change(audit_days=whole_number("years") * DAYS_OF_YEAR)
    return _done(_("Saved."))


@bp.errorhandler(Conflict)
def on_refused(error: Conflict) -> ResponseReturnValue:
    """Say what was refused where that was: on the page of the erasure, for instance."""
    number = (request.view_args or {}).get("number")
    if error.code != "ticket_erased" or number is None:
        return on_refusal(error)
    status, code, detail = described(error)
    preview: ErasurePreview = call("preview_erasure", agent_id=g.agent["id"], number=number)
    page = render_template("privacy/erasure.html", agent=g.agent, preview=preview, error=sentence(code, detail))
    return page, status


def _change(**values: Any) -> None:
    call("change_settings", agent_id=g.agent["id"], values=values)


def _done(said: str) -> ResponseReturnValue:
    return _page(said=said) if from_htmx() else redirect(url_for("privacy.index"), 303)


def _refused(error: DatabaseError) -> ResponseReturnValue:
    status, code, detail = described(error)
    return _page(error=sentence(code, detail)), status


def _page(**values: Any) -> str:
    before = uuid_of(request.args.get("before"))
    privacy: Privacy = call("show_privacy", agent_id=g.agent["id"], before=before, limit=PAGE)
    return render_template(
        "privacy/_privacy.html" if from_htmx() else "privacy/show.html",
        agent=g.agent,
        **privacy,
        has_more=len(privacy["receipts"]) == PAGE,
        years=AUDIT_YEARS,
        **values,
    )
