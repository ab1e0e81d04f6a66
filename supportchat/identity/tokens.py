"""Signed tokens by which a site names a customer: checked by the site's settings, whatever the token says of itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from flask import current_app
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from ..database.rows import IdentityRules
from ..provider.errands import ProviderError
from .claims import Named, named_by
from .keys import IssuerKeys

HS256 = "HS256"
ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256")
MOST_BYTES = 4096
LEEWAY = 30  # seconds by which clocks may differ
MINUTE = 60

Key = OctKey | RSAKey | ECKey


class TokenRefused(Exception):
    """A token that names nobody. `reason` is for whoever has written the site, and for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def named_in(token: str, rules: IdentityRules, now: float | None = None) -> Named:
    """Return whom a token names.

    :raise TokenRefused: when anything is wrong with it.
    """
    # Before anything is looked at: what comes from a page may be anything.
    if not token or len(token) > MOST_BYTES or not token.isascii():
        raise TokenRefused("size")
    try:
        claims = _signed(token, rules)
        _check_times(claims, rules["longest_minutes"] * MINUTE, time.time() if now is None else now)
        _check_parties(claims, rules)
    except JoseError as error:
        raise TokenRefused("signature") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise TokenRefused("format") from error
    except ProviderError as error:
        raise TokenRefused(f"keys: {error.reason}") from error
    try:
        return named_by(claims)
    except ValueError as error:
        raise TokenRefused(str(error)) from error


def _signed(token: str, rules: IdentityRules) -> dict[str, Any]:
    """Return the claims of a token, once one of the keys has signed it by the only algorithm that counts."""
    by_secret = rules["method"] == "secret"
    algorithm = HS256 if by_secret else rules["algorithm"]
    # Without the check of what is in the header besides: we look at none of it.
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    header = jws.extract_compact(token.encode(), registry=registry).headers()
    if header.get("alg") != algorithm:
        raise TokenRefused("alg")
    if by_secret:
        keys: Iterable[Key] = [OctKey.import_key(secret) for secret in rules["secrets"]]
    else:
        issuer_keys: IssuerKeys = current_app.extensions["issuer_keys"]
        keys = issuer_keys.fitting(rules["keys_url"] or "", header.get("kid"), algorithm)
    return _by_one_of(token, keys, registry)


def _by_one_of(token: str, keys: Iterable[Key], registry: jws.JWSRegistry) -> dict[str, Any]:
    error: JoseError = BadSignatureError()
    for key in keys:
        try:
            payload = jws.deserialize_compact(token.encode(), key, registry=registry).payload
        except JoseError as refused:
            error = refused
        else:
            return _claims(payload)
    raise error


def _claims(payload: bytes | None) -> dict[str, Any]:
    claims = json.loads(payload or b"", object_pairs_hook=_object)
    if not isinstance(claims, dict):
        raise TypeError("claims")
    return claims


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that says nothing twice: a site that puts its tokens together from texts could be made to.

    :raise ValueError: for any other.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("claims")
    return found


def _check_times(claims: dict[str, Any], longest: int, now: float) -> None:
    ends = _moment(claims, "exp")
    if ends is None or ends <= now - LEEWAY:
        raise TokenRefused("exp")
    if ends > now + longest + LEEWAY:
        raise TokenRefused("exp: too far away")
    for name in ("nbf", "iat"):
        begins = _moment(claims, name)
        if begins is not None and begins > now + LEEWAY:
            raise TokenRefused(name)


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise TokenRefused(name)
    return float(value)


def _check_parties(claims: dict[str, Any], rules: IdentityRules) -> None:
    if rules["issuer"] and claims.get("iss") != rules["issuer"]:
        raise TokenRefused("iss")
    meant = claims.get("aud")
    if rules["audience"] and rules["audience"] not in (meant if isinstance(meant, list) else [meant]):
        raise TokenRefused("aud")
