"""The page on which admins say how a site names its customers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cast import Agent
from tests.web import Web

pytestmark = pytest.mark.mode("postgres")

ISSUER = {
    "method": "issuer",
    "issuer": "https://abc.supabase.co/auth/v1",
    "keys_url": "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
    "algorithm": "ES256",
    "audience": "authenticated",
    "longest_minutes": "60",
}
PAGE = "/sites/main/identity"


def test_an_issuer_can_be_named(web: Web, rows: Any) -> None:
    admin = web.agent("carol")
    assert admin.get(PAGE).status_code == 200
    assert admin.post(PAGE, **ISSUER, shows_card="y").status_code == 303
    assert rows("select method, algorithm, longest_minutes, shows_card from site_identity") == [
        ("issuer", "ES256", 60, True)
    ]
    page = admin.get("/audit").text
    assert "Changed how the site" in page
    assert ISSUER["keys_url"] in admin.get(PAGE).text


def test_what_cannot_be_is_refused_at_its_field_and_stays_typed(web: Web, rows: Any) -> None:
    cases: list[tuple[str, str, str]] = [
        ("keys_url", "http://abc.supabase.co/keys", "begins with https://"),
        ("keys_url", "https://user@abc.supabase.co/keys", "begins with https://"),
        ("keys_url", "file:///etc/passwd", "begins with https://"),
        ("keys_url", "", "An issuer needs this."),
        ("issuer", "", "An issuer needs this."),
        ("audience", "", "An issuer needs this."),
        ("algorithm", "none", "Not a valid choice"),
        ("algorithm", "HS256", "Not a valid choice"),
        ("longest_minutes", "0", "whole number from 1 to 1440"),
        ("longest_minutes", "soon", "whole number from 1 to 1440"),
        ("issuer", "x" * 501, "up to 500 characters"),
    ]
    carol = web.agent("carol")
    for field, value, said in cases:
        answer = carol.post(PAGE, **ISSUER | {field: value})
        assert answer.status_code == 422
        assert said in answer.text
        assert ISSUER["keys_url"] in answer.text or field == "keys_url"
        assert rows("select count(*) from site_identity") == [(0,)]


def test_a_secret_is_shown_once_and_there_are_two_at_most(web: Web, rows: Any, carol: Agent) -> None:
    admin = web.agent("carol")
    first = admin.post(f"{PAGE}/secrets").text
    [secret] = {each for (each,) in rows("select secret from site_secrets")}
    assert secret in first
    assert secret not in admin.get(PAGE).text
    assert secret not in admin.get("/audit").text
    assert admin.post(f"{PAGE}/secrets").status_code == 200
    refused = admin.post(f"{PAGE}/secrets")
    assert refused.status_code in (405, 409)
    [(oldest,)] = rows("select id::text from site_secrets order by created_at limit 1")
    assert re.search(rf"secrets/{oldest}/delete", admin.get(PAGE).text)
    assert admin.post(f"{PAGE}/secrets/{oldest}/delete").status_code == 303
    assert rows("select count(*) from site_secrets where secret = %s", secret) == [(0,)]


def test_a_site_that_is_not_there_has_no_settings(web: Web) -> None:
    admin = web.agent("carol")
    assert admin.get("/sites/none/identity").status_code == 404
    assert admin.post("/sites/none/identity", **ISSUER).status_code == 404
    assert admin.post("/sites/none/identity/secrets").status_code == 404
