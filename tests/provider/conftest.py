"""A desk with a provider."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from werkzeug.test import TestResponse

from supportchat.config import Config
from tests.conftest import Place
from tests.web import Browser, Web

from .issuer import CLIENT, SECRET, Issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """The provider."""
    running = Issuer().start()
    yield running
    running.stop()


@pytest.fixture
def rules() -> dict[str, Any]:
    """More settings of the provider; tests parametrize it."""
    return {}


@pytest.fixture
def config(place: Place, tmp_path: Any, issuer: Issuer, rules: dict[str, Any]) -> Config:
    """The settings of a desk that has a provider."""
    provider = {
        "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_name": "Acme Login",
    }
    return replace(Config(data_dir=tmp_path, **place.settings), **provider | rules)


def left_for(answer: TestResponse) -> str:
    """Return where a page sends its browser to."""
    assert answer.status_code == 200, answer.text
    [address] = re.findall(r'<meta http-equiv="refresh" content="0;url=([^"]+)">', answer.text)
    return html.unescape(address)


def agreed(address: str) -> str:
    """Agree at the provider, and return the path that it sends the browser back to."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def through(browser: Browser, path: str = "/agent/login/provider", **fields: str) -> TestResponse:
    """Go out to the provider by a form, agree there, and come back."""
    return browser.get(agreed(left_for(browser.post(path, **fields))))


def problem(web: Web, answer: TestResponse) -> str:
    """Return what the page says to which somebody is sent who does not get in."""
    assert answer.status_code == 303
    page = web.visitor().get(answer.location)
    [said] = re.findall(r'id="login-error"[^>]*>.*?<span[^>]*>(.*?)</span>', page.text, re.DOTALL)
    return html.unescape(said)
