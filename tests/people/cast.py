"""Links, made as an admin does."""

from __future__ import annotations

import secrets
from typing import Any

from supportchat.web.cookies import token_hash
from tests.cast import Agent


def new_token() -> str:
    """Return a token as the desk makes one."""
    return secrets.token_urlsafe(32)


def link_for(admin: Agent, function: str, **arguments: Any) -> str:
    """Have an admin make a link, and return its path."""
    token = new_token()
    admin.call(function, token_hash=token_hash(token), **arguments)
    return f"/links/{token}"
