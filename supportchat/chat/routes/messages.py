"""The messages of a chat."""

from __future__ import annotations

from flask import redirect, render_template
from flask.typing import ResponseReturnValue

from ...database import call
from ...database.rows import Posted
from ...realtime.hub import current_hub
from ...rendering.fragments import joined, partial
from ...sites import chat_address
from ...web import limits, posting
from ...web.errors import REFUSALS, described
from ...web.forms import message_text, shown_session, whole_number
from ...web.htmx import from_htmx
from ...web.policies import for_visitors
from ...web.sentences import sentence
from .. import visitors
from ..pages import PAGE, chat_page, conversation_of_browser, earlier_links, lines, news
from .blueprint import bp


@bp.post("/chat/messages")
@for_visitors
def post_message() -> ResponseReturnValue:
    """Send a message into the conversation of this browser."""
    visitor = visitors.known_visitor()
    try:
        limits.check_browser("messages", visitor)
        posted: Posted = posting.store_message(
            "post_message", message_text(), visitor, visitor=visitor, session_id=shown_session()
        )
    except REFUSALS as error:
        if from_htmx():
            raise
        status, code, detail = described(error)
        return chat_page(conversation_of_browser(), error=sentence(code, detail), status=status)
    limits.know(visitor)
    current_hub().offer(posted)
    if not from_htmx():
        return redirect(chat_address(_anchor="end"), 303)
    chat = posted["conversation"]
    if posted["session_id"] != chat["session_id"]:  # this page shows a conversation that another tab has left behind
        return "", {"HX-Redirect": chat_address()}
    return lines(chat, posted["messages"])


@bp.get("/chat/messages")
@for_visitors
def messages() -> ResponseReturnValue:
    """Return the lines after a seq, with what else may have changed; or those before one, with the link to more."""
    chat = conversation_of_browser()
    if from_htmx():  # a picture on another site could have this address
        current_hub().saw_poll("session", chat["session_id"])
    if before := whole_number("before"):
        rows = call("messages_before", session_id=chat["session_id"], before=before, limit=PAGE)
        earlier = render_template("shared/_earlier.html", rows=rows, **earlier_links())
        return joined(lines(chat, rows), partial(earlier, "#earlier", "innerMorph"))
    rows = call("messages_after", session_id=chat["session_id"], after=whole_number("after"))
    return news(chat, rows)
