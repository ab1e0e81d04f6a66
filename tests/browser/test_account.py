"""What agents do on their own page, in the windows of those who see it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyotp
from playwright.sync_api import expect

from tests.cast import PASSWORD, email_of

from .conftest import DESK, SECOND, Agent, Customer, Opener


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code that an app shows, or will show in some steps."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


def set_up(window: Agent) -> tuple[str, list[str]]:
    """Turn two-factor on, on the page that is open; give the secret and the recovery codes."""
    secret = window.page.locator("code").inner_text().replace(" ", "")
    window.page.get_by_label("Enter the code").fill(code_of(secret))
    window.page.get_by_label("Current password").fill(PASSWORD)
    window.page.get_by_role("button", name="Turn on").click()
    expect(window.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    return secret, window.page.locator(".codes code").all_inner_texts()


def give_password(window: Agent, name: str = "alice") -> Agent:
    """Pass the first step of a login."""
    window.page.goto(f"{window.url}/agent/login")
    window.page.get_by_label("E-mail").fill(email_of(name))
    window.page.get_by_label("Password").fill(PASSWORD)
    window.page.get_by_role("button", name="Log in").click()
    expect(window.page.get_by_role("heading", name="Enter your code")).to_be_visible()
    return window


def test_from_turning_two_factor_on_to_ending_the_login_of_another_browser(windows: Opener, alice: Agent) -> None:
    alice.page.goto(f"{alice.url}/account")
    alice.page.get_by_role("link", name="Set up").click()
    secret, codes = set_up(alice)
    alice.page.get_by_role("link", name="I’ve saved them").click()
    expect(alice.page.get_by_text("10 of 10 left")).to_be_visible()
    alice.page.locator(".rail__me > summary").click()
    alice.page.get_by_role("button", name="Log out", exact=True).click()

    give_password(alice)
    alice.page.get_by_label("Code", exact=True).fill(code_of(secret, 1))
    alice.page.get_by_role("button", name="Log in").click()
    alice.page.wait_for_url("**/agent")

    other = give_password(windows(Agent, **DESK))
    other.page.locator("summary", has_text="recovery code").click()
    other.page.get_by_label("Recovery code").fill(codes[0])
    other.page.get_by_role("button", name="Log in").click()
    other.page.wait_for_url("**/agent")
    other.is_live()

    alice.page.goto(f"{alice.url}/account")
    expect(alice.page.get_by_text("9 of 10 left")).to_be_visible()
    alice.page.get_by_role("button", name="Log out everywhere else").click()
    alice.page.get_by_role("dialog").get_by_role("button", name="Log out").click()
    other.page.wait_for_url("**/agent/login**")  # its socket was closed: the page did not ask
    expect(alice.page.get_by_role("button", name="Log out everywhere else")).to_have_count(0)
    expect(alice.page.get_by_text("This browser")).to_be_visible()


def test_a_desk_that_is_open_leads_to_two_factor_once_that_is_required(windows: Opener, alice: Agent) -> None:
    admin: Agent = windows(Agent, **DESK).come("carol", "/people")
    alice.is_live()
    admin.page.get_by_label("Require two-factor").select_option("from everyone")
    admin.page.get_by_role("button", name="Require two-factor").click()
    alice.page.wait_for_url("**/account/two-factor")
    expect(alice.page.get_by_text("This desk requires two-factor.")).to_be_visible()
    set_up(alice)
    alice.page.goto(f"{alice.url}/agent")
    alice.is_live()


def test_a_picture_is_shown_as_soon_as_it_is_chosen_to_customers_as_well(
    alice: Agent, vera: Customer, photo: Path, rows: Any
) -> None:
    vera.start("Hello")
    alice.page.goto(f"{alice.url}/account")
    alice.page.get_by_label("Add a picture").set_input_files(photo)
    expect(alice.page.get_by_text("Change picture")).to_be_visible()
    face = vera.page.locator("#presence img")
    expect(face).to_be_visible()
    vera.page.wait_for_function("document.querySelector('#presence img').naturalWidth === 256")
    alice.page.get_by_role("button", name="Remove").click()
    expect(alice.page.get_by_text("Add a picture")).to_be_visible()
    expect(face).to_have_count(0)


def test_a_password_is_judged_while_it_is_typed_and_refused_where_it_is_weak(alice: Agent) -> None:
    alice.page.goto(f"{alice.url}/account/password")
    alice.page.get_by_label("Current password").fill(PASSWORD)
    new = alice.page.get_by_label("New password")
    verdict = alice.page.locator("#strength")
    for typed, says in (
        ("monkey", "at least 12"),
        ("monkeymonkeymonkey", "easy to guess"),
        ("violet tractor sings", "good"),
    ):
        new.fill(typed)
        expect(verdict).to_contain_text(says)
    new.fill("monkeymonkeymonkey")
    alice.page.get_by_role("button", name="Change password").click()
    expect(alice.page.locator("#password-error")).to_contain_text("easy to guess")
    alice.page.get_by_label("Current password").fill(PASSWORD)
    new.fill("violet tractor sings")
    alice.page.get_by_role("button", name="Change password").click()
    alice.page.wait_for_url("**/account", timeout=15 * SECOND)
