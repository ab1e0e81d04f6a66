"""GET and POST /chat."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cast import Agent, Cast, new_id
from tests.web import Web


def test_a_new_browser_sees_the_form(web: Web) -> None:
    page = web.visitor().get("/chat").get_data(as_text=True)
    assert "Start Chat" in page
    assert "No one is online right now" in page


def test_the_form_says_who_is_here(web: Web, alice: Agent) -> None:
    page = " ".join(web.visitor().get("/chat").get_data(as_text=True).split())
    assert "<bdi>Alice</bdi> is online" in page
    assert "replies in" not in page  # not known before three answers


@pytest.mark.parametrize(("agents", "said"), [(2, r"</bdi> and <bdi>\w+</bdi> are"), (5, "</bdi>, and 2 more are")])
def test_the_form_names_up_to_three_agents(web: Web, rows: Any, agents: int, said: str) -> None:
    rows(
        "insert into agents (name, email, availability, lease_expires_at)"
        " select 'Zoe', n || '@example.com', 'available', now() + interval '1 minute' from generate_series(1, %s) n",
        agents,
    )
    assert re.search(f"{said} online", web.visitor().get("/chat/people").text)


def test_the_form_says_how_long_an_answer_takes(web: Web, cast: Cast, alice: Agent) -> None:
    for _ in range(3):
        alice.reply(cast.visitor().start()["number"])
    page = " ".join(web.visitor().get("/chat").get_data(as_text=True).split())
    assert "Usually replies in under a minute" in page


def test_a_start_shows_conversation_and_ticket(web: Web, alice: Agent) -> None:
    page = web.customer("My machine is cold").get("/chat").get_data(as_text=True)
    assert "My machine is cold" in page
    assert "Ticket #1001" in page
    assert "Alice Kern" in page


def test_who_waits_for_somebody_who_is_here_has_a_place_in_line(web: Web, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 1")
    web.customer("Taken")
    web.customer("First")
    page = web.customer("Second").get("/chat").get_data(as_text=True)
    assert "Number 2 in line" in page
    assert "No one is online" not in page


def test_far_behind_in_line_the_place_is_not_counted(web: Web, alice: Agent, rows: Any) -> None:
    rows("update agents set max_tickets = 0")
    rows(
        "with chats as (insert into user_sessions (is_anonymous) select true from generate_series(1, 100) returning *)"
        " insert into tickets (session_id, awaiting_since) select session_id, now() from chats"
    )
    assert "Number 100+ in line" in web.customer("Last").get("/chat").get_data(as_text=True)


def test_nobody_here_means_no_place_in_line(web: Web) -> None:
    web.customer("First")
    page = web.customer("Second").get("/chat").get_data(as_text=True)
    assert "in line" not in page
    assert "We’ll reply here" in page
    assert page.count("No one is online right now") == 2  # who answers, and the line of the conversation


def test_a_start_page_that_is_left_open_can_ask_who_is_here(web: Web, alice: Agent) -> None:
    assert "<bdi>Alice</bdi> is online" in " ".join(web.visitor().get("/chat/people").get_data(as_text=True).split())
    alice.call("set_availability", availability="away")
    assert "No one is online right now" in web.visitor().get("/chat/people").get_data(as_text=True)


def test_a_browser_that_forgets_its_chat_begins_anew_and_cannot_read_the_old_one(web: Web, rows: Any) -> None:
    browser = web.customer("My secret")
    key = browser.client.get_cookie("c")
    assert "My secret" in browser.get("/chat").get_data(as_text=True)
    answer = browser.post("/chat/key/delete")
    assert (answer.status_code, answer.location) == (303, "/chat")
    assert browser.client.get_cookie("c") is None
    page = browser.get("/chat").get_data(as_text=True)
    assert "Start Chat" in page
    assert "My secret" not in page
    fresh = browser.client.get_cookie("c")
    assert key
    assert fresh
    assert fresh.value != key.value
    assert rows("select message from chat_messages where sender = 'user'") == [("My secret",)]


@pytest.mark.parametrize("typed", ["call me maybe", "12 34", "+", "tel:", "x1234"])
def test_a_phone_number_that_nobody_can_call_is_refused_at_its_field(web: Web, rows: Any, typed: str) -> None:
    browser = web.visitor()
    browser.get("/chat")
    answer = browser.post("/chat", message="Hi", customer_phone=typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert re.search(r'id="customer_phone-error"[^>]*>Enter a phone number', page)
    assert "Hi" in page
    assert rows("select count(*) from user_sessions") == [(0,)]


def test_a_phone_number_that_spells_a_word_is_written_in_digits(web: Web, rows: Any) -> None:
    browser = web.visitor()
    browser.get("/chat")
    assert browser.post("/chat", message="Hi", customer_phone="+1-800-FLOWERS").status_code == 303
    assert rows("select customer_phone from user_sessions") == [("+1 800-356-9377",)]


def test_a_browser_that_comes_back_keeps_its_key_for_another_half_year(web: Web) -> None:
    browser = web.customer("Hello")
    key = browser.client.get_cookie("c")
    assert key
    [renewed] = browser.get("/chat").headers.getlist("Set-Cookie")
    assert renewed.startswith(f"c={key.value};")
    assert "Max-Age=15552000" in renewed


def test_a_key_that_is_not_known_is_not_kept(web: Web) -> None:
    browser = web.visitor()
    browser.client.set_cookie("c", "x" * 43)
    assert not [cookie for cookie in browser.get("/chat").headers.getlist("Set-Cookie") if cookie.startswith("c=")]


def test_another_browser_sees_nothing_of_it(web: Web) -> None:
    web.customer("My secret")
    assert "My secret" not in web.visitor().get("/chat").get_data(as_text=True)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"message": ""}, "Write a message or add a picture first."),
        ({"message": "x" * 8001}, "more than 8,000 characters"),
        ({"message": "Hi", "customer_name": "n" * 81}, "up to 80 characters"),
        ({"message": "Hi", "customer_phone": "1" * 33}, "up to 32 characters"),
        ({"message": "Hi", "client_message_id": "no uuid"}, "could not be understood"),
    ],
)
def test_bad_input_is_answered_in_the_form_and_nothing_is_lost(
    web: Web, rows: Any, fields: dict[str, str], problem: str
) -> None:
    answer = web.visitor().post("/chat", **{"customer_name": "Vera", **fields})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert problem in page
    assert fields.get("customer_name", "Vera") in page
    assert fields["message"] in page
    assert rows("select count(*) from user_sessions") == [(0,)]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("+4930901820", "+49 30 901820"), ("030 / 90 18 20", "030 / 90 18 20"), ("030 901820, Vera", "030 901820, Vera")],
)
def test_a_phone_number_is_normalised_when_it_parses(web: Web, rows: Any, typed: str, kept: str) -> None:
    web.customer(customer_phone=typed)
    assert rows("select customer_phone from user_sessions") == [(kept,)]


def test_what_is_typed_is_cleaned_of_what_no_database_takes(web: Web, rows: Any) -> None:
    web.customer("  a\x00b\r\nc\x1b[2J  ", customer_name=" Vera\n\u0000 Lindt ")
    assert rows("select customer_name from user_sessions") == [("Vera Lindt",)]
    assert rows("select message from chat_messages where seq = 1") == [("  ab\nc[2J",)]


def test_a_double_click_starts_one_chat(web: Web, rows: Any) -> None:
    browser, once = web.visitor(), new_id()
    for _ in range(2):
        assert browser.post("/chat", message="Hi", client_message_id=once).status_code == 303
    assert rows("select count(*) from tickets") == [(1,)]


def test_htmx_gets_a_form_with_its_errors_or_is_sent_on(web: Web) -> None:
    browser = web.visitor()
    refused = browser.post("/chat", htmx=True, message="")
    assert refused.status_code == 422
    assert refused.headers["HX-Retarget"] == "#start"
    assert refused.get_data(as_text=True).lstrip().startswith('<form id="start"')
    assert browser.post("/chat", htmx=True, message="Hi").headers["HX-Redirect"] == "/chat"


def test_text_is_shown_as_text(web: Web) -> None:
    bait = '<img src=x onerror=alert(1)>{{7*7}}"><p hx-swap-oob="true">'
    page = web.customer(bait, customer_name=bait).get("/chat").get_data(as_text=True)
    assert "<img src=x" not in page
    assert not re.search(r"<p hx-swap-oob", page)
    assert "{{7*7}}" in page
