"""A push service for the tests, written from RFC 8030, 8188, 8291, 8292, with browsers that subscribe to it.

It refuses what one that keeps to them may refuse, and delivers to its browsers what they can decrypt.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.tls import context_in

MOST_BYTES = 4096  # RFC 8030, 7.2
DAY = 24 * 3600


def unpacked(text: str) -> bytes:
    """Return what base64url without padding stands for."""
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def packed(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decrypted(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Return the text of a message as a browser finds it (RFC 8291, 3.4 and RFC 8188, 2)."""
    salt, record, length = body[:16], int.from_bytes(body[16:20]), body[20]
    sender, content = body[21 : 21 + length], body[21 + length :]
    assert (length, sender[0]) == (65, 4)
    assert len(content) <= record
    own = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    secret = HKDF(SHA256(), 32, auth, b"WebPush: info\0" + own + sender).derive(shared)
    content_key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
    text, _, padding = AESGCM(content_key).decrypt(nonce, content, None).rpartition(b"\2")
    assert padding.strip(b"\0") == b""
    return text


@dataclass
class Subscriber:
    """A browser that has subscribed: what it tells the desk, and what it has got."""

    path: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # instead of 201, one after the other

    @property
    def keys(self) -> dict[str, str]:
        """The keys of the subscription."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": packed(point), "auth": packed(self.auth)}


class PushService:
    """Serves https at localhost. `problems` is what it did not like about requests."""

    def __init__(self, folder: Path) -> None:
        self.subscribers: dict[str, Subscriber] = {}
        self.problems: list[str] = []
        self.keys: set[str] = set()  # who has sent
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"service": self}))
        self._server.daemon_threads = True
        self._server.socket = context_in(folder).wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.origin = f"https://localhost:{self._server.server_port}"
        self.trusted = ssl.create_default_context(cafile=folder / "tls.pem")

    def start(self) -> PushService:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def subscribe(self, name: str = "phone") -> Subscriber:
        """Have a browser subscribe."""
        return self.subscribers.setdefault(f"/push/{name}", Subscriber(f"/push/{name}"))

    def verify(self, authorization: str) -> None:
        """Check who sends (RFC 8292, 2 and 3)."""
        scheme, _, rest = authorization.partition(" ")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert (scheme.lower(), sorted(given)) == ("vapid", ["k", "t"]), authorization
        head, claims, signature = given["t"].split(".")
        assert json.loads(unpacked(head)) == {"typ": "JWT", "alg": "ES256"}
        said = json.loads(unpacked(claims))
        assert said["aud"] == self.origin
        assert time.time() < said["exp"] <= time.time() + DAY
        assert said["sub"].startswith(("https:", "mailto:"))
        raw = unpacked(signature)
        assert len(raw) == 64
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpacked(given["k"]))
        pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        key.verify(pair, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
        self.keys.add(given["k"])

    def take(self, subscriber: Subscriber, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Take a message (RFC 8030, 5)."""
        try:
            self.verify(headers["authorization"])
            assert headers["content-encoding"] == "aes128gcm"
            assert headers["ttl"].isdigit()
            assert headers.get("urgency", "normal") in ("very-low", "low", "normal", "high")
            topic = headers.get("topic", "x")
            assert len(topic) <= 32
            assert topic.replace("-", "").replace("_", "").isalnum()
            assert len(body) <= MOST_BYTES
        except (AssertionError, KeyError, ValueError, InvalidSignature) as error:
            self.problems.append(repr(error))
            return 400, {}
        if subscriber.answers:
            return subscriber.answers.pop(0)
        subscriber.headers.append(headers)
        subscriber.got.append(json.loads(decrypted(body, subscriber.key, subscriber.auth)))
        return 201, {"Location": f"{self.origin}/message/1"}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    service: PushService
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        subscriber = self.service.subscribers.get(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, more = self.service.take(subscriber, headers, body) if subscriber else (410, {})
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""
