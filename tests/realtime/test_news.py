"""A page is read before the hub knows of it: what comes in between is not lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.realtime import news
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.hub import Hub
from supportchat.realtime.news import News
from tests.cast import Agent, Cast, Visitor

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def hub(app: Flask) -> Hub:
    """A hub that hears no events but those that a test hands to it."""
    made: Hub = app.extensions["hub"]
    return made


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's. Two lines are there already."""
    visitor = cast.visitor()
    visitor.start("Line 1")
    return visitor


def arriving(hub: Hub, visitor: Visitor) -> Connection:
    """A page whose handshake is over, and that has not said what it shows."""
    page = Connection()
    page.found = hub.find(visitor=visitor.key)
    assert hub.add(page)
    return page


def joined(hub: Hub, page: Connection, visitor: Visitor, shown: Shown | None = None) -> str:
    """Let a page say what it shows, and give all that it is sent."""
    hub.show(page, visitor.chat["session_id"], "customer", shown or Shown(seq=2))
    return json.dumps([json.loads(frame) for frame in page.take_waiting()])


def counted(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> list[str]:
    """The calls that the hub makes from now on."""
    calls: list[str] = []
    call = hub._database.call

    def remember(function: str, /, **arguments: Any) -> Any:
        calls.append(function)
        return call(function, **arguments)

    monkeypatch.setattr(hub._database, "call", remember)
    return calls


def test_a_page_that_lacks_nothing_is_not_read_again(hub: Hub, vera: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    page, session_id = arriving(hub, vera), vera.chat["session_id"]
    shown = Shown(seq=2, epoch=vera.chat["epoch"], at=vera.lines[-1]["created_at"])
    calls = counted(monkeypatch, hub)
    hub.show(page, session_id, "customer", shown)
    assert "caught_up" in page.take_waiting()[-1]
    assert calls == []


def test_what_comes_between_the_handshake_and_the_hello_is_shown(hub: Hub, vera: Visitor) -> None:
    page = arriving(hub, vera)
    hub.offer(vera.post("Line 3"))
    assert "Line 3" in joined(hub, page, vera)


def test_what_comes_after_the_hello_of_such_a_page_is_shown(hub: Hub, vera: Visitor) -> None:
    page = arriving(hub, vera)
    joined(hub, page, vera)
    hub.offer(vera.post("Line 3"))
    hub._conversations[vera.chat["session_id"]]._work()
    assert "Line 3" in json.dumps(page.take_waiting())


def test_what_only_the_log_tells_between_the_handshake_and_the_hello_is_shown(hub: Hub, vera: Visitor) -> None:
    page = arriving(hub, vera)
    vera.post("Line 3")
    hub.sweep()
    assert "Line 3" in joined(hub, page, vera)


def test_a_hello_that_comes_late_is_answered_with_what_is_there_by_then(
    hub: Hub, vera: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = arriving(hub, vera)
    vera.post("Line 3")
    monkeypatch.setattr(news, "KEPT_SECONDS", 0.0)
    assert "Line 3" in joined(hub, page, vera)


def test_a_page_whose_last_line_is_another_one_is_told_to_load_anew(hub: Hub, vera: Visitor) -> None:
    page = arriving(hub, vera)
    assert joined(hub, page, vera, Shown(seq=2, at="2020-01-01T00:00:00+00:00")) == '[{"event": "reset"}]'


def test_a_page_of_an_agent_who_has_left_meanwhile_says_so_soon(
    hub: Hub, vera: Visitor, alice: Agent, database: Database
) -> None:
    page = arriving(hub, vera)
    alice.call("set_availability", availability="away")
    hub.on_event({"event": "agent.changed", "agent_id": alice.id, "detail": {}})
    assert "Online now" in joined(hub, page, vera)
    hub._refresh()
    hub._conversations[vera.chat["session_id"]]._work()
    assert "Away" in json.dumps(page.take_waiting())


def test_only_a_browser_with_a_chat_finds_one(hub: Hub, cast: Cast, vera: Visitor) -> None:
    assert hub.find(visitor=cast.visitor().key) is None
    assert hub.find(number=77) is None
    found = hub.find(visitor=vera.key)
    assert found is not None
    assert found.joined["notes"] == []


def test_what_is_old_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    known = News()
    known.hear("one")
    monkeypatch.setattr(news, "KEPT_SECONDS", 0.0)
    known.hear("two")
    assert list(known._heard) == []
