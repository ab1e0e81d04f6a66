"""How people get in, and how they are shut out, in the windows of those who do it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Route, expect

from supportchat.database import Database
from supportchat.server.beginning import offer_setup

from .conftest import DESK, Agent, Customer, Opener

NEW = "another horse battery"


def create_account(window: Agent, path: str, name: str, email: str = "") -> None:
    """Follow a link, and fill in what it asks for."""
    window.page.goto(path)
    window.page.get_by_label("Name").fill(name)
    if email:
        window.page.get_by_label("E-mail").fill(email)
    window.page.get_by_label("Password").fill(NEW)
    window.page.get_by_role("button", name="Create account").click()


def test_from_the_first_link_to_an_agent_who_has_to_go(
    windows: Opener, vera: Customer, database: Database, rows: Any
) -> None:
    rows("update agents set is_active = false")
    admin, agent = windows(Agent, **DESK), windows(Agent, **DESK)
    create_account(admin, f"{admin.url}{offer_setup(database)}", "Dora Lind", "dora@example.com")
    expect(admin.page.get_by_role("heading", name="People")).to_be_visible()

    admin.page.get_by_placeholder("E-mail").fill("eve@example.com")
    admin.page.get_by_role("button", name="Create invitation link").click()
    link = admin.page.get_by_label("Link", exact=True)
    expect(link).to_be_visible()
    create_account(agent, link.input_value(), "Eve Adler")
    agent.page.wait_for_url("**/agent")
    agent.is_live()
    vera.start("Hello", name="Vera")
    agent.open()
    vera.sees("Eve")

    admin.page.reload()
    admin.page.locator("tr", has_text="Eve Adler").locator("summary").click()
    admin.page.get_by_role("button", name="Disable").click()
    dialog = admin.page.get_by_role("dialog")
    expect(dialog).to_contain_text("their open ticket goes back to the queue")
    dialog.get_by_role("button", name="Disable").click()
    agent.page.wait_for_url("**/agent/login**")  # its socket was closed: the page did not ask
    admin.sees("Eve Adler can no longer log in.")
    assert rows("select status, assigned_agent_id from tickets") == [("waiting", None)]
    vera.sees("Eve is away right now.")


def test_a_role_is_changed_where_it_is_shown_and_counts_at_once(windows: Opener, alice: Agent, vera: Customer) -> None:
    admin: Agent = windows(Agent, **DESK)
    admin.come("carol", "/people")
    admin.page.get_by_label("Role of Alice Kern").focus()
    admin.page.get_by_label("Role of Alice Kern").select_option("Lead")
    expect(admin.page.get_by_label("Role of Alice Kern")).to_be_focused()
    expect(admin.page.get_by_label("Role of Alice Kern")).to_have_value("lead")
    admin.page.get_by_label("Role of Carol Tan").select_option("Agent")
    admin.sees("The last admin cannot be disabled")
    expect(admin.page.get_by_label("Role of Carol Tan")).to_have_value("admin")
    bob: Agent = windows(Agent, **DESK)
    bob.come("bob")
    vera.start("Hello", name="Vera")
    alice.page.goto(f"{alice.url}/agent?view=all&ticket=1001")
    alice.is_live()
    expect(alice.page.locator("#hand-over-menu")).to_be_visible()


def test_the_answer_of_a_change_does_not_cover_that_of_the_next_one(windows: Opener) -> None:
    admin: Agent = windows(Agent, **DESK)
    page = admin.come("carol", "/people").page
    page.evaluate(
        """() => {
            const send = window.fetch;
            window.sent = 0;
            window.fetch = (...what) => ((window.sent += 1), send(...what));
        }"""
    )
    first: list[Route] = []
    page.route("**/people/*", lambda route: route.continue_() if first else first.append(route))
    with page.expect_request("**/people/*"):
        page.get_by_label("Role of Alice Kern").select_option("Lead")
    page.get_by_label("Role of Carol Tan").select_option("Agent")
    assert page.evaluate("() => window.sent") == 1
    first[0].continue_()
    admin.sees("The last admin cannot be disabled")
    expect(page.get_by_label("Role of Alice Kern")).to_have_value("lead")
    expect(page.get_by_label("Role of Carol Tan")).to_have_value("admin")


def test_people_are_managed_without_scripts(windows: Opener, rows: Any) -> None:
    admin: Agent = windows(Agent, **DESK, java_script_enabled=False)
    admin.come("carol", "/people")
    admin.page.get_by_placeholder("E-mail").fill("eve@example.com")
    admin.page.get_by_role("button", name="Create invitation link").click()
    role = admin.page.locator("tr", has_text="alice@example.com").locator("form", has=admin.page.locator("select"))
    role.get_by_role("combobox").select_option("Lead")
    role.get_by_role("button", name="Save").click()
    assert rows("select role from agents where name = 'Alice Kern'") == [("lead",)]
    alice = admin.page.locator("tr", has_text="alice@example.com")
    alice.locator("summary").click()
    alice.get_by_role("button", name="Disable").click()
    admin.sees("Disabled on")
