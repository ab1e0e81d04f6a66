"""Passwords: hashed by argon2 in processes that nothing else waits for."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import Any

import argon2
from flask import g, has_request_context

from ..database import TooFast
from ..server.places import Full
from ..web import limits
from .helpers import helpers

BUSY = ("logins_busy", "2")  # in seconds
# argon2-cffi's defaults are RFC 9106's second recommendation: 64 MiB, 3 passes. See `slow` for who computes them.
_hasher = argon2.PasswordHasher(parallelism=1)
# What a login for an unknown address is checked against, so that it takes as long as one for a known address. It is
# drawn, not computed: a hash takes a third of a second, which no process that starts should have to wait for.
_NOBODY = "$argon2id$v=19$m={},t={},p={}${}${}".format(
    _hasher.memory_cost,
    _hasher.time_cost,
    _hasher.parallelism,
    *(b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len)),
)


def is_right_password(password_hash: str | None, password: str, group: str = "") -> bool:
    """Whether a password is the one of this hash. Without a hash it takes as long to say no.

    :param group: see `ask_helper`. :raise TooFast: when too many logins wait already.
    """
    is_right = ask_helper("verify", password_hash or _NOBODY, password, group=group)
    return bool(is_right) and password_hash is not None


def refuse_when_busy() -> None:
    """Refuse a login before it is counted.

    :raise TooFast: when too many at the same address wait already.
    """
    if helpers.is_full(_own_group()):
        raise TooFast(*BUSY)


def hash_password(password: str) -> str:
    """Return what the database keeps of a password."""
    return str(ask_helper("hash", password))


def random_password() -> str:
    """Return a password of 64 random bits that can be read out on the phone."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def ask_helper(*question: Any, group: str = "") -> Any:
    """Have a process of its own compute something.

    :param group: in whose turn; '' for that of the agent who is logged in, or of those at the same address.
    :raise TooFast: when too many of them wait already.
    """
    try:
        return helpers.ask(group or _own_group(), *question)
    except Full as error:
        raise TooFast(*BUSY) from error


def _own_group() -> str:
    if not has_request_context():
        return ""
    agent = g.get("agent")
    return f"agent/{agent['id']}" if agent else g.get("own_turn") or limits.address()
