"""Whom the claims of a provider describe, and what the settings make of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..agents.forms import EMAIL, EMAIL_CHARACTERS, NAME_CHARACTERS, clean_email
from ..config import Config
from ..config.oidc import BY_ROLE, ROLES
from ..web.text import clean_line


class Person(NamedTuple):
    """Somebody whom the provider names: by `subject`, and nothing else. `email` is '' unless it is verified.

    `role` is what a claim demands, None where none has a say; `account` is what a rule makes for who has none yet.
    """

    subject: str
    name: str
    email: str
    role: str | None
    account: dict[str, str] | None


def wanted_claims(config: Config) -> set[str]:
    """Return the claims that the desk makes use of, besides the subject."""
    role_claim = {config.oidc_role_claim.partition(".")[0]} if config.oidc_role_claim else set()
    return {"email", "email_verified", "name", *role_claim}


def person_of(claims: dict[str, Any], config: Config) -> Person:
    """Return whom claims describe that were checked."""
    name, email, claimed = _name(claims), _email(claims), _role(claims, config)
    may_join = bool(email) and (
        (claimed is not None and BY_ROLE in config.oidc_accounts) or f"@{_domain(email)}" in config.oidc_accounts
    )
    account = {"name": name, "email": email, "role": claimed or ROLES[0]} if may_join else None
    # Who has none of the values any more has lost what they gave.
    role = (claimed or ROLES[0]) if config.oidc_roles else None
    return Person(claims["sub"], name, email, role, account)


def _name(claims: dict[str, Any]) -> str:
    said = claims.get("name")
    return clean_line(said[: 4 * NAME_CHARACTERS])[:NAME_CHARACTERS].strip() if isinstance(said, str) else ""


def _email(claims: dict[str, Any]) -> str:
    said, is_verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(said, str) or not (is_verified is True or is_verified == "true"):
        return ""
    is_address = 3 <= len(said) <= EMAIL_CHARACTERS and EMAIL.fullmatch(said) and clean_email(said) == said
    return said if is_address else ""


def _domain(email: str) -> str:
    domain = email.rpartition("@")[2]
    # Only of ASCII: some other letters have a lower case in it.
    return domain.lower() if domain.isascii() else ""


def _role(claims: dict[str, Any], config: Config) -> str | None:
    """Return the highest role that the values of the claim give."""
    values = _values(claims, config.oidc_role_claim)
    given = [role for value, role in config.oidc_roles if value in values]
    return max(given, key=ROLES.index, default=None)


def _values(claims: dict[str, Any], name: str) -> list[str]:
    """Return the values of a claim: of the one of this name, or of one within others, as `app_metadata.roles`."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    return [value for value in (found if isinstance(found, list) else [found]) if isinstance(value, str)]
