"""The chat as a whole: its start, its end, and its key."""

from __future__ import annotations

import re

from flask import make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ...config import current_config
from ...database import call
from ...database.rows import Closed, Conversation, Started
from ...realtime.hub import current_hub
from ...sites import chat_address, shown_site, site_of_request
from ...web import limits, posting, security
from ...web.cookies import token_hash
from ...web.errors import REFUSALS, described
from ...web.forms import message_id, message_text, new_message_id, shown_session
from ...web.htmx import from_htmx
from ...web.policies import for_visitors
from .. import visitors
from ..forms import NameForm, StartForm, normal_phone
from ..pages import chat_page, conversation_of_browser, news, start_page, who_is_here
from ..time_zones import known_time_zone
from .blueprint import bp

ORIGIN = re.compile(r"https?://[\w.:\[\]-]{1,280}", re.ASCII)


@bp.get("/")
@for_visitors
def index() -> ResponseReturnValue:
    """Lead to the chat."""
    return redirect(chat_address(), 303)


@bp.get("/chat")
@for_visitors
def show() -> ResponseReturnValue:
    """Show the conversation of this browser, or the form that starts one."""
    key = visitors.visitor()
    chat: Conversation | None = call("conversation_of_visitor", visitor=key) if key else None
    if chat is None or (chat["status"] == "closed" and "new" in request.args):
        visitors.ensure_visitor()
        return start_page(StartForm(MultiDict({"client_message_id": new_message_id()})))
    visitors.keep_visitor()
    limits.know(key)
    return chat_page(chat)


@bp.post("/chat")
@for_visitors
def start() -> ResponseReturnValue:
    """Start a chat with its first message, or go on with the one that runs."""
    form = StartForm(request.form)
    visitor, config = visitors.kept_visitor(), current_config()
    if not form.validate():
        return start_page(form, status=422)
    try:
        limits.check_browser("messages", visitor)
        fresh = visitors.fresh_key(message_id())
        answer: Started = posting.store_message(
            "start_chat",
            message_text(),
            "",  # a key that nobody has chatted with may be anybody's
            visitor=visitor,
            fresh=token_hash(fresh),
            customer_name=form.customer_name.data or None,
            customer_phone=normal_phone(form.customer_phone.data or "") or None,
            time_zone=known_time_zone(form.time_zone.data),
            site=site_of_request()["key"],
            framed_on=_page_around(form.framed_on.data or ""),
            address=limits.address(),
            limits={"browser": config.limit_starts, "address": config.limit_starts_per_address},
        )
    except REFUSALS as error:
        status, code, detail = described(error)
        return start_page(form, error=code, detail=detail, status=status)
    if answer["visitor"] != visitor:
        visitors.take_key(fresh)
    limits.know(answer["visitor"])
    current_hub().offer(answer)
    if from_htmx():
        response = make_response("", 200)
        response.headers["HX-Redirect"] = chat_address()
        return response
    return redirect(chat_address(), 303)


@bp.post("/chat/name")
@for_visitors
def introduce() -> ResponseReturnValue:
    """Note what the customer of the chat is called."""
    visitor, form = visitors.known_visitor(), NameForm(request.form)
    limits.check_browser("messages", visitor)
    if not form.validate():
        chat = conversation_of_browser()
        if from_htmx():
            return render_template("chat/_introduction.html", chat=chat, name_form=form), 422
        return chat_page(chat, name_form=form, status=422)
    chat = call("name_customer", visitor=visitor, session_id=shown_session(), name=form.customer_name.data)
    if from_htmx():
        return render_template("chat/_introduced.html", chat=chat)
    return redirect(chat_address(_anchor="end"), 303)


@bp.post("/chat/closure")
@for_visitors
def close() -> ResponseReturnValue:
    """End the chat that the page shows. A later message opens it again."""
    closed: Closed = call("close_chat", visitor=visitors.known_visitor(), session_id=shown_session())
    if not from_htmx():
        return redirect(chat_address(_anchor="end"), 303)
    return news(closed["conversation"], closed["messages"])


@bp.post("/chat/key/delete")
@for_visitors
def forget() -> ResponseReturnValue:
    """Take its key from this browser: the next visit begins anew, and the chat cannot be read here any more."""
    if key := visitors.visitor():
        call("end_visit", visitor=key)  # whoever else has it reads nothing either
    response = make_response(redirect(chat_address(), 303))
    visitors.delete_visitor_cookie(response)
    return response


@bp.get("/chat/people")
@for_visitors
def people() -> ResponseReturnValue:
    """Show who is here, for the page that starts a chat."""
    return render_template("chat/_people.html", site=shown_site(), here=who_is_here())


def _page_around(said: str) -> str | None:
    """Return the origin of the page that says it shows the chat in a frame, if it may."""
    return said if ORIGIN.fullmatch(said) and security.may_frame(said) else None
