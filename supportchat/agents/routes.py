"""Login, the desk as a page, and its socket."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..database import DatabaseError, Invalid, call
from ..provider.flows import said_problem
from ..realtime.connection import SIGNED_OUT, Connection, Shown, view_of
from ..realtime.hub import current_hub
from ..realtime.sockets import DeskSock, refuse_bad_handshake, serve_page
from ..rendering.languages import shipped_language
from ..replies.saved import just_saved
from ..server.client_socket import ClientSocket
from ..tickets.pages import queue_values, ticket_values
from ..web import security
from ..web.forms import whole_number
from ..web.htmx import from_htmx
from ..web.policies import for_people_before_two_factor, for_people_with, open_to_all
from ..web.redirects import safe_next, sending_page
from ..web.refusals import log_login
from ..web.sentences import sentence
from . import logins
from .entering import enter
from .forms import LoginForm

bp = Blueprint("agents", __name__)
sock = DeskSock()


@bp.get("/agent/login")
@open_to_all
def login() -> ResponseReturnValue:
    """Show the login form, or go on from it; say so if the browser has kept no cookie of a login that was right."""
    is_after_login = "done" in request.args
    if logins.current_agent():
        return redirect(safe_next(request.args.get("next", "") if is_after_login else ""), 303)
    error = sentence("cookies_refused") if is_after_login else said_problem()
    return render_template("agents/login.html", form=LoginForm(), error=error)


@bp.post("/agent/login")
@open_to_all
def log_in() -> ResponseReturnValue:
    """Log an agent in."""
    form = LoginForm(request.form)
    if not form.validate():
        return render_template("agents/login.html", form=form), 422
    begun = logins.log_in(form.email.data or "", form.password.data or "")
    if begun is None or not begun.needs_code:  # else the second step has the last word
        log_login(form.email.data or "", is_right=begun is not None)
    if begun is None:
        return render_template("agents/login.html", form=form, error=sentence("login_failed")), 422
    return enter(begun, request.args.get("next"))


@bp.post("/agent/logout")
@for_people_before_two_factor
def log_out() -> ResponseReturnValue:
    """End the login session, with its sockets in every process."""
    call("close_agent_session", token_hash=logins.agent_token_hash())
    response = make_response(redirect(url_for("agents.login"), 303))
    response.headers["Clear-Site-Data"] = '"storage"'  # no page or picture is shown from the cache unasked
    logins.delete_agent_cookie(response)
    return response


@bp.get("/agent")
@for_people_with("answer")
def desk() -> ResponseReturnValue:
    """Show the desk: queue, conversation, customer."""
    number = whole_number("ticket")
    values = {"agent": g.agent, **queue_values(request.args.get("view"))}
    if number:
        values |= ticket_values(number)
    return render_template("agents/desk.html", **values, saved=just_saved())


@bp.post("/agent/availability")
@for_people_with("answer")
def switch_availability() -> ResponseReturnValue:
    """Say whether new tickets may come."""
    agent = call("set_availability", agent_id=g.agent["id"], availability=request.form.get("availability", "")[:32])
    page = request.form.get("next", "")
    if not from_htmx():
        return redirect(safe_next(page), 303)
    here = "desk" if page == url_for("agents.desk") else ""
    return render_template("agents/_availability.html", agent=agent, here=here)


@bp.post("/agent/language")
@for_people_before_two_factor
def choose_language() -> ResponseReturnValue:
    """Keep the language in which an agent reads the desk; without one it is that of their browser."""
    asked = request.form.get("language", "")
    language = shipped_language(asked)
    if asked and language is None:
        raise Invalid("not_understood")
    call("set_language", agent_id=g.agent["id"], language=language)
    return redirect(sending_page(), 303)


# The socket


@bp.before_request
def admit_socket() -> None:
    """Check who opens a socket before the handshake: flask-sock asks nobody afterwards."""
    if security.is_websocket():
        refuse_bad_handshake(request)
        agent = logins.current_agent()
        if agent is None or agent["needs_two_factor"]:
            abort(401)


@for_people_with("answer")
def socket(client: ClientSocket) -> ResponseReturnValue:
    """Push what happens at the desk, and in the ticket that the page shows."""
    hub = current_hub()
    agent = g.agent
    agent_id = agent["id"]
    page = Connection(
        agent_id=agent_id,
        token_hash=logins.agent_token_hash(),
    )
    hub.report_soon()

    def on_message(message: dict[str, Any]) -> None:
        if message.get("hello") is True:
            shown = Shown.parse(message)
            if not logins.is_page_of(agent, shown.agent):
                page.close(SIGNED_OUT)
                return
            try:
                hub.show_ticket(page, shown)
            except DatabaseError:
                page.close(hub.overload_code)
        elif "view" in message:
            hub.desks.turn(page, view_of(message))
        elif "typing" in message:
            hub.say_typing(page, message["typing"], message.get("mode"))

    serve_page(hub, client, page, on_message)
    return ""


sock.route("/agent/ws", bp=bp)(socket)
