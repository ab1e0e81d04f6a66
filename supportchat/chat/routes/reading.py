"""What a customer's page does while somebody reads and writes: typing, read marks, pictures."""

from __future__ import annotations

import uuid

from flask import request
from flask.typing import ResponseReturnValue

from ...database import call
from ...images.serving import serve_image
from ...web import limits
from ...web.forms import whole_number
from ...web.policies import for_visitors
from .. import visitors
from .blueprint import bp


@bp.post("/chat/typing")
@for_visitors
def type_message() -> ResponseReturnValue:
    """Let the agent see that the customer is typing."""
    visitor = visitors.known_visitor()
    limits.check_browser("typing", visitor)
    call("signal_typing", visitor=visitor)
    return "", 204


@bp.post("/chat/receipts")
@for_visitors
def acknowledge() -> ResponseReturnValue:
    """Remember how far this browser has received and read; not of a conversation that another tab has left behind."""
    visitor = visitors.known_visitor()
    limits.check_browser("receipts", visitor)
    call(
        "record_receipt",
        visitor=visitor,
        delivered=whole_number("delivered"),
        read=whole_number("read"),
        epoch=request.form.get("epoch"),
    )
    return "", 204


@bp.get("/chat/images/<uuid:image_id>")
@for_visitors
def image(image_id: uuid.UUID) -> ResponseReturnValue:
    """Serve a picture of this browser's conversation."""
    return serve_image(image_id, visitor=visitors.known_visitor())
