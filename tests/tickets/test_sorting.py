"""Tags, priorities and snoozes by HTTP, with scripts and without."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from supportchat.database import Invalid
from supportchat.tickets.times import due_time
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def desk(web: Web) -> Browser:
    """Alice, who has taken the ticket of a customer."""
    web.customer("Hello")
    desk = web.agent("alice")
    desk.post("/tickets/1001/assignment")
    return desk


def test_a_tag_is_added_and_taken_away_without_scripts(desk: Browser) -> None:
    assert desk.post("/tickets/1001/tags", tag="Heating").status_code == 303
    page = desk.get("/agent?ticket=1001").text
    assert page.count(">Heating<") >= 2  # in the row and beside the ticket
    [tag] = re.findall(r'name="tag"\s+value="(\d+)"', page)
    desk.post("/tickets/1001/tags/delete", tag=tag)
    assert 'class="tag' not in desk.get("/agent?ticket=1001").text


def test_a_tag_that_is_none_says_so_in_its_form(desk: Browser) -> None:
    answer = desk.post("/tickets/1001/tags", htmx=True, tag=" ")
    assert (answer.status_code, "Type a name for the tag." in answer.text) == (422, True)


def test_names_that_begin_with_what_is_typed_are_offered(desk: Browser) -> None:
    desk.post("/tickets/1001/tags", tag="Heating <b>")
    assert desk.get("/tags/names?tag=hea").text.strip() == '<option value="Heating &lt;b&gt;"></option>'


def test_a_priority_is_chosen_and_shown(desk: Browser) -> None:
    changed = desk.post("/tickets/1001/priority", htmx=True, priority="1").text
    assert 'title="Urgent"' in changed
    assert desk.post("/tickets/1001/priority", priority="x").status_code == 422


def test_a_snoozed_ticket_leaves_the_queue_and_is_brought_back(desk: Browser) -> None:
    assert desk.post("/tickets/1001/snooze", until="tomorrow").status_code == 303
    assert 'data-row="1001"' not in desk.get("/agent").text
    assert 'data-row="1001"' in desk.get("/agent?view=snoozed").text
    desk.post("/tickets/1001/snooze/delete")
    assert 'data-row="1001"' in desk.get("/agent").text


def test_after_a_snooze_the_page_goes_on_and_offers_the_way_back(desk: Browser) -> None:
    answer = desk.post("/tickets/1001/snooze", htmx=True, until="customer").text
    assert "Snoozed #1001." in answer
    assert "All caught up" in answer
    assert 'id="ticket-close"' in desk.delete("/tickets/1001/snooze?show=", htmx=True).text


def test_the_order_of_the_queue_is_remembered(desk: Browser) -> None:
    assert desk.post("/tickets/order?view=all&ticket=1001", order="newest").headers["Location"] == (
        "/agent?view=all&ticket=1001"
    )
    assert '<option value="newest" selected>' in desk.get("/agent").text


def test_an_agent_sees_the_tags_and_a_lead_changes_them(desk: Browser, web: Web) -> None:
    desk.post("/tickets/1001/tags", tag="Heating")
    page = desk.get("/tags").text
    assert ">Heating<" in page
    assert "/tags/1" not in page
    carol = web.agent("carol")
    assert carol.post("/tags/1", tag="Warmth").status_code == 303
    assert 'value="Warmth"' in carol.get("/tags").text
    assert "Deleted <bdi>Warmth</bdi>." in carol.post("/tags/1/delete", htmx=True).text


NOW = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)  # a Friday; in Tokyo it is Saturday already


@pytest.mark.parametrize(
    ("choice", "zone", "expected"),
    [
        ("hour", "Europe/Berlin", "2026-11-27T23:30"),
        ("tomorrow", "Europe/Berlin", "2026-11-28T08:00"),
        ("tomorrow", "Asia/Tokyo", "2026-11-29T00:00"),
        ("monday", "America/New_York", "2026-11-30T14:00"),
        ("tomorrow", "No/Such_Zone", "2026-11-28T09:00"),
    ],
)
def test_a_choice_is_a_time_in_the_agents_zone(choice: str, zone: str, expected: str) -> None:
    due = due_time(choice, "", zone, NOW)
    assert due
    assert due.isoformat()[:16] == expected


def test_nine_in_the_morning_stays_nine_when_the_clocks_change() -> None:
    due = due_time("tomorrow", "", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert due == datetime(2026, 10, 25, 8, tzinfo=UTC)


def test_a_typed_time_is_one_in_the_agents_zone_and_anything_else_is_refused() -> None:
    assert due_time("at", "2026-12-01T10:15", "Europe/Berlin", NOW) == datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
    assert due_time("customer", "", None, NOW) is None
    for moment in ("", "soon", "9999-12-31T23:59", "0001-01-01T00:00"):
        with pytest.raises(Invalid):
            due_time("at", moment, "America/New_York" if moment.startswith("9") else "Asia/Tokyo", NOW)
