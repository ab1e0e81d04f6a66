"""The routes of bans, spam and held tickets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.database import Database
from tests.cast import Agent, agent_id
from tests.web import Web

pytestmark = pytest.mark.mode("postgres")
SENTENCE = "You can’t write to us here right now."


def test_a_banned_browser_reads_a_calm_sentence_in_place_of_the_box(web: Web) -> None:
    vera, carol = web.customer("Buy now"), web.agent("carol")
    answer = carol.post("/tickets/1001/bans", htmx=True, what="browser", days="7", reason="Sells watches")
    assert "This browser is banned" in answer.text
    assert "Sells watches" in answer.text
    page = vera.get("/chat").text
    assert "data-banned" in page
    assert SENTENCE in page
    for htmx in (False, True):
        refused = vera.post("/chat/messages", htmx=htmx, message="My words")
        assert (refused.status_code, SENTENCE in refused.text) == (403, True)
        assert htmx or "My words" in refused.text
    vera.post("/chat/closure")
    assert SENTENCE in vera.get("/chat?new=").text
    assert "<textarea" not in vera.get("/chat?new=").text


def test_who_has_no_chat_yet_in_a_banned_network_reads_it_too(web: Web) -> None:
    web.customer("Buy now")
    stranger = web.visitor()
    web.agent("carol").post("/tickets/1001/bans", what="network", days="")
    assert SENTENCE in stranger.get("/chat").text
    refused = stranger.post("/chat", message="My words")
    assert (refused.status_code, "My words" in refused.text, SENTENCE in refused.text) == (403, True, True)


def test_bans_are_listed_and_ended(web: Web) -> None:
    vera, carol = web.customer("Buy now", customer_name="Vera Lindt"), web.agent("carol")
    carol.post("/tickets/1001/bans", what="browser", days="", reason="Sells watches")
    page = carol.get("/bans").text
    for shown in ("Vera Lindt", "#1001", "Sells watches", "Carol Tan", "for good", "1 ban"):
        assert shown in page
    [path] = re.findall(r'action="(/bans/[0-9a-f-]+/delete)"', page)
    assert "The ban has ended." in carol.post(path, htmx=True).text
    assert carol.post(path).status_code == 303
    assert vera.post("/chat/messages", message="Again").status_code == 303


def test_only_leads_and_admins_ban(web: Web) -> None:
    web.customer("Buy now")
    alice = web.agent("alice")
    assert alice.get("/bans").status_code == 403
    assert alice.post("/tickets/1001/bans", what="browser").status_code == 403
    assert 'href="/bans"' not in alice.get("/agent").text
    assert "Ban this" not in alice.get("/agent?ticket=1001").text


def test_what_cannot_be_banned_is_said(web: Web, rows: Any) -> None:
    web.customer("Buy now")
    rows("update user_sessions set address = null")
    answer = web.agent("carol").post("/tickets/1001/bans", htmx=True, what="network", days="")
    assert (answer.status_code, "There is nothing to ban" in answer.text) == (409, True)
    assert web.agent("carol").post("/tickets/1001/bans", what="phone", days="").status_code == 422


@pytest.mark.parametrize("days", ["0", "-3", "1e9", "abc", "3651", " ", "999999999999"])
def test_only_an_empty_number_of_days_means_for_good(web: Web, rows: Any, days: str) -> None:
    web.customer("Buy now")
    answer = web.agent("carol").post("/tickets/1001/bans", htmx=True, what="browser", days=days)
    assert (answer.status_code, "Enter a whole number of days from 1 to 3,650." in answer.text) == (422, True)
    assert rows("select count(*) from bans") == [(0,)]


def test_a_ban_without_a_number_of_days_is_refused(web: Web, rows: Any) -> None:
    web.customer("Buy now")
    assert web.agent("carol").post("/tickets/1001/bans", what="browser").status_code == 422
    assert rows("select count(*) from bans") == [(0,)]


def test_spam_is_one_click_and_so_is_its_way_back(web: Web, alice: Agent) -> None:
    vera = web.customer("Buy now")
    browser = web.agent("alice")
    toast = browser.post("/tickets/1001/spam", htmx=True).text
    assert "#1001 is spam." in toast
    assert "banned" not in toast
    assert "You closed this ticket as spam." in browser.get("/agent?ticket=1001").text
    assert "The chat has ended." in vera.get("/chat").text
    assert browser.delete("/tickets/1001/closure?show=", htmx=True).status_code == 200
    assert "Assigned to you" in browser.get("/agent?ticket=1001").text


def test_the_spam_of_who_may_ban_bans_for_a_day(web: Web) -> None:
    web.customer("Buy now")
    browser = web.agent("carol")
    assert "Its browser is banned for a day." in browser.post("/tickets/1001/spam", htmx=True).text
    page = browser.get("/bans").text
    assert "Closed as spam" in page
    assert "1 spam ticket in 30 days" in page
    assert browser.post("/tickets/1001/spam").status_code == 303


def test_a_held_ticket_says_why_and_is_released(web: Web, alice: Agent) -> None:
    carol = web.agent("carol")
    assert carol.post("/bans/holding", htmx=True, hold_links="on").text.count('aria-checked="true"') == 1
    vera = web.customer("https://example.com")
    assert "We’ll reply here" in vera.get("/chat").text
    browser = web.agent("alice")
    assert "Held: has a link" in browser.get("/agent?view=unassigned").text
    assert "Held: has a link" in browser.get("/agent?ticket=1001").text
    assert "Assigned to you" in browser.delete("/tickets/1001/hold", htmx=True).text
    assert browser.post("/tickets/1001/hold/delete").status_code == 303
    assert carol.post("/bans/holding").status_code == 303
    assert 'aria-checked="false"' in carol.get("/bans").text
    assert web.agent("alice").post("/bans/holding", hold_links="on").status_code == 403


def test_leads_ban_but_do_not_change_the_desk(web: Web, database: Database) -> None:
    person = agent_id(database, "bob")
    database.call("change_person", agent_id=agent_id(database, "carol"), person_id=person, role="lead")
    bob = web.agent("bob")
    assert "Hold first messages" not in bob.get("/bans").text
    assert bob.post("/bans/holding", hold_links="on").status_code == 403
