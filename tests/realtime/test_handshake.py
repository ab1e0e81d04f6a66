"""What is no handshake of a websocket is refused in words, before simple_websocket fails on it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")

GOOD = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Origin": ORIGIN,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def shake(browser: Browser, path: str, **changed: str | None) -> TestResponse:
    headers: dict[str, Any] = GOOD | {name.replace("_", "-"): value for name, value in changed.items()}
    return browser.client.get(path, headers={name: value for name, value in headers.items() if value is not None})


@pytest.fixture
def doors(web: Web) -> list[tuple[Browser, str]]:
    """Who may open a socket, and where."""
    return [(web.customer(), "/chat/ws"), (web.agent("alice"), "/agent/ws")]


def test_a_handshake_that_is_none_is_refused(doors: list[tuple[Browser, str]]) -> None:
    cases: list[dict[str, str | None]] = [
        {"Sec_WebSocket_Version": None},
        {"Sec_WebSocket_Key": None},
        {"Sec_WebSocket_Key": ""},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ=="},
        {"Sec_WebSocket_Key": "ä" * 24},
        {"Connection": "close"},
        {"Connection": "upgraded"},
        {"X_Odd": "a\x0bb"},
    ]
    for changed in cases:
        for browser, path in doors:
            assert shake(browser, path, **changed).status_code == 400, path


@pytest.mark.parametrize("version", ["8", "0", "13, 13", "x"])
def test_another_version_is_told_which_one_is_spoken(doors: list[tuple[Browser, str]], version: str) -> None:
    for browser, path in doors:
        answer = shake(browser, path, Sec_WebSocket_Version=version)
        assert answer.status_code == 426, path
        assert answer.headers["Sec-WebSocket-Version"] == "13"
