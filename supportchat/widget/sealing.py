"""A key of a browser, sealed so that only who has the token of a link can read it: the database cannot."""

from __future__ import annotations

import base64
import hashlib


def sealed(key: str, token: str) -> str:
    """Return a key that is sealed with a token. A token seals one key only."""
    return base64.urlsafe_b64encode(_with_pad(key.encode(), token)).decode()


def opened(text: str, token: str) -> str:
    """Return the key that was sealed with a token."""
    return _with_pad(base64.urlsafe_b64decode(text), token).decode()


def _with_pad(data: bytes, token: str) -> bytes:
    # Another hash of the token than the one by which the database knows the link.
    pad = hashlib.shake_256(f"seal {token}".encode()).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, pad, strict=True))
