"""The settings of an OpenID Connect provider, by which people may log in: docs/oidc.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..server.hosts import is_loopback
from ..web.text import clean_line
from .values import ConfigError

ROLES = ("agent", "lead", "admin")  # from the one that may least
BY_ROLE = "role"  # of OIDC_ACCOUNTS: whoever has one of OIDC_ROLES gets an account
LONGEST_ISSUER = 255
LONGEST_NAME = 40
NEEDED = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
OTHERS = ("OIDC_NAME", "OIDC_ACCOUNTS", "OIDC_ROLE_CLAIM", "OIDC_ROLES")
DOMAIN = re.compile(r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def provider_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the provider by the names of `Config`; nothing where there is none."""
    given = {name: environ.get(name, "").strip() for name in (*NEEDED, *OTHERS)}
    if not any(given.values()):
        return {}
    for name in NEEDED:
        if not given[name]:
            raise ConfigError(f"{name} is not set: the desk needs {', '.join(NEEDED)} to let people log in with OIDC.")
        if not (given[name].isascii() and given[name].isprintable()):
            raise ConfigError(f"{name} has characters that no provider gives out: copy it again.")
    issuer, roles = _issuer(given["OIDC_ISSUER"]), _roles(given["OIDC_ROLES"])
    if bool(given["OIDC_ROLE_CLAIM"]) != bool(roles):
        raise ConfigError("OIDC_ROLE_CLAIM and OIDC_ROLES need each other: a claim, and which role its values give.")
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": given["OIDC_CLIENT_ID"],
        "oidc_client_secret": given["OIDC_CLIENT_SECRET"],
        "oidc_name": _name(given["OIDC_NAME"] or urlsplit(issuer).hostname or ""),
        "oidc_accounts": _accounts(given["OIDC_ACCOUNTS"], roles),
        "oidc_role_claim": given["OIDC_ROLE_CLAIM"],
        "oidc_roles": roles,
    }


def _issuer(value: str) -> str:
    """Return an issuer as it is written: tokens name it in exactly the same way."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        is_usable = not (parts.query or parts.fragment or "@" in parts.netloc or "?" in value or "#" in value)
    except ValueError:
        host, is_usable = "", False
    is_safe = is_usable and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
    if not host or not is_safe or len(value) > LONGEST_ISSUER or " " in value:
        raise ConfigError(
            f"OIDC_ISSUER is {value!r}: write it as https://login.example.com/path, exactly as the provider's"
            " /.well-known/openid-configuration names it."
        )
    return value


def _name(value: str) -> str:
    if len(value) > LONGEST_NAME or clean_line(value) != value:
        raise ConfigError(f"OIDC_NAME is {value!r}: write at most {LONGEST_NAME} characters on one line.")
    return value


def _roles(value: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for written in value.split():
        claimed, _, role = written.rpartition("=")
        if not claimed or role not in ROLES:
            raise ConfigError(
                f"OIDC_ROLES has {written!r}: write a value of the claim and a role ({', '.join(ROLES)}), such as"
                " desk-admins=admin, and separate several with spaces."
            )
        pairs.append((claimed, role))
    return tuple(pairs)


def _accounts(value: str, roles: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    rules = tuple(value.lower().split())
    for rule in rules:
        if rule == BY_ROLE and not roles:
            raise ConfigError("OIDC_ACCOUNTS is role, but OIDC_ROLES is not set: say which values give which role.")
        if rule != BY_ROLE and not DOMAIN.fullmatch(rule):
            raise ConfigError(
                f"OIDC_ACCOUNTS has {rule!r}: write domains of e-mail addresses as @example.com, or role, and separate"
                " several with spaces."
            )
    return rules
