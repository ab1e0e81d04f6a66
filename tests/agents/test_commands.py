"""What an operator does with agents from a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from supportchat.database import Database
from supportchat.demo import create_demo_agents
from tests.cast import PASSWORD, Agent
from tests.web import Browser, Web

NEW = "another horse battery"


def run(app: Flask, *arguments: str, typed: str | None = None) -> Result:
    with app.app_context():
        return app.test_cli_runner().invoke(args=arguments, input=typed)


def logs_in(web: Web, email: str, password: str) -> bool:
    browser = web.visitor()
    browser.get("/agent/login")
    return bool(browser.post("/agent/login", email=email, password=password).status_code == 303)


def is_logged_in(browser: Browser) -> bool:
    return browser.get("/agent").status_code == 200


def test_a_lost_password_is_reset_and_its_agent_logged_out_everywhere(app: Flask, web: Web) -> None:
    here, elsewhere, colleague = web.agent("alice"), web.agent("alice"), web.agent("bob")
    done = run(app, "reset-password", "--email", " ALICE@example.com")
    assert done.exit_code == 0, done.output
    said, _, password = done.output.strip().rpartition(" Password: ")
    assert said == "Reset the password of Alice Kern <alice@example.com> and logged them out everywhere."
    assert [is_logged_in(browser) for browser in (here, elsewhere, colleague)] == [False, False, True]
    assert not logs_in(web, "alice@example.com", PASSWORD)
    assert logs_in(web, "alice@example.com", password)


def test_two_factor_is_turned_off_with_a_lost_password_only_when_it_is_asked_for(
    app: Flask, alice: Agent, rows: Any
) -> None:
    alice.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["c"])
    for options, left in (((), 1), (("--forget-two-factor",), 0), (("--forget-two-factor",), 0)):
        done = run(app, "reset-password", "--email", "alice@example.com", *options)
        assert "Reset the password of Alice Kern" in done.output
        assert rows("select count(totp_secret) from agent_credentials") == [(left,)]


def test_no_command_takes_a_password_where_others_could_see_it(app: Flask) -> None:
    taken = {
        name: [p.name for p in command.params if not getattr(p, "is_flag", False)]
        for name, command in app.cli.commands.items()
    }
    assert "email" in taken["reset-password"]
    assert [name for name, options in taken.items() for option in options if "password" in str(option)] == []
    assert run(app, "create-agent", "--name", "Dora", "--email", "dora@example.com", "--password", NEW).exit_code == 2


def test_a_password_that_is_given_is_not_shown(app: Flask, web: Web) -> None:
    done = run(app, "reset-password", "--email", "alice@example.com", "--choose-password", typed=f"{NEW}\n")
    assert (done.exit_code, NEW in done.output) == (0, False)
    assert logs_in(web, "alice@example.com", NEW)


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        ("nobody@example.com", NEW, "No agent has the address nobody@example.com."),
        ("bob@example.com", NEW, "Bob Ortiz is disabled and cannot log in."),
        ("alice@example.com", "short", "A password must have at least 12 characters."),
    ],
)
def test_why_a_password_is_not_reset_is_said(
    app: Flask, web: Web, rows: Any, email: str, password: str, sentence: str
) -> None:
    rows("update agents set is_active = false where name = 'Bob Ortiz'")
    done = run(app, "reset-password", "--email", email, "--choose-password", typed=f"{password}\n")
    assert done.exit_code != 0
    assert sentence in done.output
    assert logs_in(web, "alice@example.com", PASSWORD)


@pytest.mark.parametrize(("options", "role"), [((), "agent"), (("--role", "lead"), "lead"), (("--admin",), "admin")])
def test_an_agent_is_created_with_a_role(app: Flask, rows: Any, options: tuple[str, ...], role: str) -> None:
    done = run(app, "create-agent", "--name", "Eve", "--email", "eve@example.com", *options)
    assert done.exit_code == 0, done.output
    assert rows("select role from agents where name = 'Eve'") == [(role,)]


def test_an_address_that_exists_leads_to_a_new_password(app: Flask, alice: Agent) -> None:
    done = run(app, "create-agent", "--name", "Alice", "--email", "alice@example.com")
    assert done.exit_code != 0
    assert ".venv/bin/flask --app wsgi reset-password --email alice@example.com" in done.output


def test_a_desk_whose_agents_have_all_been_deactivated_gets_no_demo_accounts(database: Database, rows: Any) -> None:
    rows("update agents set is_active = false, email = 'alice@example.com' where name = 'Alice Kern'")
    create_demo_agents(database)
    assert rows("select count(*) from agents") == [(3,)]


def test_the_login_page_says_who_helps_with_a_lost_password(web: Web) -> None:
    assert "flask --app wsgi reset-password" in web.visitor().get("/agent/login").text
