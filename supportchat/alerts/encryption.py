"""The encryption of what is pushed, so that the push service cannot read it (RFC 8291, with RFC 8188 in one record)."""

from __future__ import annotations

import base64
import os
import struct

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_BYTES = 4096
PADDED_BYTES = 512  # the length of what is sent says nothing of the length of a name
POINT_BYTES, AUTH_BYTES, SALT_BYTES = 65, 16, 16


def decoded(text: str) -> bytes:
    """Return what base64url stands for, with or without its padding.

    :raise ValueError: when it is none.
    """
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encrypt(
    content: bytes,
    p256dh: str,
    auth: str,
    *,
    salt: bytes | None = None,
    own_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Return the body of a push message.

    :param p256dh: the public key of the browser, and `auth` what it has shared with us.
    :param salt: with `own_key` for a test alone: both are random for each message.
    :raise ValueError: when these are no keys.
    """
    salt, own_key = salt or os.urandom(SALT_BYTES), own_key or ec.generate_private_key(ec.SECP256R1())
    point, shared = browser_keys(p256dh, auth)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    own = own_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = _derived(own_key.exchange(ec.ECDH(), theirs), shared, b"WebPush: info\0" + point + own, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    head = salt + struct.pack("!IB", RECORD_BYTES, len(own)) + own
    return head + AESGCM(key).encrypt(nonce, content + b"\2", None)


def browser_keys(p256dh: str, auth: str) -> tuple[bytes, bytes]:
    """Return the keys of a browser.

    :raise ValueError: when these are none.
    """
    point, shared = decoded(p256dh), decoded(auth)
    if len(point) != POINT_BYTES or len(shared) != AUTH_BYTES:
        raise ValueError("no keys of a push subscription")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return point, shared


def padded(text: bytes) -> bytes:
    """Return JSON with spaces behind it, in steps."""
    return text.ljust(-(-len(text) // PADDED_BYTES) * PADDED_BYTES)


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
