"""Passwords: hashed by argon2 in processes that nothing else waits for."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import Any

import argon2
from flask import has_request_context

from ..database import TooFast
from ..server.places import Full
from ..web import limits
from .helpers import helpers

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


def is_right_password(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one of this hash. Without a hash it takes as long to say no.

    :raise TooFast: when too many logins wait already.
    """
    return bool(ask_helper("verify", password_hash or _NOBODY, password)) and password_hash is not None


def hash_password(password: str) -> str:
    """Return what the database keeps of a password."""
    return str(ask_helper("hash", password))


def random_password() -> str:
    """Return a password of 64 random bits that can be read out on the phone."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def ask_helper(*question: Any) -> Any:
    """Have a process of its own compute something, in the turn of those at the same address.

    :raise TooFast: when too many wait there already.
    """
    try:
        return helpers.ask(limits.address() if has_request_context() else "", *question)
    except Full as error:
        raise TooFast("logins_busy", "2") from error
