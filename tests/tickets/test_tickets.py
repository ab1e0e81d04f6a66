"""/tickets and what an agent does there."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Unavailable
from tests.cast import Agent
from tests.web import Browser, Web


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """Alice's browser; ticket 1001 is hers, of Vera."""
    web.customer("Help me", customer_name="Vera Lindt", customer_phone="+4930901820")
    return web.agent("alice")


def fragment(browser: Browser, path: str) -> str:
    return browser.get(path, headers={"HX-Request": "true"}).get_data(as_text=True)


def test_the_desk_shows_queue_conversation_and_customer(desk: Browser) -> None:
    page = desk.get("/agent?ticket=1001").get_data(as_text=True)
    for part in ("Vera Lindt", "Help me", "+49 30 901820", "Chat page", "Mine", "Unassigned", "All"):
        assert part in page


def test_a_ticket_as_a_page_is_the_desk(desk: Browser) -> None:
    answer = desk.get("/tickets/1001")
    assert (answer.status_code, answer.location) == (303, "/agent?ticket=1001")


def test_a_ticket_as_a_fragment_brings_the_customer_along(desk: Browser) -> None:
    html = fragment(desk, "/tickets/1001")
    assert "Help me" in html
    assert '<hx-partial hx-target="#customer"' in html


def test_a_ticket_that_is_not_there(desk: Browser) -> None:
    assert desk.get("/agent?ticket=999").status_code == 404
    assert "There is no ticket with this number." in desk.get("/agent?ticket=999").get_data(as_text=True)
    assert desk.get("/tickets/999999999999", headers={"HX-Request": "true"}).status_code == 404


def test_a_reply_is_answered_with_itself(desk: Browser) -> None:
    html = desk.post("/tickets/1001/messages", htmx=True, message="Of course").get_data(as_text=True)
    assert 'class="message message--mine"' in html
    assert "<form" not in html


def test_a_note_is_marked_as_one(desk: Browser) -> None:
    html = desk.post("/tickets/1001/notes", htmx=True, message="Careful").get_data(as_text=True)
    assert "message--note" in html
    assert "only your team can see this" in html
    assert "added a note" in html  # in the history


@pytest.mark.parametrize("resource", ["messages", "notes"])
@pytest.mark.parametrize(
    ("text", "problem"), [("", "Write a message or add a picture first."), ("x" * 8001, "more than 8,000 characters")]
)
def test_bad_input_is_answered_in_its_form(desk: Browser, resource: str, text: str, problem: str) -> None:
    answer = desk.post(f"/tickets/1001/{resource}", htmx=True, message=text)
    assert answer.status_code == 422
    assert problem in answer.get_data(as_text=True)


def test_the_queue_has_views_with_counts(desk: Browser) -> None:
    assert "Vera Lindt" in fragment(desk, "/tickets?view=mine")
    assert "No one is waiting" in fragment(desk, "/tickets?view=unassigned")
    assert "Vera Lindt" in fragment(desk, "/tickets?view=nonsense")


def test_after_a_closing_the_page_goes_on_with_who_has_waited_longest_and_offers_a_way_back(
    web: Web, desk: Browser, rows: Any
) -> None:
    web.customer("And me", customer_name="Nils")
    web.customer("Me first", customer_name="Ole")
    rows("update tickets set awaiting_since = now() - interval '1 hour' where number = 1003")
    answer = desk.post("/tickets/1001/closure", htmx=True)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Push-Url"]) == ("#ticket", "/agent?ticket=1003")
    assert "Me first" in answer.text
    assert "Closed #1001." in answer.text
    back = desk.delete("/tickets/1001/closure?show=", htmx=True)
    assert (back.headers["HX-Retarget"], back.headers["HX-Push-Url"]) == ("#ticket", "/agent?ticket=1001")
    assert "Help me" in back.text
    assert rows("select status from tickets where number = 1001") == [("open",)]


def test_when_the_last_one_is_closed_the_page_says_so(desk: Browser) -> None:
    answer = desk.post("/tickets/1001/closure", htmx=True)
    assert "All caught up" in answer.text
    assert answer.headers["HX-Push-Url"] == "/agent"
    assert "Close" in desk.delete("/tickets/1001/closure", htmx=True).text


