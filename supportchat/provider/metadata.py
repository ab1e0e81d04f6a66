"""What a provider says of itself (OpenID Connect Discovery 1.0): its endpoints, and the keys that it signs with."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from ..server.hosts import is_loopback
from .errands import BAD, ProviderError

LONGEST_ADDRESS = 2000
MOST_KEYS = 100
RSA_BITS = range(2048, 8193)
LARGEST_EXPONENT = 2**32  # what is larger makes each check slow

Key = RSAKey | ECKey
KINDS: dict[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey}


class Metadata(NamedTuple):
    """The endpoints of a provider, how it wants to be asked for tokens, and whether its redirects name it."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    auth_method: str
    names_itself: bool


def metadata_of(document: dict[str, Any], issuer: str) -> Metadata:
    """Return what a discovery document says. :raise ProviderError: when it is another issuer's, or lacks something."""
    if document.get("issuer") != issuer:
        raise ProviderError(BAD, "discovery names another issuer than OIDC_ISSUER")
    methods = document.get("token_endpoint_auth_methods_supported")
    is_by_post = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return Metadata(
        authorization=_endpoint(document, "authorization_endpoint", issuer),
        token=_endpoint(document, "token_endpoint", issuer),
        keys=_endpoint(document, "jwks_uri", issuer),
        userinfo=_endpoint(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else "",
        auth_method="client_secret_post" if is_by_post else "client_secret_basic",
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: dict[str, Any], name: str, issuer: str) -> str:
    address = document.get(name)
    if not isinstance(address, str) or not _is_safe(address, issuer):
        raise ProviderError(BAD, f"discovery has no usable {name}")
    return address


def _is_safe(address: str, issuer: str) -> bool:
    if len(address) > LONGEST_ADDRESS or not (address.isascii() and address.isprintable()) or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    # Only a provider on this machine has us ask others on this machine.
    is_encrypted = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(host) and urlsplit(issuer).scheme == "http"
    )
    return bool(host) and is_encrypted and "@" not in parts.netloc and "#" not in address


def keys_of(document: dict[str, Any]) -> list[Key]:
    """Return the keys of a JWK set with which tokens may be signed. Those of other kinds are left out."""
    written = document.get("keys")
    if not isinstance(written, list):
        raise ProviderError(BAD, "jwks_uri has no list of keys")
    return [key for each in written[:MOST_KEYS] if (key := _key(each)) is not None]


def _key(written: Any) -> Key | None:
    kind = KINDS.get(str(written.get("kty"))) if isinstance(written, dict) else None
    if kind is None or written.get("use", "sig") != "sig":
        return None
    try:
        # Only the public half, and nothing that says what else it may be for.
        names = ("kty", "kid", "alg", "n", "e", "crv", "x", "y")
        key = kind.import_key({name: written[name] for name in names if isinstance(written.get(name), str)})
        return key if isinstance(key, ECKey) or _is_sound(key) else None
    except (JoseError, ValueError, TypeError):
        return None


def _is_sound(key: RSAKey) -> bool:
    numbers = key.public_key.public_numbers()
    return numbers.n.bit_length() in RSA_BITS and numbers.e <= LARGEST_EXPONENT
