"""The blueprint that the routes of each resource share."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, has_request_context

from ...realtime.sockets import DeskSock
from ...sites import link_values

bp = Blueprint("chat", __name__)
sock = DeskSock()


@bp.url_defaults
def stay_on_site(endpoint: str, values: dict[str, Any]) -> None:
    """Have every address of the chat name the site of the request: what is shown in its frame stays there."""
    if has_request_context():
        for name, value in link_values().items():
            values.setdefault(name, value)
