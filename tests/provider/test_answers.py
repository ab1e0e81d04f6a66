"""A provider that answers wrongly, slowly or not at all lets nobody in, whatever it is."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from supportchat.config import Config
from supportchat.provider import errands
from supportchat.provider.errands import BAD, UNREACHABLE, ProviderError
from supportchat.provider.people import Person
from supportchat.provider.provider import Provider

from .conftest import agreed
from .issuer import CLIENT, SECRET, Handler, Issuer, by_key_of_its_own, by_shared_key, packed, slowly, unsigned

BACK = "http://127.0.0.1:3000/agent/login/callback"
FLOW = {"nonce": "n" * 43, "code_verifier": "v" * 43, "redirect_uri": BACK}


@pytest.fixture
def provider(issuer: Issuer) -> Provider:
    """What a desk asks of it."""
    named = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "oidc_name": "Acme"}
    return Provider(Config(**named))  # type: ignore[arg-type]


def brought(provider: Provider) -> Person:
    """Go out to the provider, agree, and return whom it names."""
    address = provider.authorization_address(state="s" * 43, **FLOW)
    answer = dict(parse_qsl(urlsplit(agreed(address)).query))
    return provider.person(answer["code"], **FLOW, named=answer.get("iss"))


def refused(provider: Provider, code: str = BAD) -> str:
    """Return why nobody is let in."""
    with pytest.raises(ProviderError) as error:
        brought(provider)
    assert error.value.code == code
    return error.value.reason


def test_a_provider_that_does_as_it_should_names_somebody(provider: Provider, issuer: Issuer) -> None:
    issuer.user |= {"name": "Bob", "email": "bob@example.com", "email_verified": True}
    assert brought(provider) == Person(issuer.user["sub"], "Bob", "bob@example.com", None, None)


NOW = int(time.time())
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example"}, "iss"),
    "the issuer with a slash": ({"iss": "http://127.0.0.1/"}, "iss"),
    "issuers": ({"iss": ["http://127.0.0.1"]}, "iss"),
    "another client": ({"aud": "shop"}, "aud"),
    "a client that only begins alike": ({"aud": CLIENT + "2"}, "aud"),
    "no client": ({"aud": []}, "aud"),
    "a client within an object": ({"aud": {CLIENT: 1}}, "aud"),
    "another client among ours": ({"aud": [CLIENT, "shop"]}, "azp"),
    "ours, for another": ({"aud": [CLIENT, "shop"], "azp": "shop"}, "azp"),
    "another nonce": ({"nonce": "m" * 43}, "nonce"),
    "a nonce of another type": ({"nonce": None}, "nonce"),
    "over": ({"exp": NOW - 100}, "exp"),
    "never over": ({"exp": float("inf")}, "exp"),
    "over, as text": ({"exp": str(NOW + 1000)}, "exp"),
    "of the future": ({"iat": NOW + 1000}, "iat"),
    "not valid yet": ({"nbf": NOW + 1000}, "nbf"),
    "another access token": ({"at_hash": "x" * 22}, "at_hash"),
    "a hash of another type": ({"at_hash": 5}, "at_hash"),
    "no text as subject": ({"sub": 5}, "sub"),
    "no subject": ({"sub": ""}, "sub"),
    "a list of subjects": ({"sub": ["248289761001"]}, "sub"),
    "a subject of 256 characters": ({"sub": "x" * 256}, "sub"),
    "a subject of 10 KB": ({"sub": "x" * 10_000}, "sub"),
    "a subject with NUL": ({"sub": "248289761001\x00"}, "sub"),
    "a subject with a line": ({"sub": "248289761001\n"}, "sub"),
    "a subject that looks alike": ({"sub": "24828976100\u0661"}, "sub"),
    "a subject with a lone surrogate": ({"sub": "\ud800"}, "sub"),
}


@pytest.mark.parametrize("what", CLAIMS)
def test_a_token_that_claims_something_else_is_refused(provider: Provider, issuer: Issuer, what: str) -> None:
    issuer.faults["claims"], claim = CLAIMS[what]
    assert f" {claim}" in refused(provider)


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "exp", "iat", "nonce"])
def test_a_token_that_lacks_a_claim_is_refused(provider: Provider, issuer: Issuer, missing: str) -> None:
    issuer.faults["without"] = (missing,)
    if missing == "iss":
        issuer.more = {"authorization_response_iss_parameter_supported": False}
    assert f"missing_claim {missing}" in refused(provider)


def by_another_key(issuer: Issuer) -> Any:
    published = issuer.key

    def sign(claims: dict[str, Any]) -> str:
        issuer.rotate(kid=published.kid)
        signed = issuer.sign(claims)
        issuer.key = published
        return signed

    return sign


SIGNATURES: dict[str, Any] = {
    "none": lambda issuer: unsigned,
    "the public key as a shared one": lambda issuer: by_shared_key(issuer.key.as_pem(private=False)),
    "our secret": lambda issuer: by_shared_key(SECRET.encode()),
    "the shared key of the set": lambda issuer: by_shared_key(b"shared"),
    "a key that it brings": lambda issuer: by_key_of_its_own,
    "another key of that name": by_another_key,
    "a changed signature": lambda issuer: lambda claims: issuer.sign(claims)[:-8] + "AAAAAAAA",
    "no signature": lambda issuer: lambda claims: issuer.sign(claims).rpartition(".")[0] + ".",
    "two parts": lambda issuer: lambda claims: issuer.sign(claims).rpartition(".")[0],
    "no token": lambda issuer: lambda claims: "",
    "another type": lambda issuer: lambda claims: claims,
    "33 KB": lambda issuer: lambda claims: issuer.sign(claims | {"more": "x" * 33_000}),
    "a deep header": lambda issuer: lambda claims: "W1tb" * 7_000 + "." + issuer.sign(claims).partition(".")[2],
    "a list as header": lambda issuer: lambda claims: "W10." + issuer.sign(claims).partition(".")[2],
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_a_token_that_the_provider_has_not_signed_is_refused(provider: Provider, issuer: Issuer, kind: str) -> None:
    issuer.faults["sign"] = SIGNATURES[kind](issuer)
    assert "ID token" in refused(provider)


KEYS: tuple[dict[str, Any], ...] = (
    *({"use": "enc"}, {"alg": "RS512"}, {"kid": 5}, {"n": "AQAB"}, {"kty": "EC"}, {"e": "AQ"}),
    {"e": base64.urlsafe_b64encode(b"\xff" * 200).decode().rstrip("=")},
)


@pytest.mark.parametrize("changed", KEYS, ids=str)
def test_weak_keys_and_those_for_other_uses_have_signed_nothing(
    provider: Provider, issuer: Issuer, changed: dict[str, Any]
) -> None:
    key = {**issuer.key.as_dict(private=False), **changed}
    issuer.faults["jwks"] = lambda handler: handler.answer(200, json.dumps({"keys": [key]}).encode())
    assert "no key of the provider has signed it" in refused(provider)


def test_userinfo_about_somebody_else_is_refused(provider: Provider, issuer: Issuer) -> None:
    for sub in ("another", None, 248289761001):
        issuer.faults["userinfo"] = {"sub": sub}
        assert "somebody else" in refused(provider)


def test_what_the_token_says_counts_more_than_userinfo(provider: Provider, issuer: Issuer) -> None:
    issuer.faults |= {"claims": {"name": "Bob"}, "userinfo": {"name": "Eve"}}
    assert brought(provider).name == "Bob"


@pytest.mark.parametrize(
    ("token", "userinfo", "known"),
    [
        ({"email": "boss@example.com"}, {"email": "eve@example.org", "email_verified": True}, ""),
        ({"email_verified": True}, {"email": "boss@example.com", "email_verified": False}, ""),
        (
            {"email": "eve@example.org", "email_verified": False},
            {"email": "eve@example.org", "email_verified": True},
            "",
        ),
        ({"email": "bob@example.com"}, {"email": "bob@example.com", "email_verified": True}, "bob@example.com"),
        ({}, {"email": "bob@example.com", "email_verified": True}, "bob@example.com"),
    ],
)
def test_row_b14_what_is_said_of_one_address_verifies_no_other(
    provider: Provider, issuer: Issuer, token: dict[str, Any], userinfo: dict[str, Any], known: str
) -> None:
    issuer.faults |= {"claims": token, "userinfo": userinfo}
    assert brought(provider).email == known


def test_userinfo_is_not_asked_where_the_token_says_enough(provider: Provider, issuer: Issuer) -> None:
    issuer.faults["claims"] = {"name": "Bob", "email": "bob@example.com", "email_verified": True}
    assert brought(provider).email == "bob@example.com"
    assert "/userinfo" not in issuer.asked


def large(handler: Handler) -> None:
    handler.answer(200, b'{"x": "' + b"x" * 400_000 + b'"}')


def deep(handler: Handler) -> None:
    handler.answer(200, b"[" * 200_000)


def elsewhere(handler: Handler) -> None:
    handler.answer(302, b"", Location=f"{handler.issuer.url}/discovered-elsewhere")


ANSWERS: dict[str, Any] = {
    "too much": large,
    "packed": packed,
    "no JSON": lambda handler: handler.answer(200, b"<html>"),
    "nothing": lambda handler: handler.answer(200, b""),
    "a list": lambda handler: handler.answer(200, b"[]"),
    "very deep": deep,
    "no UTF-8": lambda handler: handler.answer(200, b'{"a": "\xff\xfe"}'),
    "a redirect": elsewhere,
    "400": lambda handler: handler.answer(400, b'{"error": "invalid_grant\\n\\u001b[31mforged"}'),
}
DOWN: dict[str, Any] = {
    "500": lambda handler: handler.answer(500, b"{}"),
    "nothing at all": lambda handler: handler.connection.close(),
    "slow": slowly(30),
}


@pytest.mark.parametrize("endpoint", ["discovery", "token", "jwks", "userinfo_answer"])
@pytest.mark.parametrize("kind", [*ANSWERS, *DOWN])
def test_no_answer_that_is_bad_slow_or_missing_names_anybody(
    provider: Provider, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, endpoint: str, kind: str
) -> None:
    if kind == "slow":  # the others have all the time there is, on a busy machine
        monkeypatch.setattr(errands.Errand.__init__, "__defaults__", (0.5,))
    issuer.faults[endpoint] = {**ANSWERS, **DOWN}[kind]
    reason = refused(provider, UNREACHABLE if kind in DOWN else BAD)
    assert reason.isprintable()
    assert "/discovered-elsewhere" not in issuer.asked


def test_who_waits_for_a_provider_that_is_gone_does_so_once(provider: Provider, issuer: Issuer) -> None:
    issuer.faults["discovery"] = DOWN["500"]
    for _ in range(3):
        refused(provider, UNREACHABLE)
    assert issuer.asked == ["/.well-known/openid-configuration"]


def test_what_the_provider_says_of_itself_is_kept_and_new_keys_are_found(provider: Provider, issuer: Issuer) -> None:
    for _ in range(2):
        brought(provider)
    issuer.rotate("EC")
    brought(provider)
    assert issuer.asked.count("/.well-known/openid-configuration") == 1
    assert issuer.asked.count("/jwks") == 2


def test_names_of_keys_that_nobody_knows_are_not_looked_up_each_time(provider: Provider, issuer: Issuer) -> None:
    issuer.faults["sign"] = by_key_of_its_own
    for _ in range(5):
        refused(provider)
    assert issuer.asked.count("/jwks") == 2


METADATA: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://evil.example"},
    "no token endpoint": {"token_endpoint": None},
    "a page of scripts": {"authorization_endpoint": "javascript:alert(1)"},
    "an address with a line": {"authorization_endpoint": "http://127.0.0.1/a\r\nSet-Cookie: a=b"},
    "an address with quotes": {"authorization_endpoint": 'http://127.0.0.1/" onload="x'},
    "another scheme": {"token_endpoint": "file:///etc/passwd"},
    "not encrypted": {"token_endpoint": "http://login.example.com/token"},
    "a password": {"token_endpoint": "http://a:b@127.0.0.1/token"},
    "no host": {"jwks_uri": "http:///jwks"},
    "no address": {"jwks_uri": "http://[::1/jwks"},
    "a list": {"jwks_uri": ["http://127.0.0.1/jwks"]},
    "a long one": {"userinfo_endpoint": "http://127.0.0.1/" + "x" * 3000},
    "a fragment": {"authorization_endpoint": "http://127.0.0.1/#a"},
}


@pytest.mark.parametrize("what", METADATA)
def test_a_discovery_that_leads_elsewhere_is_refused(provider: Provider, issuer: Issuer, what: str) -> None:
    issuer.more = METADATA[what]
    assert "discovery" in refused(provider)


def test_who_asks_for_tokens_shows_the_secret_as_the_provider_wants_it(provider: Provider, issuer: Issuer) -> None:
    issuer.auth_methods = ["client_secret_post"]
    assert brought(provider).subject == issuer.user["sub"]


def test_an_issuer_that_says_that_it_names_itself_has_to(provider: Provider, issuer: Issuer) -> None:
    issuer.more = {"authorization_response_iss_parameter_supported": True}
    assert brought(provider).subject == issuer.user["sub"]
    issuer.faults["without"] = ("iss",)
    assert "names another issuer, or none" in refused(provider)


def test_a_code_is_worth_nothing_with_the_verifier_of_another_login(provider: Provider) -> None:
    address = provider.authorization_address(state="s" * 43, **FLOW)
    code = dict(parse_qsl(urlsplit(agreed(address)).query))["code"]
    with pytest.raises(ProviderError, match=BAD):
        provider.person(code, **FLOW | {"code_verifier": "w" * 43}, named=None)
