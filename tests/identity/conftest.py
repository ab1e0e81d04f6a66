"""A site that names its customers with a secret, and what signs for it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from supportchat.database import Database
from tests.cast import Agent, Cast
from tests.web import Browser

SECRET = "a secret that the site and the desk share, and nobody else"


def signed(secret: str = SECRET, algorithm: str = "HS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a token of the site: for vera, and for five minutes, unless the claims say otherwise."""
    said = {"sub": "vera-1", "exp": int(time.time()) + 300, **claims}
    said = {name: value for name, value in said.items() if value is not ...}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    head = {"alg": algorithm, **(header or {})}
    return jws.serialize_compact(head, json.dumps(said).encode(), OctKey.import_key(secret), registry=registry)


def identify(browser: Browser, token: str | None = None, path: str = "/chat/identity", **fields: Any) -> Any:
    """Have a browser say who its customer is, and return the answer."""
    return browser.post(path, token=signed() if token is None else token, **fields)


@pytest.fixture
def carol(cast: Cast) -> Agent:
    """The admin."""
    return cast.agent("carol")


@pytest.fixture
def site(database: Database, carol: Agent) -> str:
    """The key of a site that names its customers with `SECRET`."""
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret=SECRET)
    return "main"
