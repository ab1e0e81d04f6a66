"""The key by which push services know the desk (VAPID, RFC 8292): made once, and kept in the database."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.jwk import ECKey

from ..database import Database
from ..database.rows import PushKeyPair
from .encryption import decoded, encoded

LIFETIME_SECONDS = 12 * 3600  # services take 24 hours at most
RENEWED_SECONDS = 3600  # before its end
MOST_TOKENS = 50


class PushKeys:
    """The keys, read when they are first needed, and what was signed with them lately.

    A server process makes them when it starts, because no page may: showing one changes nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key: ECKey | None = None
        self._public = ""
        self._tokens: dict[tuple[str, str], tuple[float, str]] = {}

    def public(self) -> str:
        """Return the public key, as browsers want it; '' while none is made.

        :raise DatabaseError: when it cannot be read.
        """
        if self._key is None and (kept := self._database.call("push_keys")):
            self._keep(kept)
        return self._public

    def make(self) -> ECKey:
        """Make the keys unless the desk has some, and return the private one.

        :raise DatabaseError: when they cannot be read or kept.
        """
        self.public()
        return self._key or self._keep(self._new())

    def authorization(self, endpoint: str, contact: str) -> str:
        """Return the header by which a push service knows who sends.

        :param contact: an address of the desk, for whoever runs the service.
        :raise DatabaseError: when the key cannot be read.
        """
        parts = urlsplit(endpoint)
        named, now = (f"{parts.scheme}://{parts.netloc}", contact), time.time()
        ends, token = self._tokens.get(named, (0.0, ""))
        if ends - RENEWED_SECONDS < now:
            if len(self._tokens) >= MOST_TOKENS:
                self._tokens.clear()
            ends = now + LIFETIME_SECONDS
            token = self._signed({"aud": named[0], "exp": int(ends), "sub": contact})
            self._tokens[named] = ends, token
        return f"vapid t={token}, k={self.public()}"

    def _signed(self, claims: dict[str, Any]) -> str:
        head = {"typ": "JWT", "alg": "ES256"}
        return jws.serialize_compact(head, json.dumps(claims), self.make(), algorithms=["ES256"])

    def _new(self) -> PushKeyPair:
        private, public = _new_pair()
        kept: PushKeyPair = self._database.call("push_keys", private_key=private, public_key=public)
        return kept  # those of another process, if it was faster

    def _keep(self, kept: PushKeyPair) -> ECKey:
        self._public, self._key = kept["public_key"], _key_of(kept["private_key"], kept["public_key"])
        return self._key


def _new_pair() -> tuple[str, str]:
    made = ECKey.generate_key("P-256", private=True).as_dict(private=True)
    point = b"\4" + decoded(str(made["x"])) + decoded(str(made["y"]))
    return str(made["d"]), encoded(point)


def _key_of(private: str, public: str) -> ECKey:
    point = decoded(public)
    x, y = encoded(point[1:33]), encoded(point[33:])
    return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": private})
