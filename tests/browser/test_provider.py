"""Log in by a provider, which sends the browser on to another host, as some do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from supportchat.config import Config
from supportchat.database import Database
from tests.cast import Agent as Person
from tests.people.cast import link_for
from tests.provider.issuer import CLIENT, SECRET, Handler, Issuer
from tests.server import Server

from .conftest import DESK, Agent, Opener

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """The provider."""
    running = Issuer().start()
    yield running
    running.stop()


@pytest.fixture
def server(config: Config, issuer: Issuer) -> Iterator[Server]:
    """A desk that has it."""
    named = {"OIDC_ISSUER": issuer.url, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
    running = Server(config, OIDC_NAME="Acme Login", **named)
    running.start()
    yield running
    running.kill()


def by_another_host(issuer: Issuer) -> Any:
    """Return the address of the page at which people agree, at another name than the issuer's."""
    other = issuer.url.replace("127.0.0.1", "localhost")
    issuer.more = {"authorization_endpoint": f"{other}/elsewhere"}

    def elsewhere(handler: Handler) -> None:
        handler.answer(302, b"", Location=handler.path.replace("/elsewhere", f"{issuer.url}/authorize", 1))

    issuer.faults["none"] = elsewhere


def test_who_is_invited_joins_and_logs_in_with_the_provider(
    windows: Opener, issuer: Issuer, cast: Any, database: Database
) -> None:
    by_another_host(issuer)
    issuer.user |= {"name": "Lena Roth", "email": "lena@example.com", "email_verified": True}
    path = link_for(cast.agent("carol"), "invite_person", email="lena@example.com")
    lena: Agent = windows(Agent, **DESK)
    lena.page.goto(lena.url + path)
    lena.page.get_by_role("button", name="Continue with Acme Login").click()
    lena.is_live()
    lena.page.goto(f"{lena.url}/account")
    expect(lena.page.get_by_text("You have none.")).to_be_visible()
    again: Agent = windows(Agent, **DESK)
    again.page.goto(f"{again.url}/agent/login?next=/account")
    again.page.get_by_role("button", name="Continue with Acme Login").click()
    again.page.wait_for_url(f"{again.url}/account")
    assert not again.complaints


def test_a_browser_without_scripts_logs_in_with_the_provider(
    browser: Browser, server: Server, issuer: Issuer, bob: Person
) -> None:
    bob.call("connect_identity", issuer=issuer.url, subject=issuer.user["sub"])
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{server.url}/agent/login")
    page.get_by_role("button", name="Continue with Acme Login").click()
    page.wait_for_url(f"{server.url}/agent")
    context.close()


def test_a_provider_that_is_down_leaves_the_password(windows: Opener, issuer: Issuer) -> None:
    issuer.faults["discovery"] = lambda handler: handler.answer(500, b"{}")
    window: Agent = windows(Agent, **DESK)
    window.page.goto(f"{window.url}/agent/login")
    window.page.get_by_role("button", name="Continue with Acme Login").click()
    expect(window.page.get_by_role("alert").filter(has_text="cannot be reached right now")).to_be_visible()
    window.page.get_by_label("E-mail").fill("alice@example.com")
    window.page.get_by_label("Password").fill("correct horse battery")
    window.page.get_by_role("button", name="Log in").click()
    window.page.wait_for_url(f"{window.url}/agent")
