"""The settings of a provider, and what /status and the doctor say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from supportchat.config import Config, ConfigError
from supportchat.config.oidc import provider_settings
from tests.web import Web

from .issuer import Issuer

NEEDED = {"OIDC_ISSUER": "https://login.example.com/acme", "OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": "s3cret"}


def test_a_provider_is_named_by_its_host_unless_somebody_says_otherwise() -> None:
    assert provider_settings({}) == {}
    assert provider_settings(NEEDED)["oidc_name"] == "login.example.com"
    assert provider_settings({**NEEDED, "OIDC_NAME": "Acme Login"})["oidc_name"] == "Acme Login"


def test_roles_and_rules_are_read() -> None:
    more = {
        "OIDC_ROLE_CLAIM": "groups",
        "OIDC_ROLES": "a=b=admin desk-leads=lead",
        "OIDC_ACCOUNTS": "role @Example.COM",
    }
    found = provider_settings({**NEEDED, **more})
    assert found["oidc_roles"] == (("a=b", "admin"), ("desk-leads", "lead"))
    assert found["oidc_accounts"] == ("role", "@example.com")


WRONG: list[dict[str, str]] = [
    {"OIDC_CLIENT_SECRET": ""},
    {"OIDC_CLIENT_ID": ""},
    {"OIDC_CLIENT_ID": "d\u00e9sk"},
    {"OIDC_ISSUER": ""},
    {"OIDC_ISSUER": "http://login.example.com"},
    {"OIDC_ISSUER": "https://login.example.com?a=b"},
    {"OIDC_ISSUER": "https://login.example.com/#a"},
    {"OIDC_ISSUER": "https://a:b@login.example.com"},
    {"OIDC_ISSUER": "https://"},
    {"OIDC_ISSUER": "https://[::1"},
    {"OIDC_ISSUER": "login.example.com"},
    {"OIDC_ISSUER": "https://login.example.com/" + "x" * 300},
    {"OIDC_NAME": "x" * 41},
    {"OIDC_NAME": "a\nb"},
    {"OIDC_ACCOUNTS": "example.com"},
    {"OIDC_ACCOUNTS": "@*.example.com"},
    {"OIDC_ACCOUNTS": "@"},
    {"OIDC_ACCOUNTS": "role"},
    {"OIDC_ROLES": "a=admin"},
    {"OIDC_ROLE_CLAIM": "groups"},
    {"OIDC_ROLE_CLAIM": "groups", "OIDC_ROLES": "a=owner"},
    {"OIDC_ROLE_CLAIM": "groups", "OIDC_ROLES": "admin"},
]


@pytest.mark.parametrize("changed", WRONG, ids=str)
def test_what_cannot_be_used_is_refused_with_the_name_of_the_setting(changed: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="OIDC_") as error:
        provider_settings({**NEEDED, **changed})
    assert "s3cret" not in str(error.value)


def test_the_secret_is_not_shown_with_the_settings() -> None:
    config = Config.from_environment(NEEDED)
    assert config.oidc_client_secret == "s3cret"
    assert "s3cret" not in repr(config)


def test_a_desk_that_others_reach_says_by_which_address() -> None:
    with pytest.raises(ConfigError, match="PUBLIC_URL"):
        Config.from_environment({**NEEDED, "HOST": "0.0.0.0"})
    assert Config.from_environment({**NEEDED, "HOST": "0.0.0.0", "PUBLIC_URL": "https://chat.example.com"}).oidc_issuer


def test_status_and_doctor_say_what_to_register(web: Web, app: Flask, issuer: Issuer) -> None:
    expected = f"{issuer.url} answers; register http://127.0.0.1:3000/agent/login/callback there"
    assert expected in web.agent("carol").get("/status").text
    with app.app_context():
        assert expected in app.test_cli_runner().invoke(args=["doctor"]).output


def no_keys(handler: Any) -> None:
    handler.answer(200, json.dumps({"keys": []}).encode())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"discovery": lambda handler: handler.answer(503, b"")}, "cannot be reached (discovery answers 503)"),
        ({"issuer": "https://other.example"}, "does not answer as it should (discovery names another issuer"),
        ({"jwks": no_keys}, "jwks_uri has no key for RS256, ES256 or the like"),
    ],
)
def test_status_says_what_is_wrong_with_the_provider(
    web: Web, issuer: Issuer, fault: dict[str, Any], said: str
) -> None:
    issuer.faults = fault
    page = web.agent("carol").get("/status").text
    assert said in page
    assert "Check OIDC_ISSUER" in page
