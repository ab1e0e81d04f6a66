"""The page of saved replies, its form and its file, and what the composer gets of them."""

from __future__ import annotations

import io
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from tests.cast import Agent, new_id
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")
HELLO = "Hi {{customer.first_name|there}}, this is #{{ticket.number}} at {{desk.name}}."


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """The browser of alice, who is at the desk."""
    return web.agent("alice")


def small_picture(colour: str = "red") -> tuple[io.BytesIO, str]:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(content, "PNG")
    content.seek(0)
    return content, "a.png"


def id_of(agent: Agent, name: str) -> str:
    return next(str(reply["id"]) for reply in agent.call("list_replies") if reply["name"] == name)


def test_a_reply_is_written_changed_and_deleted(desk: Browser, alice: Agent) -> None:
    assert desk.post("/replies", name=" Hello ", message="Hi\r\nyou ").status_code == 303
    [reply] = alice.call("list_replies")
    assert (reply["name"], reply["message"], reply["is_shared"], reply["close_after"]) == (
        "Hello",
        "Hi\nyou",
        False,
        False,
    )
    page = desk.get("/replies").text
    assert f'href="/replies/{reply["id"]}"' in page
    assert desk.post(f"/replies/{reply['id']}", name="Bye", message="Goodbye", after="close").status_code == 303
    assert [each["close_after"] for each in alice.call("list_replies")] == [True]
    said = desk.get(f"/replies?saved={reply['id']}").text.split('role="status"')[1]
    assert "Saved the reply <bdi>Bye</bdi>." in said
    assert "Closes the ticket" in desk.get("/replies").text
    assert desk.post(f"/replies/{reply['id']}/delete").status_code == 303
    assert alice.call("list_replies") == []
    assert desk.get(f"/replies/{reply['id']}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "", "message": "My words"}, "Enter a name, so that you can find it again."),
        ({"name": "x" * 81, "message": "My words"}, "A name can have up to 80 characters."),
        ({"name": "x" * 9999, "message": "My words"}, "A name can have up to 80 characters."),
        ({"name": "My words", "message": " "}, "Write a text, or add a picture."),
        (
            {"name": "Order", "message": "My words {{order.id}}"},
            "Nothing fills in {{order.id}}. The names are: customer.first_name, customer.name,",
        ),
        ({"name": "My words", "message": "x" * 8001}, "This can have up to 8000 characters."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    desk: Browser, alice: Agent, fields: dict[str, str], problem: str
) -> None:
    answer = desk.post("/replies", **fields)
    assert (answer.status_code, problem in unescape(answer.text), "My words" in answer.text) == (422, True, True)
    assert alice.call("list_replies") == []


def test_a_name_that_is_taken_is_said_at_its_field(desk: Browser) -> None:
    desk.post("/replies", name="Hello", message="Hi")
    answer = desk.post("/replies", name="hello", message="My words")
    assert (answer.status_code, "My words" in answer.text) == (409, True)
    assert "Another saved reply is called hello already." in answer.text


def test_agents_share_nothing_and_change_nothing_shared(web: Web, desk: Browser, carol: Agent) -> None:
    admin = web.agent("carol")
    assert 'name="shared"' in admin.get("/replies/new").text
    assert 'name="shared"' not in desk.get("/replies/new").text
    admin.post("/replies", name="Ours", message="Hi", shared="y")
    reply = id_of(carol, "Ours")
    assert f"/replies/{reply}" not in desk.get("/replies").text
    assert "Only leads and admins" in desk.get(f"/replies/{reply}").text
    for answer in (
        desk.post("/replies", name="Mine", message="Hi", shared="y"),
        desk.post(f"/replies/{reply}", name="Ours", message="Ho", shared="y"),
        desk.post(f"/replies/{reply}/delete"),
    ):
        assert answer.status_code == 403
    assert [each["message"] for each in carol.call("list_replies")] == ["Hi"]


def test_a_picture_is_kept_served_replaced_and_taken_away(app: Flask, web: Web, desk: Browser, alice: Agent) -> None:
    desk.post("/replies", name="Label", message="", image=small_picture())
    reply = id_of(alice, "Label")
    served = desk.get(f"/replies/{reply}/picture")
    assert (served.status_code, served.mimetype) == (200, "image/webp")
    assert Image.open(io.BytesIO(served.data)).size == (40, 30)
    assert web.agent("bob").get(f"/replies/{reply}/picture").status_code == 404
    answer = desk.post(f"/replies/{reply}", name="Label", message="", image=(io.BytesIO(b"%PDF-1.4"), "a.pdf"))
    assert (answer.status_code, "PDF" in answer.text) == (422, True)
    desk.post(f"/replies/{reply}", name="Label", message="Hi", image=small_picture("blue"))
    assert desk.get(f"/replies/{reply}/picture").data != served.data
    answer = desk.post(f"/replies/{reply}", name="Label", message="", drop_picture="y")
    assert answer.status_code == 422
    desk.post(f"/replies/{reply}", name="Label", message="Hi", drop_picture="y")
    assert desk.get(f"/replies/{reply}/picture").status_code == 404
    assert [*app.extensions["images"].older_than(-60)] == []


def test_the_composer_gets_replies_filled_in(web: Web, desk: Browser, alice: Agent, rows: Any) -> None:
    rows("update sites set name = 'Halden'")
    web.customer("Help", customer_name="Vera Lindt")
    desk.post("/replies", name="Hello", message=HELLO, after="close")
    desk.post("/replies", name="Bye", message="Goodbye")
    reply = id_of(alice, "Hello")
    assert desk.get("/tickets/1001/replies?q=hel").json == [
        {
            **{"name": "Hello", "text": "Hi Vera, this is #1001 at Halden.", "picture": ""},
            "uses": f"/replies/{reply}/uses",
            "acts": [{"name": "then", "value": "close", "label": "Close the ticket after sending"}],
        }
    ]
    assert len(desk.get("/tickets/1001/replies?q=").json or []) == 2
    assert desk.get("/tickets/1001/replies?q=hel+nothing").json == []
    assert desk.get("/tickets/999/replies").status_code == 404
    assert desk.post(f"/replies/{reply}/uses").status_code == 204
    assert "Used 1 time" in desk.get("/replies").text


@pytest.mark.parametrize("path", ["messages", "notes"])
@pytest.mark.parametrize("htmx", [False, True])
def test_a_variable_that_stays_open_stops_the_message_and_is_named(
    web: Web, desk: Browser, rows: Any, path: str, htmx: bool
) -> None:
    web.customer("Help")
    text = "My words for {{customer.name}} and {{ 7*7 }}"
    answer = desk.post(f"/tickets/1001/{path}", htmx=htmx, message=text, client_message_id=new_id())
    assert answer.status_code == 422
    assert "Write something in place of {{customer.name}}, or remove it." in unescape(answer.text)
    assert htmx or text in unescape(answer.text)
    assert rows("select count(*) from chat_messages where sender = 'agent'") == [(0,)]
    assert desk.post(f"/tickets/1001/{path}", htmx=htmx, message="{{ 7*7 }}").status_code in (200, 303)


@pytest.mark.parametrize("path", ["messages", "notes"])
def test_a_name_in_a_saved_reply_that_nothing_fills_in_stops_the_message_too(
    web: Web, desk: Browser, alice: Agent, path: str
) -> None:
    web.customer("Help")
    alice.call("save_reply", values={"name": "Order", "message": "It is {{order.id}}."})  # of an earlier version
    [found] = desk.get("/tickets/1001/replies").json or []
    for text, status in ((found["text"], 422), ("It is {{order.id}}.", 303), ("It is 1042.", 303)):
        answer = desk.post(f"/tickets/1001/{path}", message=text, client_message_id=new_id())
        assert answer.status_code == status
        assert ("Write something in place of {{order.id?}}, or remove it." in unescape(answer.text)) == (status == 422)


def test_what_a_customer_writes_is_never_stopped_for_its_braces(web: Web) -> None:
    assert web.customer("{{customer.name}}").post("/chat/messages", message="{{agent.name}}").status_code == 303


def test_a_reply_that_closes_its_ticket_is_sent_first(web: Web, desk: Browser, rows: Any) -> None:
    vera = web.customer("Help")
    answer = desk.post("/tickets/1001/messages", htmx=True, message="Goodbye", then="close", client_message_id=new_id())
    assert (answer.status_code, "Closed #1001." in answer.text) == (200, True)
    assert rows("select status from tickets") == [("closed",)]
    assert "Goodbye" in vera.get("/chat").text


def test_a_reply_may_snooze_and_tag_its_ticket(web: Web, desk: Browser, alice: Agent, rows: Any) -> None:
    web.customer("Help")
    saved = desk.post("/replies", name="Wait", message="Hi", after="tomorrow", tags="heating, CM-410,")
    assert saved.status_code == 303
    [found] = desk.get("/tickets/1001/replies").json or []
    assert [act["label"] for act in found["acts"]] == [
        "Snooze after sending: Tomorrow, 9:00",
        "Add tags: CM-410, heating",
    ]
    fields = {act["name"]: act["value"] for act in found["acts"]}
    desk.post("/tickets/1001/messages", htmx=True, message="Hi", client_message_id=new_id(), **fields)
    ticket = alice.call("ticket_of_agent", number=1001)
    assert [tag["name"] for tag in ticket["tags"]] == ["CM-410", "heating"]
    assert rows("select snoozed_until > now() from tickets") == [(True,)]
    form = desk.get(f"/replies/{id_of(alice, 'Wait')}").text
    assert 'value="CM-410, heating"' in form
    assert re.search(r'value="tomorrow" selected', form)
    assert desk.post("/replies", name="Odd", message="Hi", after="never").status_code == 422
    assert desk.post("/tickets/1001/messages", htmx=True, message="x", then="never").status_code == 200


def test_a_sent_message_is_saved_in_two_clicks_with_the_name_left_open(web: Web, desk: Browser, alice: Agent) -> None:
    web.customer("Help", customer_name="Vera Lindt")
    alice.reply(1001, "Hi Vera, dear Vera Lindt: Verandas are closed.")
    page = desk.get("/agent?ticket=1001").text
    [link] = re.findall(r'href="(/replies/new[^"]+)"', page)
    form = unescape(desk.get(unescape(link)).text)
    assert "Hi {{customer.first_name|there}}, dear {{customer.name}}: Verandas are closed.</textarea>" in form
    answer = desk.post("/replies", name="Verandas", message="Closed.", ticket="1001")
    saved = id_of(alice, "Verandas")
    assert answer.headers["Location"] == f"/agent?ticket=1001&saved={saved}"
    back = desk.get(answer.headers["Location"]).text
    assert "Saved the reply <bdi>Verandas</bdi>." in back.split('id="toast"')[1]
    assert f'href="/replies/{saved}"' in back
    assert "Saved the reply" not in desk.get("/agent?ticket=1001&saved=other").text
    assert "Help" not in desk.get("/replies/new?ticket=1001&seq=1").text  # a customer's message is nobody's reply
    assert desk.get("/replies/new?ticket=999&seq=1").status_code == 404
    assert desk.get("/replies/new?ticket=x&seq=-1").status_code == 200


def test_without_scripts_a_reply_is_chosen_from_a_list_and_what_was_typed_stays(
    web: Web, desk: Browser, alice: Agent
) -> None:
    web.customer("Help", customer_name="Vera Lindt")
    desk.post("/replies", name="Hello", message="Hi {{customer.first_name}}!", after="close", image=small_picture())
    assert "<select" not in desk.get("/agent?ticket=1001").text.split('id="reply"')[1].split("</form>")[0]
    shown = desk.post("/tickets/1001/replies", mode="reply", message="Typed before").text
    form = shown.split('id="reply"')[1].split("</form>")[0]
    assert "Typed before</textarea>" in form
    [(value, name)] = re.findall(r'<option value="([^"]+)">([^<]+)</option>', form)
    assert name == "Hello"
    shown = desk.post("/tickets/1001/replies", mode="reply", message="Typed before", saved_reply=value).text
    form = shown.split('id="reply"')[1].split("</form>")[0]
    assert "Typed before\nHi Vera!</textarea>" in form
    assert re.search(r'name="then" value="close" checked', form)
    assert f'href="/replies/{value}/picture"' in form
    note = desk.post("/tickets/1001/replies", mode="note", message="", saved_reply=value).text
    assert "Hi Vera!</textarea>" in note.split('id="note"')[1]
    assert desk.post("/tickets/1001/replies", message="x", saved_reply="nonsense").status_code == 422
    assert [reply["uses"] for reply in alice.call("list_replies")] == [2]


def test_replies_come_and_go_as_a_file(web: Web, desk: Browser, alice: Agent) -> None:
    def send(browser: Browser, content: bytes, whose: str = "mine") -> Any:
        return browser.post("/replies/import", file=(io.BytesIO(content), "replies.csv"), whose=whose)

    assert "2 replies added" in send(desk, b"name,text,close\nHello,Hi,\nBye,=1+1,yes\n").text
    answer = send(desk, b"name,text\nHello,Ho\nNew,\n")
    assert (answer.status_code, "Line 3: The text is missing." in answer.text) == (422, True)
    assert {each["name"]: each["message"] for each in alice.call("list_replies")} == {"Bye": "=1+1", "Hello": "Hi"}
    assert "0 replies added · 1 replaced" in send(desk, b"name,text\nhello,Ho\n").text
    answer = desk.get("/replies/export?whose=mine")
    assert answer.headers["Content-Disposition"] == "attachment; filename=replies-own.csv"
    assert '"Bye","\'=1+1","yes"' in answer.text
    assert desk.get("/replies/export").text.count("\n") == 1
    assert send(desk, b"name,text\na,b\n", "everybody").status_code == 403
    assert send(web.agent("carol"), b"name,text\na,b\n", "everybody").status_code == 200
    assert desk.post("/replies/import").status_code == 422
    assert desk.get("/replies").text.count('class="saved__row"') == 3
