"""Replies that are held for some seconds, so that their agent can take them back, and those that were not sent."""

from __future__ import annotations

import uuid

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from ...database import NotFound, call
from ...database.rows import Answer, HeldReply, Queue, StoredPicture
from ...images.serving import serve_stored
from ...realtime.hub import current_hub
from ...rendering.fragments import joined, partial
from ...replies.acts import boxes_of
from ...web.forms import message_id
from ...web.htmx import from_htmx, is_shown
from ...web.policies import for_people_with
from .blueprint import TICKET, bp, in_pane, to_desk, turn_to_next, whole_ticket

ACCEPTED = {"X-Accepted": "yes"}  # says to the script of the page that the message need not be sent again
REPLY = "<uuid:reply_id>"


@bp.get(f"{TICKET}/held")
@for_people_with("answer")
def held(number: int) -> ResponseReturnValue:
    """Show what the agent has in a ticket that is held or was not sent."""
    return _shown(number, _held(number)) if from_htmx() else to_desk(number)


@bp.delete(f"{TICKET}/held/{REPLY}")
@for_people_with("answer")
def take_back(number: int, reply_id: uuid.UUID) -> ResponseReturnValue:
    """Take back a held reply: the page puts it into its box. With `show` the page turns to the ticket."""
    reply: HeldReply = call("take_back_reply", agent_id=g.agent["id"], number=number, client_message_id=str(reply_id))
    taken = render_template("tickets/_taken_back.html", number=number, reply=reply, boxes=boxes_of(reply["acts"]))
    news = joined(partial(taken, "#taken-back"), partial("", "#toast"))
    if "show" in request.args and not is_shown(ticket=str(number)):
        return in_pane(joined(whole_ticket(number), news), number)
    return joined(_shown(number, _held(number)), news)


@bp.delete(f"{TICKET}/unsent/{REPLY}")
@for_people_with("answer")
def forget(number: int, reply_id: uuid.UUID) -> ResponseReturnValue:
    """Forget a reply that was not sent: it is in a box again, or not wanted any more."""
    call("forget_reply", agent_id=g.agent["id"], number=number, client_message_id=str(reply_id))
    return _shown(number, _held(number))


@bp.get(f"{TICKET}/held/{REPLY}/picture")
@for_people_with("answer")
def held_picture(number: int, reply_id: uuid.UUID) -> ResponseReturnValue:
    """Serve the picture of a reply that is held or was not sent."""
    stored: StoredPicture | None = call(
        "picture_of_held", agent_id=g.agent["id"], number=number, client_message_id=str(reply_id)
    )
    if stored is None:
        raise NotFound("not_found")
    return serve_stored(stored, stored["key"])


def hold(number: int, answer: Answer, goes_on: bool) -> ResponseReturnValue:
    """Answer a reply that is held now: show it, and offer to take it back.

    :param goes_on: whether the page turns to the next ticket, as it does when a ticket is closed.
    """
    rows, once = _held(number), message_id()
    seconds = next((row["due_in"] for row in rows if row["client_message_id"] == once), None)
    if seconds is None:  # an earlier attempt, which was taken back since
        return _shown(number, rows), ACCEPTED
    current_hub().held.send_in(seconds, answer["session_id"])
    toast = render_template("tickets/_toast.html", number=number, done="held", reply_id=once, seconds=round(seconds))
    if goes_on:
        queue: Queue = call("list_tickets", agent_id=g.agent["id"], view="mine", limit=2)
        content, headers = turn_to_next(queue, toast, leaving=number)
        return content, headers | ACCEPTED
    # The list that the form names may have left the page with its ticket: htmx would show nothing then.
    return joined(_shown(number, rows), partial(toast, "#toast")), ACCEPTED | {"HX-Retarget": "#toast"}


def _held(number: int) -> list[HeldReply]:
    rows: list[HeldReply] = call("held_replies", agent_id=g.agent["id"], number=number)
    return rows


def _shown(number: int, rows: list[HeldReply]) -> str:
    content = render_template("tickets/_held.html", number=number, held_replies=rows, agent=g.agent)
    return partial(content, f"#held-{number}")
