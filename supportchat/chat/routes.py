"""What a customer's browser can ask for. Its key alone decides which conversation is meant."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_sock import Sock
from simple_websocket import Server
from werkzeug.datastructures import MultiDict

from ..config import current_config
from ..database import DatabaseError, NotFound, call
from ..database.batches import is_cut
from ..database.rows import Closed, Conversation, Message, Posted
from ..images.serving import serve_image
from ..realtime.connection import OVERLOAD, Connection, Shown
from ..realtime.hub import current_hub
from ..realtime.sockets import prepare_handshake, run_socket
from ..rendering.fragments import current_fragments, joined, partial
from ..web import limits, posting, security
from ..web.errors import REFUSALS, described
from ..web.forms import (
    StartForm,
    known_time_zone,
    message_text,
    new_message_id,
    normal_phone,
    shown_session,
    typed_text,
    whole_number,
)
from ..web.htmx import from_htmx
from ..web.policies import for_visitors
from ..web.sentences import sentence
from . import visitors

bp = Blueprint("chat", __name__)
sock = Sock()
PAGE = 50


@bp.get("/")
@for_visitors
def index() -> ResponseReturnValue:
    """Lead to the chat."""
    return redirect(url_for("chat.show"), 303)


@bp.get("/chat")
@for_visitors
def show() -> ResponseReturnValue:
    """Show the conversation of this browser, or the form that starts one."""
    key = visitors.visitor()
    chat: Conversation | None = call("conversation_of_visitor", visitor=key) if key else None
    if chat is None or (chat["status"] == "closed" and "new" in request.args):
        visitors.ensure_visitor()
        return _start_page(StartForm(MultiDict({"client_message_id": new_message_id()})))
    visitors.keep_visitor()
    return _chat_page(chat)


@bp.post("/chat")
@for_visitors
def start() -> ResponseReturnValue:
    """Start a chat with its first message, or go on with the one that runs."""
    form = StartForm(request.form)
    visitor, config = visitors.kept_visitor(), current_config()
    if not form.validate():
        return _start_page(form, status=422)
    try:
        limits.check("messages", visitors.visitor())
        answer = posting.store_message(
            "start_chat",
            message_text(),
            "",  # a key that nobody has chatted with may be anybody's
            visitor=visitor,
            customer_name=form.customer_name.data or None,
            customer_phone=normal_phone(form.customer_phone.data or "") or None,
            time_zone=known_time_zone(form.time_zone.data),
            address=limits.address(),
            limits={"browser": config.limit_starts, "address": config.limit_starts_per_address},
        )
    except REFUSALS as error:
        status, code, detail = described(error)
        return _start_page(form, error=code, detail=detail, status=status)
    current_hub().offer(answer)
    if from_htmx():
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url_for("chat.show")
        return response
    return redirect(url_for("chat.show"), 303)


@bp.post("/chat/messages")
@for_visitors
def post_message() -> ResponseReturnValue:
    """Send a message into the conversation of this browser."""
    visitor = visitors.known_visitor()
    try:
        limits.check("messages", visitor)
        posted: Posted = posting.store_message(
            "post_message", message_text(), visitor, visitor=visitor, session_id=shown_session()
        )
    except REFUSALS as error:
        if from_htmx():
            raise
        status, code, detail = described(error)
        return _chat_page(conversation_of_browser(), error=sentence(code, detail), status=status)
    current_hub().offer(posted)
    if not from_htmx():
        return redirect(url_for("chat.show", _anchor="end"), 303)
    chat = posted["conversation"]
    if posted["session_id"] != chat["session_id"]:  # this page shows a conversation that another tab has left behind
        return "", {"HX-Redirect": url_for("chat.show")}
    composer = render_template("chat/_composer.html", chat=chat, client_message_id=new_message_id())
    return joined(_lines(chat, posted["messages"]), partial(composer, "#composer", "outerMorph"))


@bp.get("/chat/messages")
@for_visitors
def messages() -> ResponseReturnValue:
    """Return the lines after a seq, with what else may have changed; or those before one, with the link to more."""
    chat = conversation_of_browser()
    if from_htmx():  # a picture on another site could have this address
        current_hub().saw_poll("session", chat["session_id"])
    if before := whole_number("before"):
        rows = call("messages_before", session_id=chat["session_id"], before=before, limit=PAGE)
        earlier = render_template("shared/_earlier.html", rows=rows, **_earlier_links())
        return joined(_lines(chat, rows), partial(earlier, "#earlier", "innerMorph"))
    rows = call("messages_after", session_id=chat["session_id"], after=whole_number("after"))
    return _news(chat, rows)


@bp.post("/chat/typing")
@for_visitors
def type_message() -> ResponseReturnValue:
    """Let the agent see that the customer is typing."""
    limits.check("typing", visitors.visitor())
    call("signal_typing", visitor=visitors.known_visitor())
    return "", 204


@bp.post("/chat/receipts")
@for_visitors
def acknowledge() -> ResponseReturnValue:
    """Remember how far this browser has received and read; not of a conversation that another tab has left behind."""
    limits.check("receipts", visitors.visitor())
    call(
        "record_receipt",
        visitor=visitors.known_visitor(),
        delivered=whole_number("delivered"),
        read=whole_number("read"),
        epoch=request.form.get("epoch"),
    )
    return "", 204


@bp.post("/chat/closure")
@for_visitors
def close() -> ResponseReturnValue:
    """End the chat that the page shows. A later message opens it again."""
    closed: Closed = call("close_chat", visitor=visitors.known_visitor(), session_id=shown_session())
    if not from_htmx():
        return redirect(url_for("chat.show", _anchor="end"), 303)
    return _news(closed["conversation"], closed["messages"])


@bp.post("/chat/key/delete")
@for_visitors
def forget() -> ResponseReturnValue:
    """Take its key from this browser: the next visit begins anew, and the chat cannot be read here any more."""
    response = make_response(redirect(url_for("chat.show"), 303))
    visitors.delete_visitor_cookie(response)
    return response


@bp.get("/chat/people")
@for_visitors
def people() -> ResponseReturnValue:
    """Show who is here, for the page that starts a chat."""
    return render_template("chat/_people.html", here=call("who_is_here"))


@bp.get("/chat/images/<uuid:image_id>")
@for_visitors
def image(image_id: Any) -> ResponseReturnValue:
    """Serve a picture of this browser's conversation."""
    return serve_image(image_id, visitor=visitors.known_visitor())


