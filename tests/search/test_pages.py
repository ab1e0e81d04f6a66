"""The page of the search, views, and many tickets at once, by HTTP."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cast import new_id
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def desk(web: Web) -> Browser:
    """Alice, who has taken the tickets of two customers."""
    web.customer("The heating is <cold>", customer_name="Vera Lindt")
    web.customer("Heating too")
    desk = web.agent("alice")
    for number in (1001, 1002):
        desk.post(f"/tickets/{number}/assignment")
    return desk


def test_hits_are_marked_and_lead_to_their_line(desk: Browser) -> None:
    page = desk.get("/search?q=heating+cold").text
    assert "The <mark>heating</mark> is &lt;<mark>cold</mark>&gt;" in page
    assert 'href="/agent?ticket=1001&amp;at=1#message-1001-1"' in page
    assert "1 ticket" in page


def test_a_note_is_found_by_agents_and_shown_nowhere_to_its_customer(desk: Browser, web: Web) -> None:
    desk.post("/tickets/1001/notes", message="Secretive person", client_message_id=new_id())
    assert 'href="/agent?ticket=1001&amp;at=' in desk.get("/search?q=secretive").text
    victor = web.customer("Secretive?")
    assert victor.get("/search?q=secretive").headers["Location"].startswith("/agent/login")


def test_the_page_of_a_line_shows_those_around_it(desk: Browser, web: Web) -> None:
    vera = web.customer("First line")
    for number in range(60):
        vera.post("/chat/messages", message=f"line {number}", client_message_id=new_id())
    page = desk.get("/agent?ticket=1003&at=10").text
    assert 'id="message-1003-10"' in page
    assert 'id="message-1003-60"' not in page
    assert "Go to the latest messages" in page
    assert "Go to the latest messages" not in desk.get("/agent?ticket=1003&at=58").text


def test_nothing_found_says_what_to_do_and_an_operator_that_is_none_is_named(desk: Browser) -> None:
    page = desk.get("/search?q=zzz+is:purple").text
    assert "Nothing found." in page
    assert "<bdi>is:purple</bdi>" in page


@pytest.mark.parametrize("typed", ["!!!", "?", "«…»", "is:purple"])
def test_where_there_is_nothing_to_search_for_nothing_is_found_and_it_is_said(desk: Browser, typed: str) -> None:
    page = desk.get("/search", query_string={"q": typed}).text
    assert f"Not understood, so left out: <bdi>{typed}</bdi>" in page
    assert "There is nothing else to search for." in page
    assert 'class="hit"' not in page
    assert 'class="hit"' in desk.get("/search", query_string={"q": f"{typed} is:open"}).text


def test_a_search_that_did_not_go_back_to_the_first_message_says_so(desk: Browser, rows: Any) -> None:
    assert "Only messages since" not in desk.get("/search?q=heating").text
    rows(
        "insert into search_lines (line_id, session_id, seq, words, created_at)"
        " select -1000 - row_number() over (), session_id, n, '-1/cold', '2025-03-04'"
        " from user_sessions, generate_series(1001, 1101) as n"
    )
    rows("select _supportchat.note_slices(-65536, -1)")
    page = desk.get("/search?q=cold").text
    assert "Only messages since 2025-03-04 were searched." in page


def test_a_view_is_saved_shown_counted_and_deleted(desk: Browser) -> None:
    desk.get("/search?q=heating")
    where = desk.post("/search/views", name="Heating", query="heating").headers["Location"]
    page = desk.get(where).text
    assert page.count('class="hit"') == 2
    [view] = set(re.findall(r"/search/views/([0-9a-f-]{36})/count", page))
    assert desk.get(f"/search/views/{view}/count").text == "2"
    desk.post(f"/search/views/{view}", name="Cold", query="cold")
    assert desk.get(f"/search/views/{view}/count").text == "1"
    desk.post(f"/search/views/{view}/delete")
    assert "Cold" not in desk.get("/search").text


def test_a_shared_view_is_everybodys_and_changed_by_who_curates(desk: Browser, web: Web) -> None:
    assert desk.post("/search/views", name="Ours", query="is:open", shared="on").status_code == 403
    carol = web.agent("carol")
    carol.post("/search/views", name="Ours", query="is:open", shared="on")
    page = desk.get("/search").text
    [view] = set(re.findall(r"/search/views/([0-9a-f-]{36})/count", page))
    assert desk.post(f"/search/views/{view}/delete").status_code == 403
    assert desk.post(f"/search/views/{new_id()}/delete").status_code == 404


@pytest.mark.parametrize("name", ["", " "])
def test_a_view_without_a_name_is_refused(desk: Browser, name: str) -> None:
    answer = desk.post("/search/views", name=name, query="x")
    assert (answer.status_code, "Type a name for the view." in answer.text) == (422, True)


def test_many_tickets_are_closed_at_once_without_scripts(desk: Browser) -> None:
    desk.post("/tickets/bulk", act="close", number=["1001", "1002"])
    assert "You have no open tickets" in desk.get("/agent").text


def test_what_could_not_be_done_is_said(desk: Browser, web: Web) -> None:
    bob = web.agent("bob")
    bob.post("/tickets/1002/assignment", expected="")
    answer = web.agent("bob").post("/tickets/bulk", htmx=True, act="close", number=["1001", "1002", "9999"]).text
    assert "Closed 0 tickets." in answer
    assert "#1001: " in answer
    assert "#9999: " in answer


def test_many_tickets_are_tagged_and_assigned(desk: Browser) -> None:
    assert (
        "Tagged 2 tickets."
        in desk.post("/tickets/bulk", htmx=True, act="tag", tag="Cold", number=["1001", "1002"]).text
    )
    assert desk.get("/agent").text.count('class="tag tag--row"') == 2
    assert "Assigned 1 ticket." in desk.post("/tickets/bulk", htmx=True, act="assign", number=["1001"]).text
    assert desk.post("/tickets/bulk", act="close").status_code == 422
    assert desk.post("/tickets/bulk", act="explode", number=["1001"]).status_code == 422


def test_many_tickets_get_a_priority(desk: Browser, rows: Any) -> None:
    answer = desk.post("/tickets/bulk", htmx=True, act="priority:1", number=["1001", "1002"])
    assert "Changed the priority of 2 tickets." in answer.text
    assert rows("select distinct urgency from tickets where number in (1001, 1002)") == [(1,)]
    for act in ("priority", "priority:5", "priority:high"):
        assert desk.post("/tickets/bulk", htmx=True, act=act, number=["1001"]).status_code == 422


def test_many_tickets_are_snoozed_until_a_choice_or_a_moment_in_the_own_time_zone(desk: Browser, rows: Any) -> None:
    answer = desk.post("/tickets/bulk", htmx=True, act="snooze:customer", number=["1001", "1002"])
    assert "Snoozed 2 tickets." in answer.text
    assert rows("select count(*) from tickets where snoozed_until = 'infinity'") == [(2,)]
    tomorrow = datetime.now(ZoneInfo("Asia/Tokyo")).date() + timedelta(days=1)
    desk.post("/tickets/bulk", act="snooze:at", at=f"{tomorrow}T09:00", time_zone="Asia/Tokyo", number=["1001", "1002"])
    due = datetime.combine(tomorrow, time(9), ZoneInfo("Asia/Tokyo"))
    assert rows("select count(*) from tickets where snoozed_until = %s", due) == [(2,)]


def test_a_time_for_many_tickets_that_is_none_is_refused_with_a_sentence(desk: Browser) -> None:
    for moment in ("", "2001-01-01T09:00"):
        answer = desk.post("/tickets/bulk", htmx=True, act="snooze:at", at=moment, number=["1001"])
        assert (answer.status_code, "Choose a time" in answer.text) == (422, True), answer.text
