"""The keys of a project, and what a token says: HS256 JWTs as PostgREST, Realtime and Storage check them."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt

YEAR = 365 * 24 * 3600


class Keys:
    """The legacy keys (JWTs with a role) and the new ones (opaque strings that the gateway translates)."""

    def __init__(self) -> None:
        self._jwt_secret = secrets.token_hex(32)
        self.anon = self.sign("anon")
        self.service_role = self.sign("service_role")
        self.publishable = f"sb_publishable_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"
        self.secret = f"sb_secret_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"

    def sign(self, role: str | None, seconds: float = YEAR, **claims: Any) -> str:
        """Make a token of this project that is good for some seconds; negative ones make it an expired one."""
        now = time.time()
        payload = {"iss": "supabase", "iat": int(now), "exp": int(now + seconds), **claims}
        if role is not None:
            payload["role"] = role
        return jwt.encode(payload, self._jwt_secret, algorithm="HS256")

    def translated(self, key: str) -> str:
        """Return the JWT that stands behind a new key, as the hosted gateway does; others as they are."""
        return {self.publishable: self.anon, self.secret: self.service_role}.get(key, key)

    def is_known(self, key: str) -> bool:
        """Whether the gateway lets this API key in: one of the project's, or any token that the project signed."""
        if key in (self.anon, self.service_role, self.publishable, self.secret):
            return True
        try:
            self.claims(key, check_expiry=False)
        except jwt.InvalidTokenError:
            return False
        return True

    def claims(self, token: str, *, check_expiry: bool = True) -> dict[str, Any]:
        """Return what a token claims.

        :raise jwt.InvalidTokenError: when it is not this project's, or no token at all.
        """
        options: Any = {"verify_exp": check_expiry, "verify_aud": False, "verify_iat": False}
        claims: dict[str, Any] = jwt.decode(token, self._jwt_secret, algorithms=["HS256"], options=options)
        return claims
