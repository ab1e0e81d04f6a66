"""What the pages of the desk say, and where their links lead, without any script."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from supportchat.database import Database
from supportchat.rendering.filters import duration, with_local_times
from tests.cast import Agent
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def vera(web: Web, alice: Agent) -> Browser:
    """The customer of ticket 1001, which is Alice's."""
    return web.customer("Help me", customer_name="Vera Lindt")


def text_of(page: str) -> str:
    """Return the words of a page, one space between them."""
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def test_the_link_to_earlier_messages_leads_to_them(web: Web, vera: Browser) -> None:
    for number in range(60):
        vera.post("/chat/messages", message=f"Line {number}.")
    desk = web.agent("alice")
    page = desk.get("/agent?ticket=1001").get_data(as_text=True)
    assert "Line 58." in page
    assert "Line 2." not in page
    [link] = re.findall(r'href="(/agent\?ticket=1001&amp;before=\d+)"', page)
    earlier = desk.get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert "Line 2." in earlier
    assert "Line 58." not in earlier
    assert "Go to the latest messages" in earlier
    assert "Go to the latest messages" not in page


def test_a_customer_without_a_name_is_the_visitor_of_their_ticket(web: Web, alice: Agent) -> None:
    web.customer("One")
    web.customer("Two")
    page = web.agent("alice").get("/agent?ticket=1002").text
    assert "Anonymous" not in page
    assert text_of(page).count("Visitor 1001") == 1  # in the queue
    assert text_of(page).count("Visitor 1002") > 3  # in the queue, at the head, beside it, and at the message


def test_the_queue_stands_in_groups(web: Web, vera: Browser, alice: Agent) -> None:
    web.customer("Second", customer_name="Nils")
    web.customer("Third", customer_name="Ole")
    alice.reply(1001)
    alice.call("close_ticket", number=1003)
    page = text_of(web.agent("alice").get("/agent").text)
    words = ["Needs a reply", "Nils", "Waiting for the customer", "Vera Lindt", "Recently closed", "Ole"]
    places = [page.index(word) for word in words]
    assert places == sorted(places)


def test_every_page_of_the_agents_has_one_heading_a_way_past_the_bar_and_the_switch(web: Web, vera: Browser) -> None:
    for path in ("/agent", "/agent?ticket=1001", "/status"):
        page = web.agent("carol").get(path).text
        assert page.count("<h1") == 1
        assert 'class="skip-link"' in page
        assert 'role="switch"' in page


def test_who_switches_on_the_status_page_without_scripts_stays_there(web: Web) -> None:
    carol = web.agent("carol")
    answer = carol.post("/agent/availability", availability="away", next="/status")
    assert (answer.status_code, answer.location) == (303, "/status")
    answer = carol.post("/agent/availability", availability="available", next="https://example.com/")
    assert answer.location == "/agent"


def test_the_links_of_a_view_keep_it(web: Web, vera: Browser) -> None:
    page = web.agent("alice").get("/agent?view=all&ticket=1001").get_data(as_text=True)
    assert page.count('href="/agent?view=all&amp;ticket=1001"') == 2  # the row and the tab
    assert re.search(r'href="/agent\?view=all"\s[^>]*data-back', page)


def test_the_customer_reads_the_number_once(web: Web, vera: Browser) -> None:
    vera.post("/chat/closure")
    web.agent("alice").delete("/tickets/1001/closure")
    vera.post("/chat/closure")
    vera.post("/chat/messages", message="One more thing")
    page = text_of(vera.get("/chat").get_data(as_text=True))
    assert page.count("Your ticket is #1001.") == 1
    assert page.count("You are now talking to Alice.") == 1
    assert "Alice reopened the chat." in page
    assert "You are talking to Alice again." in page


def test_the_history_says_what_the_conversation_says(web: Web, vera: Browser, alice: Agent, bob: Agent) -> None:
    bob.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    bob.call("close_ticket", number=1001)
    bob.call("reopen_ticket", number=1001)
    page = text_of(web.agent("alice").get("/agent?ticket=1001").text)
    for said in ("took over from Alice Kern", "closed the ticket", "reopened the ticket"):
        assert page.count(f"Bob Ortiz {said}") == 2
    assert page.count("Reopened") == 1  # in the conversation, where it is not shown above who did it


def test_who_has_taken_over_more_than_is_given_reads_why(web: Web, vera: Browser, rows: Any) -> None:
    web.customer("And me")
    assert "2 of 3 tickets" in web.agent("alice").get("/agent").get_data(as_text=True)
    rows("update agents set max_tickets = 1")
    page = web.agent("alice").get("/agent").get_data(as_text=True)
    assert "2 of 1 ticket, no new ones for now" in page


