"""ID tokens: signed by the provider, for this desk, for the login that is under way (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey

from .errands import BAD, ProviderError
from .metadata import Key

# By a key that everybody may know: with the others, what is public, or our own secret, would do to sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LONGEST = 32 * 1024
LEEWAY = 60  # seconds by which clocks may differ
SUBJECT = re.compile(r"[\x20-\x7e]{1,255}")  # "It MUST NOT exceed 255 ASCII characters in length."


class _Registry(jws.JWSRegistry):
    # joserfc takes 512 bytes, and some tokens bring a certificate.
    max_header_length = LONGEST


_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


class UnknownKeyError(Exception):
    """No key that is known has signed this. There may be a new one."""


def claims_of(
    token: Any, keys: list[Key], *, issuer: str, client_id: str, nonce: str, access_token: str
) -> dict[str, Any]:
    """Return what an ID token claims, once everything about it is right.

    :raise UnknownKeyError: when it names a key that is not there. :raise ProviderError: when anything is wrong.
    """
    if not isinstance(token, str) or len(token) > LONGEST:
        raise ProviderError(BAD, "there is no ID token, or it is too long")
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
        signed = _signed(token, _candidates(header, keys))
        options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
        CodeIDToken(signed.claims, signed.header, options, params).validate(leeway=LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ProviderError(BAD, f"ID token: {_reason(error)}") from error
    if not SUBJECT.fullmatch(signed.claims["sub"]):
        raise ProviderError(BAD, "ID token: sub is not of 1 to 255 ASCII characters")
    return signed.claims


def _candidates(header: dict[str, Any], keys: list[Key]) -> list[Key]:
    """Return the keys with which a token may be signed, by its header."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise ValueError("its algorithm is not accepted")
    fitting = [
        key
        for key in keys
        if isinstance(key, ECKey) == algorithm.startswith("ES")
        and key.get("alg") in (None, algorithm)
        and (kid is None or key.kid == kid)
    ]
    if not fitting:
        raise UnknownKeyError
    return fitting


def _signed(token: str, keys: Iterable[Key]) -> jwt.Token:
    error: JoseError = BadSignatureError()
    for key in keys:
        try:
            return jwt.decode(token, key, registry=_REGISTRY)
        except JoseError as refused:
            error = refused
    raise error


def _reason(error: Exception) -> str:
    # Of joserfc's errors only the code and the name of the claim: what the token says has no place in a log.
    if isinstance(error, JoseError):
        return " ".join(filter(None, (error.error, getattr(error, "claim", ""))))
    return str(error) if type(error) is ValueError and str(error).startswith("its ") else type(error).__name__
