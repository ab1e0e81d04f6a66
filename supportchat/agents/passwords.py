"""Passwords: hashed by argon2 in threads that nothing else waits for."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeVar

import argon2

from ..database import TooFast
from .pool import Full, SmallPool

R = TypeVar("R")

# argon2-cffi's defaults are RFC 9106's second recommendation: 64 MiB, 3 passes.
_hasher = argon2.PasswordHasher(parallelism=1)
# Each takes 64 MiB and a third of a second of a processor, so two run at once: in threads that nothing else waits for.
_hashes = SmallPool(threads=2, most_waiting=20)
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
    return _hashing(_verify, password_hash or _NOBODY, password) and password_hash is not None


def hash_password(password: str) -> str:
    """Return what the database keeps of a password."""
    return _hashing(_hasher.hash, password)


def random_password() -> str:
    """Return a password of 64 random bits that can be read out on the phone."""
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _hashing(function: Callable[..., R], *arguments: Any) -> R:
    try:
        return _hashes.run(function, *arguments)
    except Full as error:
        raise TooFast("logins_busy", "2") from error


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
