"""The blueprint that the routes of each resource share."""

from __future__ import annotations

from flask import Blueprint

from ...realtime.sockets import DeskSock

bp = Blueprint("chat", __name__)
sock = DeskSock()
