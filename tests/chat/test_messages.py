"""POST and GET /chat/messages, and what goes with a conversation."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import gevent
import pytest
from flask import Flask
from PIL import Image

from supportchat.images.stores import StoreUnavailable
from tests.cast import Agent, new_id
from tests.web import Web


def test_a_message_is_answered_with_itself(web: Web) -> None:
    answer = web.customer().post("/chat/messages", htmx=True, message="One more", client_message_id=new_id())
    html = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert re.match(r'<li id="message-1001-3"\s+class="message message--mine"', html.strip())
    assert html.strip().endswith("</li>")


def test_without_scripts_a_message_leads_back_to_the_page(web: Web) -> None:
    browser = web.customer()
    answer = browser.post("/chat/messages", message="One more")
    assert (answer.status_code, answer.location) == (303, "/chat#end")
    assert "One more" in browser.get("/chat").get_data(as_text=True)


def test_without_a_chat_there_is_nothing_to_post_to(web: Web) -> None:
    answer = web.visitor().post("/chat/messages", message="Hello?")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 404
    assert "There is no chat in this browser yet" in page
    assert "Hello?" in page  # the text is not lost


def test_a_foreign_session_in_the_form_changes_nothing(web: Web, rows: Any) -> None:
    web.customer("Mine is private")
    [(hers,)] = rows("select session_id::text from user_sessions")
    victor = web.customer("Mine as well")
    answer = victor.post("/chat/messages", htmx=True, message="Into hers", session=hers)
    assert answer.status_code == 409
    assert rows("select count(*) from chat_messages where message = 'Into hers'") == [(0,)]


@pytest.mark.parametrize(
    ("fields", "status", "problem"),
    [
        ({"message": ""}, 422, "Write a message or add a picture first."),
        ({"message": "\u200b \ufeff\u00ad\u2060"}, 422, "Write a message or add a picture first."),
        ({"message": "x" * 8001}, 422, "more than 8,000 characters"),
        ({"message": "Hi", "client_message_id": "1"}, 422, "could not be understood"),
        ({"message": "Hi", "session": "1"}, 422, "could not be understood"),
    ],
)
def test_bad_input_is_answered_in_the_composer(web: Web, fields: dict[str, str], status: int, problem: str) -> None:
    browser = web.customer()
    plain = browser.post("/chat/messages", **fields)
    assert plain.status_code == status
    assert problem in plain.get_data(as_text=True)
    assert fields["message"].strip("\u200b \ufeff\u00ad\u2060") in plain.get_data(as_text=True)
    fragment = browser.send("POST", "/chat/messages", fields, htmx=True)
    assert fragment.status_code == status
    assert problem in fragment.get_data(as_text=True)


def test_a_repeated_message_is_answered_the_same_way(web: Web, rows: Any) -> None:
    browser, once = web.customer(), new_id()
    answers = [
        browser.post("/chat/messages", htmx=True, message="Once", client_message_id=once).get_data(as_text=True)
        for _ in range(2)
    ]
    assert all('id="message-1001-3"' in html for html in answers)
    assert rows("select count(*) from chat_messages where message = 'Once'") == [(1,)]


def test_the_same_id_with_another_text_is_refused(web: Web) -> None:
    browser, once = web.customer(), new_id()
    browser.post("/chat/messages", htmx=True, message="Once", client_message_id=once)
    assert browser.post("/chat/messages", htmx=True, message="Twice", client_message_id=once).status_code == 422


def test_the_lines_after_a_seq(web: Web) -> None:
    browser = web.customer("The first one")
    browser.post("/chat/messages", message="The second one")
    html = browser.get("/chat/messages?after=2", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "The second one" in html
    assert "The first one" not in html
    assert 'hx-target="#presence"' in html


def test_the_lines_before_a_seq_come_with_a_link_to_more(web: Web) -> None:
    browser = web.customer("m1")
    for number in range(60):
        browser.post("/chat/messages", message=f"text {number}")
    assert "Show earlier messages" in browser.get("/chat").get_data(as_text=True)
    earlier = browser.get("/chat/messages?before=13", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "m1" in earlier
    assert "Show earlier messages" not in earlier
    assert "text 9" in browser.get("/chat?before=13").get_data(as_text=True)


def test_ending_and_going_on(web: Web, alice: Agent) -> None:
    browser = web.customer()
    assert browser.post("/chat/closure").status_code == 303
    assert "Chat ended" in browser.get("/chat").get_data(as_text=True)
    browser.post("/chat/messages", message="Wait")
    assert "Chat ended" not in browser.get("/chat").get_data(as_text=True)


def test_an_ended_chat_can_be_followed_by_a_new_one(web: Web) -> None:
    browser = web.customer()
    assert "Start Chat" not in browser.get("/chat?new").get_data(as_text=True)  # one at a time
    browser.post("/chat/closure")
    assert "Start Chat" in browser.get("/chat?new").get_data(as_text=True)
    browser.post("/chat", message="Something else")
    assert "Ticket #1002" in browser.get("/chat").get_data(as_text=True)


def test_a_note_is_in_nothing_that_a_customer_gets(web: Web, alice: Agent) -> None:
    browser = web.customer()
    alice.call("add_note", number=1001, client_message_id=new_id(), note="Between us")
    alice.reply(1001, "Hello")
    for path in ("/chat", "/chat/messages?after=0", "/chat/messages?before=99"):
        assert "Between us" not in browser.get(path).get_data(as_text=True)


def test_an_agents_address_is_in_nothing_that_a_customer_gets(web: Web, alice: Agent) -> None:
    browser = web.customer()
    alice.reply(1001)
    for path in ("/chat", "/chat/messages?after=0"):
        page = browser.get(path).get_data(as_text=True)
        assert "Alice" in page
        assert "alice@example.com" not in page
        assert alice.id not in page


def test_receipts_and_typing_are_answered_with_nothing(web: Web, rows: Any) -> None:
    browser = web.customer()
    assert browser.post("/chat/typing").status_code == 204
    assert browser.post("/chat/receipts", delivered="2", read="1").status_code == 204
    assert rows("select customer_delivered_seq, customer_read_seq from user_sessions") == [(2, 1)]
    assert browser.post("/chat/receipts", delivered="-1", read="x").status_code == 204


def test_a_page_without_a_socket_is_told_of_receipts_and_of_the_end(web: Web, alice: Agent) -> None:
    browser = web.customer()
    alice.call("record_receipt", number=1001, delivered=2, read=2)
    told = json.loads(browser.get("/chat/messages?after=2").headers["HX-Trigger"])
    assert told["live:receipts"] == {"number": 1001, "delivered": 2, "read": 2}
    assert told["live:chat_state"] == {"status": "open", "banned": False}
    ended = browser.post("/chat/closure", htmx=True)
    assert json.loads(ended.headers["HX-Trigger"])["live:chat_state"] == {"status": "closed", "banned": False}


def test_a_tab_that_another_has_left_behind_is_told_to_load_anew(web: Web, alice: Agent) -> None:
    browser = web.customer("One")
    page = browser.get("/chat").get_data(as_text=True)
    first = re.findall(r'data-epoch="(\w+)"', page)[0]
    session = re.findall(r'name="session" value="([^"]+)"', page)[0]
    cid = new_id()
    assert browser.post("/chat/messages", htmx=True, message="Two", client_message_id=cid).status_code == 200
    browser.post("/chat/closure")
    browser.post("/chat", message="Another matter", client_message_id=new_id())
    answer = browser.client.get(f"/chat/messages?after=3&epoch={first}")
    assert "live:reset" in answer.headers["HX-Trigger"]
    # Its answer was lost, and the other conversation has begun since.
    again = browser.post("/chat/messages", htmx=True, message="Two", client_message_id=cid, session=session)
    assert again.headers["HX-Redirect"] == "/chat"
    other = browser.post("/chat/messages", htmx=True, message="Three", client_message_id=new_id(), session=session)
    assert other.status_code == 409


def test_a_picture_outlives_a_request_that_is_cut_off_after_its_commit(app: Flask, web: Web, rows: Any) -> None:
    vera, database, once = web.customer(), app.extensions["database"], new_id()
    call = database.call

    def cut_off(function: str, /, **arguments: Any) -> Any:
        answer = call(function, **arguments)
        if function == "post_message":
            raise gevent.GreenletExit  # by gunicorn, when its time to stop gracefully is over
        return answer

    database.call = cut_off
    with pytest.raises(gevent.GreenletExit):
        vera.post("/chat/messages", message="Look", client_message_id=once, image=(picture(), "a.png"))
    database.call = call
    assert (
        vera.post("/chat/messages", message="Look", client_message_id=once, image=(picture(), "a.png")).status_code
        == 303
    )
    ((image_id,),) = rows("select id from chat_images")
    with vera.client.get(f"/chat/images/{image_id}") as shown:
        assert shown.status_code == 200


def picture() -> io.BytesIO:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(content, "PNG")
    content.seek(0)
    return content


@pytest.mark.parametrize("htmx", [False, True])
def test_a_tab_that_another_has_left_behind_ends_its_own_chat_or_none(web: Web, rows: Any, htmx: bool) -> None:
    browser = web.customer("One")
    form = re.findall(r'action="/chat/closure".*?</form>', browser.get("/chat").get_data(as_text=True), re.DOTALL)[0]
    session = re.findall(r'name="session" value="([^"]+)"', form)[0]
    assert browser.post("/chat/closure", session=session).status_code == 303
    browser.post("/chat", message="Another matter", client_message_id=new_id())
    answer = browser.post("/chat/closure", htmx=htmx, session=session)
    assert answer.status_code == 409
    assert "newer chat in another tab" in answer.get_data(as_text=True)
    assert "message-1002" not in answer.get_data(as_text=True)
    assert rows("select number, status from tickets order by number") == [(1001, "closed"), (1002, "waiting")]


@pytest.mark.mode("postgres")
def test_what_is_too_much_for_one_answer_is_asked_for_in_several(web: Web, rows: Any) -> None:
    browser = web.customer()
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, n, 'user', repeat('x', 8000) from user_sessions, generate_series(3, 100) n"
    )
    rows("update user_sessions set last_seq = 100")
    shown: list[int] = []
    for _ in range(10):
        answer = browser.get(f"/chat/messages?after={len(shown)}", headers={"HX-Request": "true"})
        page = answer.get_data(as_text=True)
        assert len(page) < 400_000
        shown += [int(seq) for seq in re.findall(r'data-seq="(\d+)"', page)]
        if "live:more" not in json.loads(answer.headers["HX-Trigger"]):
            break
    assert shown == list(range(1, 101))
    latest = re.findall(r'data-seq="(\d+)"', browser.get("/chat").get_data(as_text=True))
    assert latest == [str(seq) for seq in range(68, 101)]


@pytest.mark.mode("postgres")
def test_a_refusal_stays_one_when_its_picture_cannot_be_deleted(
    app: Flask, web: Web, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers, browser = web.customer(), web.customer()
    [(session,)] = rows("select session_id::text from user_sessions order by created_at limit 1")

    def hangs(key: str) -> None:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(app.extensions["images"], "delete", hangs)
    answer = browser.post("/chat/messages", htmx=True, message="Into hers", session=session, image=(picture(), "a.png"))
    assert answer.status_code == 409
    once = new_id()
    for _ in range(2):
        answer = hers.post("/chat/messages", message="Look", client_message_id=once, image=(picture(), "a.png"))
        assert answer.status_code == 303
