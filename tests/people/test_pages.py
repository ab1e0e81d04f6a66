"""The page on which admins manage people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from tests.cast import PASSWORD, Agent, Cast, email_of
from tests.web import Browser, Web

NEW = "another horse battery"


@pytest.fixture
def admin(web: Web) -> Browser:
    """The browser of carol."""
    return web.agent("carol")


def link_on(page: str) -> str:
    [path] = re.findall(r'data-link="(/links/[\w-]{43})"', page)
    return str(path)


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.both_modes
def test_an_invitation_is_shown_once_and_lets_somebody_in(web: Web, admin: Browser, htmx: bool) -> None:
    answer = admin.post("/people/invitations", htmx=htmx, email=" Eve@Example.com", role="lead")
    path = link_on(answer.text)
    page = admin.get("/people").text
    assert "Eve@Example.com" in page
    assert path not in page
    guest = web.visitor()
    assert guest.post(path, name="Eve Adler", password=NEW).status_code == 303
    assert guest.get("/agent").status_code == 200
    assert "Eve Adler" in admin.get("/people").text


def test_a_link_is_given_with_the_public_address_if_there_is_one(app: Flask, admin: Browser) -> None:
    from dataclasses import replace

    app.extensions["config"] = replace(app.extensions["config"], public_url="http://localhost")
    page = admin.post("/people/invitations", email="eve@example.com").text
    assert re.search(r'data-copy="http://localhost/links/[\w-]{43}" ', page)
    assert "data-link=" not in page


def test_an_answer_with_a_link_is_not_compressed(admin: Browser) -> None:
    answers = [
        admin.client.post(
            path,
            data={"email": "eve@example.com"},
            headers={"Origin": "http://localhost", "Accept-Encoding": "gzip", "HX-Request": "true"},
        )
        for path in ("/people/invitations", "/people/invitations/x")
    ]
    assert "Content-Encoding" not in answers[0].headers
    assert link_on(answers[0].text)
    page = admin.client.get("/people", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"


def test_a_new_link_replaces_the_one_before_and_a_withdrawn_one_is_gone(web: Web, admin: Browser, rows: Any) -> None:
    first = link_on(admin.post("/people/invitations", htmx=True, email="eve@example.com").text)
    [(link_id,)] = rows("select id from one_time_links")
    second = link_on(admin.post(f"/people/invitations/{link_id}", htmx=True).text)
    assert [web.visitor().get(path).status_code for path in (first, second)] == [404, 200]
    assert "no longer works" in admin.post(f"/people/links/{link_id}/delete", htmx=True).text
    assert web.visitor().get(second).status_code == 404
    assert admin.post(f"/people/invitations/{link_id}", htmx=True).status_code == 404


def test_a_second_invitation_of_an_address_says_that_it_replaces_the_first(admin: Browser) -> None:
    said = "eve@example.com already had an invitation. Its link no longer works."
    answers = [admin.post("/people/invitations", email=email).text for email in ("eve@example.com", "Eve@Example.com")]
    assert [said.lower() in answer.lower() for answer in answers] == [False, True]


def test_two_factor_is_required_only_after_the_number_of_people_was_shown(admin: Browser, rows: Any) -> None:
    asked = admin.post("/people/two-factor", htmx=True, required="everyone").text
    assert "3 people must set it up now" in asked
    assert rows("select value from desk_settings where name = 'two_factor_required'") == []
    admin.post("/people/two-factor", htmx=True, required="everyone", sure="yes")
    assert rows("select value from desk_settings where name = 'two_factor_required'") == [("everyone",)]


def test_the_audit_log_names_settings_and_fields_in_words(admin: Browser) -> None:
    admin.post("/privacy/audit", years="3")
    admin.post("/bans/holding", hold_links="on")
    admin.post("/sites/main", name="The shop", colour="#8c4126")
    page = admin.get("/audit").text
    assert "How long the audit log is kept: 3 years" in page
    assert "Hold first messages with links: On" in page
    assert "Colour" in page
    assert "hold_links" not in page


@pytest.mark.parametrize("htmx", [True, False])
def test_why_nobody_was_invited_is_said_at_the_form_with_what_was_typed(admin: Browser, htmx: bool) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({"email": ""}, "Enter an e-mail address."),
        ({"email": "eve"}, "This is not an e-mail address."),
        ({"email": "a@" + "b" * 300}, "An e-mail address can have up to 254 characters."),
        ({"email": "alice@example.com"}, "Alice Kern already has an account with this e-mail address."),
        ({"email": "eve@example.com", "role": "owner"}, "This role does not exist."),
    ]
    for fields, sentence in cases:
        answer = admin.post("/people/invitations", htmx=htmx, **fields)
        assert answer.status_code in (409, 422)
        [said] = re.findall(r'(?s)<p id="invite-error".*?</p>', answer.text)
        assert sentence in said
        assert f'value="{fields["email"]}"' in answer.text


def test_somebody_is_changed(admin: Browser, alice: Agent, rows: Any) -> None:
    admin.post(f"/people/{alice.id}", name=" Alice  Kern-Roth ", max_tickets="7")
    admin.post(f"/people/{alice.id}", role="lead")
    changed = rows("select name, max_tickets, role from agents where id = %s", alice.id)
    assert changed == [("Alice Kern-Roth", 7, "lead")]


@pytest.mark.parametrize("htmx", [True, False])
def test_why_somebody_was_not_changed_is_said_in_their_row_with_what_was_typed(
    admin: Browser, alice: Agent, htmx: bool
) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({"name": " ", "max_tickets": "7"}, "Enter a name."),
        ({"name": "A", "max_tickets": "many"}, "Enter a whole number from 0 to 1,000."),
        ({"name": "A", "max_tickets": "1001"}, "Enter a whole number from 0 to 1,000."),
        ({"name": "A", "max_tickets": "\N{ARABIC-INDIC DIGIT SEVEN}"}, "Enter a whole number from 0 to 1,000."),
    ]
    for fields, sentence in cases:
        answer = admin.post(f"/people/{alice.id}", htmx=htmx, **fields)
        assert answer.status_code == 422
        assert sentence in answer.text[answer.text.index(f'id="person-{alice.id}"') :]
        assert f'value="{fields["max_tickets"]}"' in answer.text


def test_the_last_admin_is_told_why_they_stay_one(admin: Browser, carol: Agent) -> None:
    for path, fields in ((f"/people/{carol.id}", {"role": "agent"}), (f"/people/{carol.id}/access/delete", {})):
        answer = admin.post(path, htmx=True, **fields)
        assert answer.status_code == 409
        assert "The last admin cannot be disabled" in answer.text


@pytest.mark.both_modes
def test_whoever_is_disabled_cannot_log_in_until_they_are_enabled(
    web: Web, admin: Browser, cast: Cast, alice: Agent
) -> None:
    cast.visitor().start()
    hers = web.agent("alice")
    answer = admin.post(f"/people/{alice.id}/access/delete", htmx=True)
    assert "Alice Kern can no longer log in. 1 ticket went back to the queue." in answer.text
    assert hers.get("/agent").status_code == 303
    assert web.visitor().post("/agent/login", email=email_of("alice"), password=PASSWORD).status_code == 422
    assert admin.post(f"/people/{alice.id}/access").status_code == 303
    web.agent("alice")


def test_a_link_for_a_password_can_be_withdrawn(web: Web, admin: Browser, alice: Agent, rows: Any) -> None:
    path = link_on(admin.post(f"/people/{alice.id}/password").text)
    assert web.visitor().get(path).status_code == 200
    [(link_id,)] = rows("select id from one_time_links")
    assert f"/people/links/{link_id}/delete" in admin.get("/people").text
    admin.post(f"/people/links/{link_id}/delete")
    assert web.visitor().get(path).status_code == 404


@pytest.mark.parametrize("path", ["/people/{}", "/people/{}/access", "/people/{}/access/delete", "/people/{}/password"])
def test_nobody_is_found_by_an_unknown_id(admin: Browser, path: str) -> None:
    answer = admin.post(path.format("00000000-0000-4000-8000-000000000000"), htmx=True, role="lead")
    assert answer.status_code == 404
    assert admin.post(path.format("1")).status_code == 404


@pytest.mark.parametrize("htmx", [True, False])
def test_an_admin_who_gives_up_their_role_is_led_to_the_desk(
    admin: Browser, carol: Agent, bob: Agent, htmx: bool
) -> None:
    carol.call("change_person", person_id=bob.id, role="admin")
    answer = admin.post(f"/people/{carol.id}", htmx=htmx, role="agent")
    assert (answer.headers.get("HX-Redirect") if htmx else answer.location) == "/agent"
    assert admin.get("/people").status_code == 403


def test_the_rail_leads_to_what_a_role_may_open(web: Web, admin: Browser, carol: Agent, alice: Agent) -> None:
    hers = web.agent("alice")
    assert 'href="/people"' in admin.get("/agent").text
    assert 'href="/people"' not in hers.get("/agent").text
    carol.call("change_person", person_id=alice.id, role="admin")
    assert 'href="/people"' in hers.get("/agent").text


def test_a_role_without_the_right_gets_a_sentence(web: Web) -> None:
    for path in ("/people", "/status"):
        answer = web.agent("alice").get(path)
        assert (answer.status_code, "Your role does not allow this" in answer.text) == (403, True)


def test_a_lead_may_hand_over_and_close_the_ticket_of_somebody_else(
    web: Web, cast: Cast, alice: Agent, carol: Agent, rows: Any
) -> None:
    cast.visitor().start()
    bobs = web.agent("bob")
    assert 'id="hand-over-menu"' not in bobs.get("/agent?ticket=1001").text
    carol.call("change_person", person_id=cast.agent("bob").id, role="lead")
    page = bobs.get("/agent?ticket=1001").text
    assert 'id="hand-over-menu"' in page
    assert f'name="expected" value="{alice.id}"' in page
    assert "Close this ticket of Alice Kern?" in page
    carol.come()
    bobs.post("/tickets/1001/assignment", agent=carol.id, expected=alice.id)
    assert rows("select assigned_agent_id::text from tickets") == [(carol.id,)]
