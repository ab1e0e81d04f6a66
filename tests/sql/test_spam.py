"""First messages that wait for somebody to look at them, and tickets that are closed as spam."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from supportchat.database import Conflict, Database, Forbidden
from supportchat.rendering.links import render
from tests.cast import Agent, Cast, Visitor

pytestmark = pytest.mark.mode("postgres")

LINKS = [
    *("https://example.com/a", "see HTTP://EXAMPLE.COM", "www.example.com", "buy at cheap-watches.com now"),
    *("example.co/x", "(example.org)", "a.b.example.net", "t.me/cheap", "日本語example.com", "example.com日本語"),
    *("evil.edu", "see evil.gov/x", "пример.рф", "Купи: магазин.пример.рф!", "www.пример.рф", "http://почта.рф/путь"),
]
NO_LINKS = [
    *("Hello", "Hi.please help", "vera@example.com", "vera.lindt@mail.example.com", "order.pdf is broken"),
    *("1.5 or 2.0?", "https:// is what it says", "wwwhat", "e.g. this"),
    *("почта@пример.рф", "vera.com@example.org", "main.governor", "т.рфы"),
]


@pytest.fixture
def holding(carol: Agent) -> None:
    """A desk that holds first messages with links."""
    carol.call("change_settings", values={"hold_links": "on"})


@pytest.mark.parametrize(("texts", "is_one"), [(LINKS, True), (NO_LINKS, False)])
def test_what_looks_like_a_link_is_one(rows: Any, texts: list[str], is_one: bool) -> None:
    found = rows("select text, _supportchat.has_link(text) from unnest(%s::text[]) as text", texts)
    assert [text for text, has_link in found if has_link is not is_one] == []


def test_what_pages_make_a_link_is_one(rows: Any) -> None:
    befores = ("", " ", "(", "日本", "\u200b", "e\u0301", "«", "x:", "-", "/")
    names = ("evil.com", "a.evil.net", "evil.org", "evil.edu", "evil.gov", "пример.рф", "а.пример.рф", "www.evil.xy")
    afters = ("", ".", "/a", "日本", "!", ")", "?x", "e\u0301", "\u200b", "é", "-x", "@x", ":80")
    texts = ("".join(parts) for parts in itertools.product(befores, names, afters))
    linked = [text for text in texts if 'href="http' in render(text)]
    assert len(linked) > 400
    assert rows("select text from unnest(%s::text[]) as text where not _supportchat.has_link(text)", linked) == []


def test_nothing_is_held_until_an_admin_says_so(cast: Cast, alice: Agent) -> None:
    assert cast.visitor().start("https://example.com")["agent"]["id"] == alice.id


@pytest.mark.usefixtures("holding")
def test_a_first_message_with_a_link_waits_and_is_given_to_nobody_by_itself(
    cast: Cast, alice: Agent, database: Database
) -> None:
    spammer = cast.visitor()
    chat = spammer.start("https://example.com")
    assert (chat["status"], chat["queue_position"], spammer.events()) == ("waiting", None, ["queued"])
    spammer.post("Hello?")
    alice.call("set_availability", availability="available")
    database.call("sweep_assignment")
    assert spammer.chat["agent"] is None
    ticket = alice.call("ticket_of_agent", number=chat["number"])
    assert (ticket["held"], ticket["reason"]["code"]) == ("link", "held_link")
    [row] = alice.call("list_tickets", view="unassigned")["rows"]
    assert row["held"] == "link"
    assert database.call("stuck_tickets") == []
    assert cast.visitor().start("No link")["agent"]["id"] == alice.id


@pytest.mark.usefixtures("holding")
def test_those_who_wait_are_counted_without_the_held_ones(cast: Cast) -> None:
    cast.visitor().start("https://example.com")
    assert cast.visitor().start("No link")["queue_position"] == 1


@pytest.mark.usefixtures("holding")
def test_a_released_ticket_goes_to_who_has_room(cast: Cast, alice: Agent, bob: Agent) -> None:
    spammer = cast.visitor()
    number = spammer.start("https://example.com")["number"]
    ticket = bob.call("release_ticket", number=number)
    assert (ticket["held"], spammer.chat["agent"]["id"]) == (None, alice.id)
    assert "released" in [event["event"] for event in ticket["history"]]
    assert bob.call("release_ticket", number=number)["status"] == "open"


@pytest.mark.usefixtures("holding")
def test_a_held_ticket_can_be_claimed(cast: Cast, alice: Agent) -> None:
    number = cast.visitor().start("https://example.com")["number"]
    assert alice.call("assign_ticket", number=number, assignee_id=alice.id)["held"] is None


@pytest.mark.usefixtures("holding")
def test_who_had_an_answer_before_is_not_held(cast: Cast, alice: Agent, database: Database) -> None:
    vera = cast.visitor()
    alice.reply(vera.start("Hello")["number"])
    database.call("close_chat", visitor=vera.key)
    assert vera.start("It is https://example.com")["agent"]["id"] == alice.id


def test_spam_is_closed_marked_and_counted_in_one_call(cast: Cast, alice: Agent, carol: Agent) -> None:
    vera = cast.visitor()
    number = vera.start("Buy now")["number"]
    done = alice.call("mark_spam", number=number)
    assert (done["banned"], done["ticket"]["status"], done["ticket"]["is_spam"]) == (False, "closed", True)
    [row] = alice.call("list_tickets")["closed"]
    assert row["is_spam"] is True
    listed = carol.call("list_bans")
    assert (listed["spam_count"], [each["number"] for each in listed["spam"]], listed["bans"]) == (1, [number], [])
    assert vera.chat["banned"] is False


def test_who_may_ban_bans_the_browser_for_a_day_with_it_and_not_for_less_than_before(cast: Cast, carol: Agent) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    assert carol.call("mark_spam", number=vera.start("Buy now")["number"])["banned"] is True
    with pytest.raises(Forbidden, match="banned"):
        vera.post("Buy more")
    number = victor.start("Buy too")["number"]
    carol.call("ban_customer", number=number, what="browser")
    assert carol.call("mark_spam", number=number)["banned"] is False
    assert [each["expires_at"] is None for each in carol.call("list_bans")["bans"]] == [True, False]


def test_reopening_takes_the_mark_and_the_ban_back(cast: Cast, carol: Agent) -> None:
    vera = cast.visitor()
    number = vera.start("Buy now")["number"]
    carol.call("mark_spam", number=number)
    ticket = carol.call("reopen_ticket", number=number)
    assert (ticket["is_spam"], ticket["mine"], ticket["bans"]) == (False, True, [])
    vera.post("It was not meant so")
    listed = carol.call("list_bans")
    assert (listed["bans"], listed["spam_count"]) == ([], 0)


def test_a_closed_ticket_can_be_marked_too_and_somebody_elses_only_by_who_may_close_it(
    cast: Cast, alice: Agent, bob: Agent
) -> None:
    vera = cast.visitor()
    number = vera.start("Buy now")["number"]
    with pytest.raises(Conflict, match="assigned_to_other"):
        bob.call("mark_spam", number=number)
    alice.call("close_ticket", number=number)
    assert bob.call("mark_spam", number=number)["ticket"]["is_spam"] is True


def test_who_writes_again_after_spam_is_held(cast: Cast, alice: Agent) -> None:
    vera: Visitor = cast.visitor()
    number = vera.start("Buy now")["number"]
    alice.call("mark_spam", number=number)
    vera.post("Buy more")
    ticket = alice.call("ticket_of_agent", number=number)
    assert (ticket["status"], ticket["held"], ticket["is_spam"]) == ("waiting", "spam", False)
    alice.call("release_ticket", number=number)
    assert vera.chat["agent"]["id"] == alice.id