@pytest.mark.parametrize("detail", ["{}", '{"agent": null, "from": null, "reason": null, "code": null}'])
def test_what_an_older_version_has_not_written_down_stops_no_page(
    web: Web, vera: Browser, rows: Any, detail: str
) -> None:
    desk = web.agent("alice")
    rows("alter table tickets drop constraint tickets_assigned_check")
    rows("alter table tickets disable trigger guard_ticket")
    rows(f"update events set detail = '{detail}', agent_id = null")
    rows(f"update chat_messages set detail = '{detail}' where sender = 'system'")
    events = ("opened", "assigned", "returned", "closed", "queued", "reopened", "noted")
    for event, status in zip(events, itertools.cycle(("closed", "waiting", "open")), strict=False):
        rows(f"update events set kind = 'ticket.{event}'")
        rows(f"update chat_messages set event = '{event}' where sender = 'system'")
        rows(f"update tickets set status = '{status}', closed_at = null")
        for path in ("/agent?ticket=1001", "/agent?view=all"):
            page = desk.get(path)
            assert (page.status_code, "None" in page.text) == (200, False), (event, status, path)
        assert vera.get("/chat").status_code == 200


def test_an_agent_who_is_lost_is_led_to_the_desk(web: Web) -> None:
    assert "Go to the chat" in web.visitor().get("/nowhere").get_data(as_text=True)
    page = web.agent("bob").get("/nowhere").get_data(as_text=True)
    assert "Go to the desk" in page
    assert "Go to the chat" not in page


def test_a_text_that_runs_from_the_right_leaves_its_bubble_where_it_was(web: Web, vera: Browser) -> None:
    vera.post("/chat/messages", message="\u05e9\u05dc\u05d5\u05dd")
    for page in (vera.get("/chat"), web.agent("alice").get("/agent?ticket=1001")):
        assert '<div class="bubble"><div dir="auto">\u05e9\u05dc\u05d5\u05dd</div></div>' in page.get_data(as_text=True)


def test_the_headline_of_the_status_page_is_a_sentence(web: Web, rows: Any) -> None:
    admin = web.agent("carol")
    rows("drop table chat_messages cascade")
    assert "chat_messages is missing" in text_of(admin.get("/status").get_data(as_text=True))


def test_a_moment_in_a_sentence_is_marked_for_the_readers_own_time() -> None:
    assert with_local_times("<3 rows>, the newest of 2026-11-24 06:18 UTC") == (
        '&lt;3 rows&gt;, the newest of <time datetime="2026-11-24T06:18Z" data-moment>2026-11-24 06:18 UTC</time>'
    )


def test_of_a_long_queue_all_can_be_reached(web: Web, rows: Any) -> None:
    rows(
        "with new as (insert into user_sessions (customer_name)"
        " select 'c' || n from generate_series(1, 150) n returning session_id)"
        " insert into tickets (session_id, awaiting_since) select session_id, now() from new"
    )
    desk = web.agent("alice")
    page = text_of(desk.get("/agent?view=all").get_data(as_text=True))
    assert "100 of 150 open" in page
    page = desk.get("/agent?view=all&rows=200").get_data(as_text=True)
    assert page.count("data-row=") == 150
    hidden = '<p class="queue__more" hidden'
    assert hidden in page
    assert hidden not in desk.get("/agent?view=all&rows=nonsense").get_data(as_text=True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (59, "59 sec"),
        (90, "2 min"),
        (3569, "59 min"),
        (3570, "1 hr"),
        (5 * 3600, "5 hr"),
        (47 * 3600, "47 hr"),
        (74 * 3600, "3 days"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_says_enough(seconds: int | None, words: str) -> None:
    assert duration(seconds) == words


def test_the_only_agent_who_goes_and_comes_back_alarms_nobody(
    web: Web, alice: Agent, vera: Browser, database: Database, rows: Any
) -> None:
    rows("update server_processes set started_at = now() - interval '1 minute'")
    rows("update agents set lease_expires_at = now()")
    assert database.call("sweep_assignment")["returned"] == 1
    page = text_of(vera.get("/chat").text)
    assert "Alice is away right now. Your message is saved, and we’ll reply here." in page
    assert "someone else" not in page
    alice.come()
    database.call("sweep_assignment")
    page = text_of(vera.get("/chat").text)
    assert "Alice is back." in page
    assert page.count("You are now talking to Alice.") == 1


def test_who_can_be_found_is_promised(
    web: Web, alice: Agent, bob: Agent, vera: Browser, database: Database, rows: Any
) -> None:
    rows("update server_processes set started_at = now() - interval '1 minute'")
    bob.come()
    rows("update agents set lease_expires_at = now() where name = 'Alice Kern'")
    database.call("sweep_assignment")
    page = text_of(vera.get("/chat").text)
    assert "Alice is no longer available. We’re finding someone else." in page
    assert "You are now talking to Bob." in page


def test_a_line_names_the_colleague_who_handed_the_ticket_over(
    web: Web, vera: Browser, cast: Any, alice: Agent, bob: Agent
) -> None:
    bob.come()
    cast.agent("carol").call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    page = text_of(web.agent("alice").get("/agent?ticket=1001").text)
    assert page.count("Carol Tan handed the ticket over to Bob Ortiz") == 2  # in the conversation, and in the history
