"""Replies that are held, as the page of their agent shows them, and what comes after one that closes its ticket."""

from __future__ import annotations

import re
from typing import Any

import gevent
import pytest

from supportchat.database import Database
from tests.cast import Agent, agent_id, new_id
from tests.web import Browser, Web


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """Alice's browser; ticket 1001 is hers."""
    web.customer("Help me", customer_name="Vera Lindt")
    return web.agent("alice")


@pytest.fixture
def holding(database: Database) -> None:
    """Replies are held for 30 seconds."""
    hold(database, 30)


def hold(database: Database, seconds: int) -> None:
    values = {"undo_send_seconds": seconds}
    database.call("change_settings", agent_id=agent_id(database, "carol"), values=values)


def send(desk: Browser, message: str = "An answer", **fields: Any) -> Any:
    return desk.post("/tickets/1001/messages", htmx=True, message=message, client_message_id=new_id(), **fields)


def held_in(desk: Browser) -> list[str]:
    return re.findall(r'id="held-([0-9a-f-]{36})"', desk.send("GET", "/tickets/1001", htmx=True).text)


def test_without_the_setting_a_reply_is_sent_at_once(desk: Browser) -> None:
    answer = send(desk)
    assert ("data-seq=" in answer.text, "X-Accepted" in answer.headers) == (True, False)


@pytest.mark.usefixtures("holding")
def test_a_held_reply_is_shown_with_undo_and_in_a_toast_and_to_its_agent_alone(desk: Browser, web: Web) -> None:
    answer = send(desk, "An <answer>")
    assert (answer.headers["X-Accepted"], "data-seq=" in answer.text) == ("yes", False)
    assert "Held. The customer does not see it yet." in answer.text
    assert "Your reply to #1001 is held for 30 seconds." in answer.text
    page = desk.get("/agent?ticket=1001").text
    assert "An &lt;answer&gt;" in page
    for other in (web.agent("bob"), web.agent("carol")):
        assert "An &lt;answer" not in other.get("/agent?view=all&ticket=1001").text


@pytest.mark.usefixtures("holding")
def test_what_is_taken_back_comes_to_the_box_with_what_was_to_happen_then(desk: Browser) -> None:
    send(desk, "Bye", then="close", tags="Parts")
    [once] = held_in(desk)
    taken = desk.delete(f"/tickets/1001/held/{once}", htmx=True).text
    assert re.search(r"<span data-taken-text>Bye</span>", taken)
    assert re.findall(r'name="(then|tags)" value="(\w+)" checked', taken) == [("then", "close"), ("tags", "Parts")]
    assert "Taken back. Not sent." in taken
    assert desk.delete(f"/tickets/1001/unsent/{once}", htmx=True).status_code == 200
    assert held_in(desk) == []
    assert desk.delete(f"/tickets/1001/held/{once}", htmx=True).status_code == 404


@pytest.mark.usefixtures("holding")
def test_a_page_that_has_gone_on_turns_back_to_the_ticket_whose_reply_is_taken_back(desk: Browser) -> None:
    answer = send(desk, "Bye", then="close")
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Push-Url"]) == ("#ticket", "/agent")
    [once] = held_in(desk)
    taken = desk.delete(f"/tickets/1001/held/{once}?show=", htmx=True)
    assert taken.headers["HX-Push-Url"] == "/agent?ticket=1001"
    assert 'id="reply-text"' in taken.text


def test_a_held_reply_is_sent_by_the_timer_of_the_process_that_took_it(
    desk: Browser, database: Database, rows: Any
) -> None:
    hold(database, 1)
    send(desk)
    assert rows("select count(*) from chat_messages where sender = 'agent'") == [(0,)]
    with gevent.Timeout(10):
        while not rows("select message from chat_messages where sender = 'agent'"):
            gevent.sleep(0.05)
    assert held_in(desk) == []


@pytest.mark.usefixtures("holding")
def test_without_scripts_nothing_is_held(desk: Browser, rows: Any) -> None:
    assert desk.post("/tickets/1001/messages", message="At once").status_code == 303
    assert rows("select message from chat_messages where sender = 'agent'") == [("At once",)]


@pytest.mark.usefixtures("holding")
def test_a_refused_reply_is_announced_above_the_queue_and_kept_with_the_reason(
    desk: Browser, web: Web, database: Database, rows: Any
) -> None:
    send(desk, "For Vera")
    web.agent("bob").post("/tickets/1001/assignment", expected=agent_id(database, "alice"))
    rows("update held_replies set due_at = now()")
    database.call("release_replies")
    page = desk.get("/agent?ticket=1001").text
    assert "Your reply to #1001 was not sent." in page
    assert page.count("Bob Ortiz already took this ticket.") == 2
    assert "For Vera" in page


@pytest.mark.parametrize(("then", "state"), [("close", "closed"), ("hour", "open")])
def test_after_a_reply_that_closes_or_snoozes_the_next_ticket_opens_as_after_close(
    desk: Browser, web: Web, rows: Any, then: str, state: str
) -> None:
    web.customer("Me too")
    answer = send(desk, "Bye", then=then)
    assert (answer.headers["HX-Push-Url"], answer.headers["X-Accepted"]) == ("/agent?ticket=1002", "yes")
    assert ("Closed #1001." if then == "close" else "Snoozed #1001.") in answer.text
    assert rows("select status from tickets where number = 1001") == [(state,)]


@pytest.mark.usefixtures("holding")
def test_the_ticket_that_is_about_to_close_is_not_the_next_one(desk: Browser, web: Web) -> None:
    web.customer("Me too")
    assert send(desk, "Bye", then="close").headers["HX-Push-Url"] == "/agent?ticket=1002"


def test_what_is_to_happen_then_is_kept_with_the_draft(desk: Browser, web: Web) -> None:
    desk.post("/tickets/1001/drafts", mode="reply", message="Bye", then="close", tags="Parts, Spares")
    drafts = web.agent("alice").get("/tickets/drafts").text
    assert re.findall(r'"value":"([^"]+)"', drafts) == ["close", "Parts, Spares"]
    page = web.agent("alice").get("/agent?ticket=1001").text
    assert re.search(
        r'data-acts[^>]*>\s*<label class="tick"><input type="checkbox" name="then" value="close" checked>', page
    )


def test_an_admin_says_at_replies_for_how_long_they_are_held(web: Web, desk: Browser) -> None:
    carol = web.agent("carol")
    assert carol.post("/replies/undo", seconds="10").status_code == 303
    assert re.search(r'<option value="10" selected', carol.get("/replies").text)
    assert carol.post("/replies/undo", htmx=False, seconds="31").status_code == 422
    assert desk.post("/replies/undo", seconds="0").status_code == 403
    assert 'name="seconds"' not in desk.get("/replies").text
    assert "10" in carol.get("/audit").text