def test_who_undoes_a_closing_too_late_is_told_without_the_ticket(web: Web, desk: Browser) -> None:
    desk.post("/tickets/1001/closure", htmx=True)
    web.agent("bob").delete("/tickets/1001/closure", htmx=True)
    answer = desk.delete("/tickets/1001/closure?show=", htmx=True)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#notice")
    assert "hx-partial" not in answer.text


def test_return_to_the_queue_and_claim(desk: Browser, rows: Any) -> None:
    html = desk.delete("/tickets/1001/assignment", htmx=True).get_data(as_text=True)
    assert "Claim" in html
    desk.post("/tickets/1001/assignment", htmx=True, expected="")
    assert rows("select status from tickets") == [("open",)]


def test_the_loser_of_a_claim_is_told_who_won_and_sees_the_ticket_as_it_is(web: Web, desk: Browser) -> None:
    answer = web.agent("bob").post("/tickets/1001/assignment", htmx=True, expected="")
    html = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#notice"
    assert "Alice Kern already took this ticket" in html
    assert '<hx-partial hx-target="#ticket-header-1001"' in html


def test_a_refusal_stays_one_when_the_ticket_cannot_be_read(web: Web, desk: Browser, app: Flask) -> None:
    bob, database = web.agent("bob"), app.extensions["database"]
    call = database.call

    def fail(function: str, /, **arguments: Any) -> Any:
        if function == "ticket_of_agent":
            raise Unavailable("database_unavailable")
        return call(function, **arguments)

    database.call = fail
    answer = bob.post("/tickets/1001/assignment", htmx=True, expected="")
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#notice")
    assert "Alice Kern already took this ticket" in answer.get_data(as_text=True)


def test_hand_over_to_a_colleague(web: Web, desk: Browser, alice: Agent, bob: Agent, rows: Any) -> None:
    bob.come()
    desk.post("/tickets/1001/assignment", htmx=True, agent=bob.id, expected=alice.id)
    assert rows("select assigned_agent_id::text from tickets") == [(bob.id,)]


def test_a_large_desk_shows_the_first_colleagues_and_a_way_to_all_of_them(desk: Browser, rows: Any) -> None:
    rows("insert into agents (name, email) select 'Zoe ' || n, n || '@example.com' from generate_series(1, 30) as n")
    page = desk.get("/agent?ticket=1001").get_data(as_text=True)
    assert page.count('id="hand-to-') == 19
    [link] = re.findall(r'href="([^"]*colleagues=all)"', page)
    everybody = desk.get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert everybody.count('id="hand-to-') == 32
    assert re.findall(r'href="[^"]*colleagues=all', everybody) == []
    assert fragment(desk, "/tickets/1001/assignment").count('id="hand-to-') == 32


def test_a_closed_ticket_that_does_not_know_when_is_shown(desk: Browser, rows: Any) -> None:
    desk.post("/tickets/1001/closure")
    rows("update tickets set closed_at = null where number = 1001")
    assert "Reopen" in fragment(desk, "/tickets/1001")


def test_a_colleague_has_to_take_over_before_a_reply(web: Web, desk: Browser) -> None:
    bob = web.agent("bob")
    assert "Take over from Alice Kern?" in fragment(bob, "/tickets/1001")
    assert bob.post("/tickets/1001/messages", htmx=True, message="Mine!").status_code == 409


def test_without_scripts_an_action_leads_back_to_the_ticket(desk: Browser) -> None:
    answer = desk.post("/tickets/1001/closure")
    assert (answer.status_code, answer.location) == (303, "/agent?ticket=1001")


def test_availability_is_a_switch(desk: Browser, rows: Any) -> None:
    assert "Away" in desk.post("/agent/availability", htmx=True, availability="away").get_data(as_text=True)
    assert rows("select availability from agents where email like 'alice%%'") == [("away",)]
    assert desk.post("/agent/availability", htmx=True, availability="asleep").status_code == 422


def test_only_the_inbox_says_without_a_condition_that_somebody_is_available(web: Web) -> None:
    carol = web.agent("carol")
    condition = ">while your inbox is open<"
    assert condition not in carol.get("/agent").text
    assert condition not in carol.get("/tickets").text
    assert condition in carol.get("/sites").text
    for page, is_said in (("/agent", False), ("/sites", True)):
        switched = carol.post("/agent/availability", htmx=True, availability="available", next=page).text
        assert (condition in switched) is is_said
    assert condition not in carol.post("/agent/availability", htmx=True, availability="away", next="/sites").text


