"""What an agent's page does while somebody reads and writes: typing, read marks, pictures."""

from __future__ import annotations

import uuid

from flask import g, request
from flask.typing import ResponseReturnValue

from ...database import call
from ...images.serving import serve_image
from ...web import limits
from ...web.forms import whole_number
from ...web.policies import for_people_with
from .blueprint import TICKET, bp


@bp.post(f"{TICKET}/typing")
@for_people_with("answer")
def type_reply(number: int) -> ResponseReturnValue:
    """Let the customer see that somebody is typing."""
    limits.check("typing", g.agent["id"])
    call("signal_typing", agent_id=g.agent["id"], number=number)
    return "", 204


@bp.post(f"{TICKET}/receipts")
@for_people_with("answer")
def acknowledge(number: int) -> ResponseReturnValue:
    """Remember how far this agent has received and read."""
    limits.check("receipts", g.agent["id"])
    call(
        "record_receipt",
        agent_id=g.agent["id"],
        number=number,
        delivered=whole_number("delivered"),
        read=whole_number("read"),
        epoch=request.form.get("epoch"),
    )
    return "", 204


@bp.get(f"{TICKET}/images/<uuid:image_id>")
@for_people_with("answer")
def image(number: int, image_id: uuid.UUID) -> ResponseReturnValue:
    """Serve a picture of a ticket's conversation."""
    return serve_image(image_id, number=number)
