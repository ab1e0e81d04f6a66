"""What a customer's browser is shown: the form that starts a chat, the conversation, and its news."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..database import NotFound, call
from ..database.batches import is_cut
from ..database.rows import Conversation, Current, Message, PeopleHere
from ..rendering.fragments import current_fragments, joined, partial
from ..sites import chat_address, shown_site
from ..web import limits
from ..web.forms import new_message_id, typed_text, whole_number
from ..web.htmx import from_htmx
from ..web.sentences import sentence
from . import visitors
from .forms import NameForm, StartForm

PAGE = 50


def conversation_of_browser() -> Conversation:
    """Return the conversation of the calling browser.

    :raise NotFound: when it has none.
    """
    chat: Conversation | None = call("conversation_of_visitor", visitor=visitors.known_visitor())
    if chat is None:
        raise NotFound("conversation_not_found")
    return chat


def start_page(form: StartForm, *, error: str = "", detail: str = "", status: int = 200) -> ResponseReturnValue:
    """Show the form that starts a chat, with what was wrong with it."""
    values = {
        "site": shown_site(),
        "form": form,
        "error": error and sentence(error, detail),
        "is_message_wrong": error.startswith("message_"),
    }
    if from_htmx():
        html = render_template("chat/_start_form.html", **values)
        return html, status, {"HX-Retarget": "#start", "HX-Reswap": "outerMorph"}
    was_erased = "erased" in request.args
    return render_template("chat/start.html", here=who_is_here(), was_erased=was_erased, **values), status


def who_is_here() -> PeopleHere:
    """Return who is here, and whether the calling browser is banned."""
    here: PeopleHere = call("who_is_here", visitor=visitors.visitor(), address=limits.address())
    return here


def chat_page(
    chat: Conversation, *, error: str = "", name_form: NameForm | None = None, status: int = 200
) -> ResponseReturnValue:
    """Show a conversation, with what was wrong with a message for it."""
    site, before = shown_site(chat["site"]), whole_number("before") or None
    html = render_template(
        "chat/show.html",
        site=site,
        chat=chat,
        rows=call("messages_before", session_id=chat["session_id"], before=before, limit=PAGE),
        is_latest=before is None,
        name_form=name_form,
        error=error,
        text=typed_text() if error else "",
        client_message_id=(error and request.form.get("client_message_id")) or new_message_id(),
        **earlier_links(),
    )
    return html, status


def earlier_links() -> dict[str, str]:
    """Return where lines before the shown ones come from."""
    return {"earlier_page": chat_address(), "earlier_lines": url_for("chat.messages")}


def news(chat: Conversation, rows: list[Message]) -> ResponseReturnValue:
    """Return lines, and what else the socket would have told."""
    fragments = current_fragments()
    html = joined(lines(chat, rows), partial(fragments.presence(chat), "#presence", "innerMorph"))
    return html, {"HX-Trigger": fragments.state_header("customer", chat, request.args.get("epoch"), is_cut(rows))}


def lines(chat: Conversation | Current, rows: list[Message]) -> str:
    """Render lines as the customer sees them."""
    return current_fragments().messages("customer", chat["number"], rows)