def test_the_queue_says_why_tickets_wait(web: Web, desk: Browser) -> None:
    desk.post("/agent/availability", availability="away")
    web.customer("And I?")
    assert "1 waiting · the only online agent is away" in " ".join(fragment(desk, "/tickets?view=unassigned").split())


@pytest.mark.mode("postgres")
def test_more_notes_than_a_page_takes_are_left_to_its_socket(desk: Browser, rows: Any) -> None:
    rows(
        "insert into ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)"
        " select session_id, n, 1, agents.id, gen_random_uuid(), 'Note ' || n"
        " from user_sessions, agents, generate_series(1, 300) n where agents.name = 'Alice Kern'"
    )
    rows("update user_sessions set last_note_no = 300")
    page = desk.get("/agent?ticket=1001").get_data(as_text=True)
    assert 'data-note="200"' in page
    assert page.count("data-note-no=") == 200
    answer = desk.get("/tickets/1001/messages?after=2&after_note=200", headers={"HX-Request": "true"})
    assert answer.get_data(as_text=True).count("data-note-no=") == 100
    earlier = desk.get("/tickets/1001/messages?before=3", headers={"HX-Request": "true"})
    assert earlier.get_data(as_text=True).count("data-note-no=") == 300


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("page", ["http://[", "http://x//[?view=all", "?view=\x7f%00"])
def test_whatever_page_a_closing_says_it_came_from_it_is_done(desk: Browser, page: str) -> None:
    desk.client.environ_base["HTTP_HX_CURRENT_URL"] = page
    assert desk.post("/tickets/1001/closure", htmx=True).status_code == 200


def test_a_reply_that_crosses_the_customers_messages_is_kept_and_sent_when_it_is_sent_again(
    web: Web, alice: Agent
) -> None:
    vera = web.customer("Help me")
    desk = web.agent("alice")
    [seen] = re.findall(r'name="seen" value="(\d+)"', desk.get("/agent?ticket=1001").text)
    vera.post("/chat/messages", message="It works now")
    refused = desk.post("/tickets/1001/messages", message="Did you try?", seen=seen)
    assert refused.status_code == 422
    assert "1 new message came while you wrote." in refused.text
    assert "Did you try?</textarea>" in refused.text
    assert 'name="seen"' not in refused.text
    assert desk.post("/tickets/1001/messages", message="Did you try?").status_code == 303


def taken_back_by(toast: str) -> dict[str, str]:
    """The fields of the form with Undo."""
    return dict(re.findall(r'name="(act|change)" value="([^"]+)"', toast))


@pytest.mark.parametrize("act", ["assign", "snooze", "close"])
def test_undo_at_the_desk_gives_back_the_snooze_and_the_mark_that_a_ticket_had(
    desk: Browser, alice: Agent, bob: Agent, rows: Any, act: str
) -> None:
    bob.come()
    state = "select status, assigned_agent_id, snoozed_until, woke_at from tickets"
    for was in ("woke_at = now()", "woke_at = null, snoozed_until = now() + interval '2 hours'"):
        rows(f"update tickets set {was}")
        before = rows(state)
        if act == "assign":
            toast = desk.post("/tickets/1001/assignment", htmx=True, agent=bob.id, expected=alice.id).text
            desk.post("/tickets/undo", htmx=True, **taken_back_by(toast))
        else:
            path = "/tickets/1001/snooze" if act == "snooze" else "/tickets/1001/closure"
            toast = desk.post(path, htmx=True, until="hour").text
            assert rows(state) != before
            undo = re.findall(r'hx-delete="([^"]+)"', toast.split('class="toast__undo"')[1])[0]
            assert desk.send("DELETE", unescape(undo), htmx=True).status_code == 200
        assert rows(state) == before


def test_who_has_handed_a_ticket_over_is_offered_a_way_back(desk: Browser, alice: Agent, bob: Agent) -> None:
    bob.come()
    handed = desk.post("/tickets/1001/assignment", htmx=True, agent=bob.id, expected=alice.id).text
    assert "Handed #1001 over to <bdi>Bob</bdi>." in handed
    back = desk.post("/tickets/undo", htmx=True, **taken_back_by(handed)).text
    assert "Assigned to you" in desk.get("/agent?ticket=1001").text
    assert '<hx-partial hx-target="#toast" hx-swap="innerHTML"></hx-partial>' in back
