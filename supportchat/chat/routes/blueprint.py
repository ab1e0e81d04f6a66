"""The blueprint that the routes of each resource share."""

from __future__ import annotations

from flask import Blueprint
from flask_sock import Sock

bp = Blueprint("chat", __name__)
sock = Sock()
