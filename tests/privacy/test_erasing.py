"""The pages on which customers' data are erased, and on which it is decided how long chats are kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database
from tests.cast import Agent, Cast
from tests.privacy.cast import end, talk
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def admin(web: Web) -> Browser:
    return web.agent("carol")


def said(page: str) -> str:
    """Return the words of a page, one space between them."""
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def test_the_question_names_what_goes(database: Database, cast: Cast, alice: Agent, admin: Browser) -> None:
    vera = cast.visitor()
    number = talk(database, vera, alice)
    assert "1 chat, 3 messages, 1 note, and 1 picture" in said(admin.get(f"/tickets/{number}/erasure").text)
    database.call("close_chat", visitor=vera.key)
    vera.start("Again")
    page = said(admin.get(f"/tickets/{number}/erasure").text)
    assert "Everything of this customer 2 chats, 4 messages, 1 note, and 1 picture" in page


def test_erasing_leads_to_the_receipt(database: Database, cast: Cast, alice: Agent, admin: Browser) -> None:
    number = talk(database, cast.visitor(), alice)
    answer = admin.post(f"/tickets/{number}/erasure", what="conversation")
    assert answer.status_code == 303
    page = said(admin.get(answer.location).text)
    assert "The chat of #1001 1 chat, 3 messages, 1 note, and 1 picture" in page
    assert "Carol Tan" in page
    assert "1 picture left in the store" in page


def test_an_erased_ticket_says_so_and_offers_nothing(
    database: Database, cast: Cast, alice: Agent, admin: Browser
) -> None:
    number = talk(database, cast.visitor(), alice)
    admin.post(f"/tickets/{number}/erasure", what="customer")
    page = admin.get(f"/agent?view=all&ticket={number}").text
    assert "This chat was erased." in page
    assert "Carol Tan erased the chat" in said(page)
    for text in ("Vera", "My secret", "upset", "ticket-reopen", "customer-export"):
        assert text not in page
    again = admin.post(f"/tickets/{number}/erasure", what="customer")
    assert again.status_code == 409
    assert "This chat was erased." in said(again.text)


def test_a_browser_whose_chat_was_erased_is_told_calmly_and_starts_a_new_one(web: Web, admin: Browser) -> None:
    vera = web.customer("My secret")
    admin.post("/tickets/1001/erasure", what="customer")
    assert vera.get("/chat/messages?after=0").status_code == 404
    page = vera.get("/chat?erased=").text
    assert "Your earlier chat was deleted" in page
    assert "My secret" not in page
    assert vera.post("/chat", message="Again").status_code == 303
    assert "Again" in vera.get("/chat").text


def test_who_has_no_right_is_offered_nothing_and_refused(
    database: Database, web: Web, cast: Cast, alice: Agent
) -> None:
    number = talk(database, cast.visitor(), alice)
    desk = web.agent("alice")
    page = desk.get(f"/agent?ticket={number}").text
    assert "Vera Lindt" in page
    assert "/export" not in page
    assert "/erasure" not in page
    for method, path in (
        ("POST", f"/tickets/{number}/export"),
        ("GET", f"/tickets/{number}/erasure"),
        ("POST", f"/tickets/{number}/erasure"),
        ("GET", "/privacy"),
        ("POST", "/privacy/retention"),
        ("POST", "/privacy/retention/delete"),
        ("POST", "/privacy/audit"),
        ("GET", "/audit"),
        ("POST", "/audit/export"),
    ):
        assert desk.send(method, path).status_code == 403, path
    assert database.call(
        "messages_after",
        session_id=database.call("join_conversation", number=number)["conversation"]["session_id"],
        after=0,
    )


def test_a_ticket_that_is_not_there_cannot_be_exported_or_erased(admin: Browser) -> None:
    for method, path in (("POST", "export"), ("GET", "erasure"), ("POST", "erasure")):
        assert admin.send(method, f"/tickets/77/{path}").status_code == 404


def test_chats_are_kept_by_default_and_a_preview_changes_nothing(
    database: Database, rows: Any, cast: Cast, admin: Browser
) -> None:
    vera = cast.visitor()
    vera.start()
    end(database, rows, vera, days=100)
    assert "Chats are kept until somebody erases them." in admin.get("/privacy").text
    page = admin.get("/privacy?days=90").text
    assert "1 chat would be erased now" in said(page)
    assert "Erase chats after 90 days" in said(page)
    assert rows("select * from desk_settings") == []


def test_the_retention_is_switched_on_changed_and_switched_off(
    app: Flask, database: Database, rows: Any, cast: Cast, admin: Browser
) -> None:
    vera = cast.visitor()
    vera.start()
    end(database, rows, vera, days=100)
    assert admin.post("/privacy/retention", days="90").status_code == 303
    assert "Chats are erased 90 days after they end." in admin.get("/privacy").text
    app.extensions["eraser"].work()
    page = said(admin.get("/privacy").text)
    assert "Chats older than 90 days 1 chat and 1 message" in page
    assert "Automatic" in page
    assert admin.post("/privacy/retention/delete").status_code == 303
    assert "Chats are kept until somebody erases them." in admin.get("/privacy").text


@pytest.mark.parametrize("days", ["0", "3651", "ninety", "-1", "9" * 40, "1.5", "١٢"])
def test_a_number_of_days_that_makes_no_sense_is_refused_where_it_was_typed(admin: Browser, days: str) -> None:
    answers = (admin.get("/privacy", query_string={"days": days}), admin.post("/privacy/retention", days=days))
    for answer in answers:
        assert answer.status_code == 422
        assert "Enter a whole number of days from 1 to 3,650." in answer.text
        assert f'value="{days}"' in answer.text


def test_the_audit_log_is_kept_for_as_many_years_as_are_chosen(admin: Browser, rows: Any) -> None:
    assert admin.post("/privacy/audit", years="5").status_code == 303
    assert rows("select value from desk_settings where name = 'audit_days'") == [(1825,)]
    assert admin.post("/privacy/audit", years="0").status_code == 422
    assert admin.post("/privacy/audit", years="x", htmx=True).status_code == 422


def test_receipts_come_by_the_page(cast: Cast, carol: Agent, admin: Browser) -> None:
    for _ in range(51):
        carol.call("erase_customer", number=cast.visitor().start()["number"])
    page = admin.get("/privacy").text
    assert page.count('id="receipt-') == 50
    [older] = re.findall(r'href="(/privacy\?before=[^"#]+)', page)
    assert "#1001" in admin.get(older).text
