"""Browsers as far as HTTP goes: cookies, and the origin of the page."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from supportchat.agents.logins import begin_session
from supportchat.web.cookies import cookie_name

from .cast import PASSWORD, agent_id, email_of

ORIGIN = "http://localhost"


class Browser:
    """One browser with its cookies. Posts carry the origin of a page of ours."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **arguments: Any) -> TestResponse:
        """Load a page."""
        return self.client.get(path, buffered=True, **arguments)

    def send(
        self,
        method: str,
        path: str,
        data: dict[str, Any] | None = None,
        htmx: bool = False,
        content_type: str | None = None,
    ) -> TestResponse:
        """Send a form, from a page of ours."""
        headers = {"Origin": ORIGIN} | ({"HX-Request": "true"} if htmx else {})
        return self.client.open(
            path, method=method, data={**(data or {})}, headers=headers, content_type=content_type, buffered=True
        )

    def post(self, path: str, htmx: Any = False, **data: Any) -> TestResponse:
        """Post a form."""
        return self.send("POST", path, data, bool(htmx))

    def delete(self, path: str, htmx: bool = False) -> TestResponse:
        """Undo something."""
        return self.send("DELETE", path, htmx=htmx)


class Web:
    """Makes browsers on one app."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def visitor(self) -> Browser:
        """Return a browser that looks at the chat."""
        browser = Browser(self._app)
        browser.get("/chat")
        return browser

    def customer(self, message: str = "Hello", **fields: Any) -> Browser:
        """Return a browser whose chat has begun."""
        browser = self._with_cookies(c=secrets.token_urlsafe(32))
        answer = browser.post("/chat", message=message, **fields)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        browser.get("/chat")
        return browser

    def agent(self, name: str) -> Browser:
        """Return a browser in which an agent has logged in before: what a login stores, without its two pages."""
        with self._app.test_request_context():
            begun = begin_session(agent_id(self._app.extensions["database"], name))
        assert begun is not None
        assert not begun.needs_code
        return self._with_cookies(a=begun.token, k=begun.browser)

    def log_in(self, name: str) -> Browser:
        """Return a browser in which an agent has just logged in by the form."""
        browser = Browser(self._app)
        browser.get("/agent/login")
        answer = browser.post("/agent/login", email=email_of(name), password=PASSWORD)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return browser

    def _with_cookies(self, **values: str) -> Browser:
        browser = Browser(self._app)
        with self._app.test_request_context():
            names = [cookie_name(name) for name in values]
        for name, value in zip(names, values.values(), strict=True):
            browser.client.set_cookie(name, value)
        return browser
