"""A customer whom their site names: what it opens, and for whom."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.web.refusals import LINES
from tests.cast import Agent
from tests.web import Browser, Web

from .conftest import identify, signed

pytestmark = [pytest.mark.mode("postgres"), pytest.mark.usefixtures("site")]


def key_of(browser: Browser) -> str:
    """Return the key that a browser sends."""
    cookie = browser.client.get_cookie("c")
    return cookie.value if cookie else ""


def with_key(web: Web, key: str) -> Browser:
    """Return another browser that has a key of somebody's."""
    browser = web.visitor()
    browser.client.set_cookie("c", key)
    return browser


def shown_number(browser: Browser) -> str | None:
    """Return the number of the ticket that a browser shows."""
    found = re.search(r'data-number="(\d+)"', browser.get("/chat").text)
    return found[1] if found else None


def test_a_signed_name_stands_at_the_desk_with_a_badge(web: Web, alice: Agent) -> None:
    vera = web.customer("Where is my order?", customer_name="Queen Vera")
    answer = identify(vera, signed(name="Vera Lindt", email="vera@example.com", attributes={"Plan": "Gold"}))
    assert (answer.status_code, answer.get_json()) == (200, {"moved": True, "has_chat": True})
    desk = web.agent("alice")
    page = desk.get("/agent?ticket=1001").text
    assert page.count('class="verified"') == 3, page  # row, header, pane
    pane = page[page.index('id="customer-1001"') :]
    for said in ("Verified by", "Vera Lindt", "vera@example.com", "vera-1", "Plan", "Gold"):
        assert said in pane
    for said in ("Says their name is", "Queen Vera", "Verified by their site"):
        assert said in pane


def test_what_a_customer_types_is_never_shown_as_a_fact(web: Web, alice: Agent) -> None:
    web.customer("Hello", customer_name="Vera Lindt", customer_phone="+49 30 901820")
    page = web.agent("alice").get("/agent?ticket=1001").text
    assert 'class="verified"' not in page
    for said in ("Says their name is", "Says their phone is", "not verified"):
        assert said in page


def test_another_device_of_a_person_shows_the_same_chat(web: Web) -> None:
    phone, laptop = web.customer("From the phone"), web.visitor()
    identify(phone)
    assert identify(laptop).get_json() == {"moved": True, "has_chat": True}
    assert shown_number(laptop) == "1001"
    assert laptop.post("/chat/messages", message="From the laptop").status_code == 303
    assert "From the laptop" in phone.get("/chat").text


def test_a_chat_that_begins_after_the_name_is_known_is_the_persons(web: Web, alice: Agent) -> None:
    vera = web.visitor()
    assert identify(vera, signed(name="Vera Lindt")).get_json() == {"moved": True, "has_chat": False}
    assert vera.post("/chat", message="Hello").status_code == 303
    assert web.agent("alice").get("/agent?ticket=1001").text.count('class="verified"') == 3


def test_the_key_of_a_browser_is_another_one_from_that_moment_on(web: Web) -> None:
    vera = web.customer("My secret")
    planted = key_of(vera)
    identify(vera)
    assert key_of(vera) not in ("", planted)
    assert shown_number(vera) == "1001"
    other = with_key(web, planted)
    assert shown_number(other) is None
    assert other.get("/chat/messages?after=0").status_code == 404


def test_saying_it_again_changes_nothing(web: Web, rows: Any) -> None:
    vera = web.customer("Hello")
    identify(vera)
    key = key_of(vera)
    version = rows("select version from tickets")
    assert identify(vera).get_json() == {"moved": False, "has_chat": True}
    assert (key_of(vera), rows("select version from tickets")) == (key, version)
    assert rows("select count(*) from person_keys") == [(1,)]


def test_a_browser_that_is_somebody_elses_is_asked_first(web: Web) -> None:
    shared = web.customer("Of Vera")
    identify(shared)
    refused = identify(shared, signed(sub="victor-2"))
    assert (refused.status_code, refused.get_json()) == (409, {"asks": True})
    assert shown_number(shared) == "1001"
    question = shared.get("/chat/identity").text
    assert "Of Vera" not in question
    assert "#1001" not in question

    answer = identify(shared, signed(sub="victor-2"), replace="1")
    assert answer.get_json() == {"moved": True, "has_chat": False}
    assert shown_number(shared) is None
    back = web.visitor()
    identify(back)
    assert shown_number(back) == "1001"


def test_logging_out_leaves_a_browser_that_nobody_has_chatted_in(web: Web, rows: Any) -> None:
    vera = web.customer("My secret")
    identify(vera)
    key = key_of(vera)
    assert vera.post("/chat/key/delete").status_code == 303
    assert key_of(vera) == ""
    assert shown_number(with_key(web, key)) is None
    assert rows("select count(*) from person_keys") == [(0,)]
    assert "My secret" not in vera.get("/chat").text


def test_a_key_that_was_copied_reads_nothing_after_its_owner_has_forgotten_the_chat(web: Web) -> None:
    vera = web.customer("My secret")
    key = key_of(vera)
    vera.post("/chat/key/delete")
    assert shown_number(with_key(web, key)) is None


def test_a_site_that_names_nobody_refuses_every_token(web: Web, carol: Agent) -> None:
    carol.call("change_identity", key="main", values={"method": "off"})
    vera = web.customer("Hello")
    key = key_of(vera)
    assert identify(vera).status_code == 404
    assert key_of(vera) == key


def test_the_same_name_at_another_site_is_another_person(web: Web, carol: Agent) -> None:
    carol.call("add_site", key="shop", name="The shop")
    carol.call("change_identity", key="shop", values={"method": "secret"})
    carol.call("add_site_secret", key="shop", secret="the secret of another site of the desk")
    vera, other = web.customer("Hello"), web.visitor()
    identify(vera)
    assert identify(other, path="/chat/identity?site=shop").status_code == 422
    token = signed("the secret of another site of the desk")
    assert identify(other, token, path="/chat/identity?site=shop").get_json()["has_chat"] is False
    assert identify(other, token).status_code == 422


def test_a_stolen_token_opens_a_chat_only_while_it_lasts(web: Web) -> None:
    vera, thief = web.customer("My secret"), web.visitor()
    stolen = signed()
    identify(vera, stolen)
    assert identify(thief, stolen).status_code == 200  # whoever has it is that person, as docs/identity.md says
    late = web.visitor()
    assert identify(late, signed(exp=1)).status_code == 422
    assert shown_number(late) is None


def test_row_b9_tokens_that_are_refused_do_not_fill_the_log(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    browser = web.visitor()
    for _ in range(2 * LINES):
        identify(browser, "no token")
    assert 0 < sum("was refused" in record.getMessage() for record in caplog.records) <= LINES


@pytest.mark.parametrize(
    "email", ["vera\u200b@example.com", "ver\u00ada@example.com", "vera@exam\u2060ple.com", "\ufeffvera@example.com"]
)
def test_row_b13_an_address_with_characters_that_nobody_sees_is_none(
    web: Web, alice: Agent, rows: Any, email: str
) -> None:
    identify(web.customer("Hello"), signed(name="Vera", email=email))
    assert rows("select email from persons") == [(None,)]