def conversation_of_browser() -> Conversation:
    """Return the conversation of the calling browser.

    :raise NotFound: when it has none.
    """
    chat: Conversation | None = call("conversation_of_visitor", visitor=visitors.known_visitor())
    if chat is None:
        raise NotFound("conversation_not_found")
    return chat


# The socket


@bp.before_request
def admit_socket() -> None:
    """Check who opens a socket before the handshake: flask-sock asks nobody afterwards."""
    if security.is_websocket():
        g.session_id = conversation_of_browser()["session_id"]
        prepare_handshake(request)


@for_visitors
def socket(websocket: Server) -> None:
    """Push what happens in the conversation of this browser."""
    session_id = g.session_id
    hub = current_hub()
    page = Connection(websocket.input_buffer.wake, token_hash=visitors.visitor(), address=request.remote_addr or "")
    if not hub.add(page):
        page.close(OVERLOAD)

    def on_message(message: dict[str, Any]) -> None:
        if message.get("hello") is True:
            try:
                hub.show(page, session_id, "customer", Shown.parse(message))
            except DatabaseError:
                page.close(hub.overload_code)

    try:
        run_socket(websocket, page, on_message)
    finally:
        hub.remove(page)


sock.route("/chat/ws", bp=bp)(socket)


# Pages


def _start_page(form: StartForm, *, error: str = "", detail: str = "", status: int = 200) -> ResponseReturnValue:
    values = {
        "form": form,
        "error": error and sentence(error, detail),
        "is_message_wrong": error.startswith("message_"),
    }
    if from_htmx():
        html = render_template("chat/_start_form.html", **values)
        return html, status, {"HX-Retarget": "#start", "HX-Reswap": "outerMorph"}
    return render_template("chat/start.html", here=call("who_is_here"), **values), status


def _chat_page(chat: Conversation, *, error: str = "", status: int = 200) -> ResponseReturnValue:
    before = whole_number("before") or None
    html = render_template(
        "chat/show.html",
        chat=chat,
        rows=call("messages_before", session_id=chat["session_id"], before=before, limit=PAGE),
        is_latest=before is None,
        error=error,
        text=typed_text() if error else "",
        client_message_id=(error and request.form.get("client_message_id")) or new_message_id(),
        **_earlier_links(),
    )
    return html, status


def _earlier_links() -> dict[str, str]:
    return {"earlier_page": url_for("chat.show"), "earlier_lines": url_for("chat.messages")}


def _news(chat: Conversation, rows: list[Message]) -> ResponseReturnValue:
    """Return lines, and what else the socket would have told."""
    fragments = current_fragments()
    html = joined(_lines(chat, rows), partial(fragments.presence(chat), "#presence", "innerMorph"))
    return html, {"HX-Trigger": fragments.state_header("customer", chat, request.args.get("epoch"), is_cut(rows))}


def _lines(chat: Conversation, rows: list[Message]) -> str:
    return current_fragments().messages("customer", chat["number"], rows)
