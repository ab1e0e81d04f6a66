"""One-time links: for the first admin, for who is invited, and for a new password."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.server.beginning import offer_setup
from supportchat.web.refusals import log_refusal
from tests.cast import PASSWORD, Agent, Cast, email_of
from tests.people.cast import link_for, new_token
from tests.web import Browser, Web

NEW = "another horse battery"


@pytest.fixture
def setup(database: Database, rows: Any) -> str:
    """The path of a link to set up a desk that nobody can log in to."""
    rows("update agents set is_active = false where role = 'admin'")
    return offer_setup(database)


@pytest.mark.both_modes
def test_the_first_admin_is_created_under_the_link_and_is_logged_in(web: Web, setup: str, rows: Any) -> None:
    browser = web.visitor()
    assert "Set up your support desk" in browser.get(setup).text
    answer = browser.post(setup, name="Dora Lind", email="dora@example.com", password=NEW)
    assert browser.get(answer.location).location == "/people"
    assert "Dora Lind" in browser.get("/people").text
    assert rows("select role from agents where email = 'dora@example.com'") == [("admin",)]
    assert browser.get(setup).status_code == 404


def test_a_desk_with_an_admin_offers_no_setup(database: Database) -> None:
    assert offer_setup(database) == ""


def test_an_earlier_setup_link_ends_with_the_next_one_and_with_any_admin(
    web: Web, setup: str, database: Database, rows: Any
) -> None:
    again = offer_setup(database)
    assert [web.visitor().get(path).status_code for path in (setup, again)] == [404, 200]
    rows("update agents set is_active = true where role = 'admin'")
    answer = web.visitor().post(again, name="Eve", email="eve@example.com", password=NEW)
    assert answer.status_code == 404
    assert rows("select count(*) from agents where name = 'Eve'") == [(0,)]


def test_who_is_invited_joins_with_the_role_that_was_promised(web: Web, database: Database, carol: Agent) -> None:
    path = link_for(carol, "invite_person", email="lena@example.com", role="lead")
    browser = web.visitor()
    assert "lena@example.com" in browser.get(path).text
    answer = browser.post(path, name="Lena Roth", password=NEW, email="eve@example.com", role="admin")
    assert browser.get(answer.location).location == "/agent"
    [lena] = [agent for agent in database.call("list_agents") if agent["name"] == "Lena Roth"]
    assert (lena["email"], lena["role"]) == ("lena@example.com", "lead")


def test_a_new_password_ends_every_login_and_has_to_be_used(web: Web, carol: Agent, alice: Agent) -> None:
    path = link_for(carol, "make_password_link", person_id=alice.id)
    here, elsewhere = web.visitor(), web.agent("alice")
    assert "Alice Kern" in here.get(path).text
    assert here.post(path, password=NEW).location == "/agent/login"
    assert elsewhere.get("/agent").status_code == 303
    for password, status in ((PASSWORD, 422), (NEW, 303)):
        assert here.post("/agent/login", email=email_of("alice"), password=password).status_code == status


def test_a_link_that_is_only_looked_at_stays_as_it_is(web: Web, carol: Agent, rows: Any) -> None:
    path = link_for(carol, "invite_person", email="lena@example.com")
    before = rows("select * from one_time_links")
    for method in ("GET", "HEAD", "OPTIONS"):
        web.visitor().client.open(path, method=method)
    assert rows("select * from one_time_links") == before != []


ENDED = {
    "used": "delete from one_time_links",
    "over": "update one_time_links set expires_at = now() - interval '1 second'",
    "disabled": "update agents set is_active = false where name = 'Alice Kern'",
    "another": "select",
}


@pytest.mark.parametrize("how", ENDED)
def test_links_that_do_not_work_answer_alike(web: Web, carol: Agent, alice: Agent, rows: Any, how: str) -> None:
    path = link_for(carol, "make_password_link", person_id=alice.id)
    rows(ENDED[how])
    never = f"/links/{new_token()}"
    pages = [web.visitor().get(p) for p in (path if how != "another" else f"{path}x"[:7] + "y" * 43, never)]
    assert [page.status_code for page in pages] == [404, 404]
    assert "no longer works" in pages[0].text
    answers = [web.visitor().post(page.request.path, password=NEW) for page in pages]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert len({page.text for page in (*pages, *answers) if "nonce" not in page.text}) <= 1


def test_what_is_no_token_opens_nothing(web: Web, carol: Agent) -> None:
    cases: list[str] = ["", " ", "%00", "null", "0", "x" * 43, "x" * 5000, "%2e%2e%2f", "[]"]
    link_for(carol, "invite_person", email="lena@example.com")
    for token in cases:
        assert web.visitor().get(f"/links/{token}").status_code == 404
        assert web.visitor().post(f"/links/{token}", name="Eve", password=NEW).status_code in (403, 404)


def test_only_a_hash_of_a_token_is_stored(carol: Agent, rows: Any) -> None:
    token = link_for(carol, "invite_person", email="lena@example.com").rpartition("/")[2]
    [(row,)] = rows("select one_time_links::text from one_time_links")
    assert token not in row


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"password": "short"}, "A password needs at least 12 characters."),
        ({"password": ""}, "Choose a password."),
        ({"name": " "}, "Enter a name."),
        ({"name": "x" * 81}, "A name can have up to 80 characters."),
        ({"email": "dora"}, "This is not an e-mail address."),
        ({"email": "alice@example.com"}, "already has an account with this e-mail address"),
    ],
)
def test_what_is_wrong_is_said_where_it_was_typed_and_the_link_still_works(
    web: Web, setup: str, fields: dict[str, str], sentence: str
) -> None:
    browser = web.visitor()
    right = {"name": "Dora Lind", "email": "dora@example.com", "password": NEW}
    answer = browser.post(setup, **right | fields)
    assert answer.status_code in (409, 422)
    assert sentence in answer.text
    assert (NEW in answer.text, (right | fields)["email"] in answer.text) == (False, True)
    assert browser.post(setup, **right).status_code == 303


def test_a_link_is_never_logged(app: Flask, carol: Agent, caplog: pytest.LogCaptureFixture) -> None:
    path = link_for(carol, "invite_person", email="lena@example.com")
    with caplog.at_level(logging.INFO):
        browser = Browser(app)
        browser.get(path, headers={"Host": "evil.example"})
        browser.client.post(path, headers={"Origin": "https://evil.example"}, data={"name": "Eve"})
        with app.test_request_context(path):
            log_refusal("host", "evil.example", "ours", "PUBLIC_URL")
        browser.post(path, name="Lena", password=NEW)
    assert "/links/" in caplog.text
    assert path not in caplog.text


def test_whoever_is_demoted_or_disabled_leaves_no_links_behind(web: Web, cast: Cast, carol: Agent, bob: Agent) -> None:
    carol.call("change_person", person_id=bob.id, role="admin")
    path = link_for(bob, "invite_person", email="lena@example.com")
    assert web.visitor().get(path).status_code == 200
    carol.call("change_person", person_id=bob.id, role="agent")
    assert web.visitor().get(path).status_code == 404
