"""The desks: each is told what has changed in its part of the queue, in one frame, read and rendered once for all."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database, Unavailable
from supportchat.realtime import desks as module
from supportchat.realtime.connection import Connection, Shown
from supportchat.realtime.desks import Desks
from supportchat.rendering.fragments import Fragments
from tests.cast import Agent, Cast, Visitor, new_id


class Recorder:
    """A door that writes down which functions were called, and fails as often as it is told."""

    def __init__(self, database: Database) -> None:
        self.calls: list[str] = []
        self.failures = 0
        self._database = database

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Make a call."""
        self.calls.append(function)
        if self.failures:
            self.failures -= 1
            raise Unavailable("database_busy")
        return self._database.call(function, **arguments)


@pytest.fixture
def door(database: Database) -> Recorder:
    """The door of the desks."""
    return Recorder(database)


@pytest.fixture
def soon() -> list[float]:
    """After how many seconds the desks wanted to tell something."""
    return []


@pytest.fixture
def desks(app: Flask, door: Recorder, soon: list[float]) -> Desks:
    """Desks that tell when the test says so."""
    fragments: Fragments = app.extensions["fragments"]
    return Desks(door, fragments, lambda seconds, task: soon.append(seconds))  # type: ignore[arg-type]


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's."""
    visitor = cast.visitor()
    visitor.start("Hello", customer_name="Vera Lindt")
    return visitor


def opened(desks: Desks, agent: Agent, view: str = "mine", language: str | None = None) -> Connection:
    page = Connection(agent_id=agent.id, token_hash=agent.token_hash)
    desks.add(page)
    desks.show(page, Shown(view=view, language=language))
    return page


def told(desks: Desks, *sessions: str, agents: tuple[str, ...] = ()) -> None:
    for session_id in sessions:
        desks.touch(session_id, agents)
    desks.tell_desks()


def frames(page: Connection) -> list[dict[str, Any]]:
    """Return what a page has been sent."""
    taken = []
    while (frame := page.take()) is not None:
        taken.append(json.loads(frame))
    return taken


def news(page: Connection) -> list[str]:
    """Return the contents of the frames for the queue."""
    return [frame["content"] for frame in frames(page) if frame.get("target") == "#queue-tray"]


def rows(page: Connection) -> list[int]:
    """Return the numbers of the rows that a page has been sent."""
    return [int(number) for content in news(page) for number in re.findall(r'data-row="(\d+)"', content)]


def session_of(visitor: Visitor) -> str:
    session_id: str = visitor.chat["session_id"]
    return session_id


def test_many_changes_are_one_read_and_one_frame(
    desks: Desks, door: Recorder, cast: Cast, vera: Visitor, alice: Agent, bob: Agent
) -> None:
    victor = cast.visitor()
    victor.start("Me too")
    page, other = opened(desks, alice, "all"), opened(desks, bob, "all")
    sessions = [session_of(vera), session_of(victor)]
    told(desks, *sessions * 10)
    assert door.calls == ["queue_changes", "queue_counts"]
    [content] = news(page)
    assert sorted(re.findall(r'data-row="(\d+)"', content)) == ["1001", "1002"]
    assert news(other) == [content]


def test_the_counts_are_read_when_a_ticket_changes_hands_and_told_when_they_differ(
    desks: Desks, door: Recorder, vera: Visitor, alice: Agent
) -> None:
    page = opened(desks, alice)
    told(desks, session_of(vera))
    assert "data-queue-counts" in news(page)[0]
    door.calls.clear()
    vera.post("Are you there?")
    told(desks, session_of(vera))
    assert door.calls == ["queue_changes"]
    assert "data-queue-counts" not in news(page)[0]
    desks.counts_changed()
    desks.tell_desks()
    assert news(page) == []
    alice.call("close_ticket", number=1001)
    told(desks, session_of(vera))
    assert f"{alice.id}&#34;: 0" in news(page)[0]


def test_a_row_goes_to_the_desks_whose_view_shows_it(
    desks: Desks, vera: Visitor, alice: Agent, bob: Agent, carol: Agent
) -> None:
    pages = [opened(desks, agent, view) for agent in (alice, bob) for view in ("mine", "unassigned", "all")]
    told(desks, session_of(vera))  # nobody knows who shows it
    assert [rows(page) for page in pages] == [[1001]] * 6
    vera.post("And")
    told(desks, session_of(vera))
    assert [rows(page) for page in pages] == [[1001], [1001], [1001], [], [], [1001]]
    alice.call("unassign_ticket", number=1001)
    told(desks, session_of(vera))
    assert [rows(page) for page in pages] == [[1001], [1001], [1001], [], [1001], [1001]]
    bob.call("assign_ticket", number=1001, assignee_id=bob.id)
    told(desks, session_of(vera))
    assert [rows(page) for page in pages] == [[], [1001], [1001], [1001], [1001], [1001]]


def test_who_had_a_ticket_in_between_is_told_that_it_is_gone(
    desks: Desks, vera: Visitor, alice: Agent, bob: Agent, carol: Agent
) -> None:
    told(desks, session_of(vera))
    page = opened(desks, bob)
    told(desks, session_of(vera))
    rows(page)
    alice.call("unassign_ticket", number=1001)
    told(desks, session_of(vera))
    assert rows(page) == []
    told(desks, session_of(vera), agents=(bob.id,))
    assert rows(page) == [1001]


def test_each_language_in_use_has_its_frame(desks: Desks, vera: Visitor, alice: Agent, bob: Agent) -> None:
    vera.post(
        "",
        image={"key": "a" * 64, "content_type": "image/png", "width": 1, "height": 1, "bytes": 1, "digest": "d" * 64},
    )
    english, german = opened(desks, alice, "all"), opened(desks, bob, "all", "de")
    told(desks, session_of(vera))
    assert "Picture" in news(english)[0]
    assert "Bild" in news(german)[0]


def test_a_row_in_a_frame_names_nobody_as_you_and_has_nothing_for_htmx(
    desks: Desks, vera: Visitor, alice: Agent
) -> None:
    alice.reply(1001, "How can I help?")
    page = opened(desks, alice)
    told(desks, session_of(vera))
    [content] = news(page)
    assert "You:" not in content
    assert "Alice:" in content
    assert f"{alice.id}&#34;: 1" in content  # her mark: she has read the one line
    assert "hx-" not in content


def test_a_desk_that_an_earlier_version_has_made_is_told_to_load_anew(
    desks: Desks, vera: Visitor, alice: Agent
) -> None:
    page = opened(desks, alice, view="")
    assert [frame["event"] for frame in frames(page)] == ["reset"]
    told(desks, session_of(vera))
    told(desks, session_of(vera))
    assert [frame["event"] for frame in frames(page)] == ["queue_changed"]


def test_what_cannot_be_read_is_tried_again(
    desks: Desks, door: Recorder, soon: list[float], vera: Visitor, alice: Agent
) -> None:
    page = opened(desks, alice)
    door.failures = 1
    with pytest.raises(Unavailable):
        told(desks, session_of(vera))
    assert soon[-1] == module.RETRY_SECONDS
    desks.tell_desks()
    assert rows(page) == [1001]


def test_of_many_rows_some_are_told_at_once_and_the_rest_a_little_later(
    desks: Desks, soon: list[float], cast: Cast, vera: Visitor, alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    victor = cast.visitor()
    victor.start("Me too")
    page = opened(desks, alice, "all")
    told(desks, session_of(victor), session_of(vera))
    assert rows(page) == [1002]
    desks.tell_desks()
    assert rows(page) == [1001]


def test_with_too_many_rows_every_page_reads_its_queue(
    desks: Desks, door: Recorder, vera: Visitor, alice: Agent, bob: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_DUE", 0)
    pages = [opened(desks, alice), opened(desks, bob, "all")]
    told(desks, session_of(vera))
    assert [frames(page) for page in pages] == [[{"event": "queue_changed", "within": 40}]] * 2
    assert door.calls == []


def test_after_a_gap_nobody_is_trusted_to_know_who_shows_a_row(
    desks: Desks, vera: Visitor, alice: Agent, bob: Agent
) -> None:
    page = opened(desks, bob)
    told(desks, session_of(vera))
    desks.refresh_all()
    frames(page)
    told(desks, session_of(vera))
    assert rows(page) == [1001]


def test_a_page_that_turns_to_another_view_just_after_a_change_reads_it_again(
    desks: Desks, vera: Visitor, alice: Agent
) -> None:
    page = opened(desks, alice)
    desks.turn(page, "all")
    assert frames(page) == []
    told(desks, session_of(vera))
    frames(page)
    desks.turn(page, "unassigned")
    assert [frame["event"] for frame in frames(page)] == ["queue_changed"]


def test_marks_are_told_to_the_agents_own_desks_only_and_without_a_read(
    desks: Desks, door: Recorder, vera: Visitor, alice: Agent, bob: Agent
) -> None:
    page, tab, other = opened(desks, alice), opened(desks, alice, "all"), opened(desks, bob, "all")
    for session, lines in (("s", 3), ("t", 1), ("s", 2)):
        desks.mark(alice.id, session, lines)
    desks.tell_desks()
    marks = {"event": "queue_marks", "marks": {"s": 3, "t": 1}}
    assert [frames(desk) for desk in (page, tab, other)] == [[marks], [marks], []]
    assert door.calls == []


def test_marks_go_with_the_rows_and_are_told_again_when_these_could_not_be_read(
    desks: Desks, door: Recorder, vera: Visitor, alice: Agent, bob: Agent
) -> None:
    page, other = opened(desks, alice), opened(desks, bob)
    desks.mark(alice.id, "s", 3)
    door.failures = 1
    with pytest.raises(Unavailable):
        told(desks, session_of(vera))
    desks.mark(alice.id, "t", 1)
    desks.tell_desks()
    own, theirs = frames(page)[0], frames(other)[0]
    assert own.pop("marks") == {"s": 3, "t": 1}
    assert own == theirs


def test_an_agent_is_told_how_many_places_are_taken(desks: Desks, vera: Visitor, alice: Agent, bob: Agent) -> None:
    page, other = opened(desks, alice), opened(desks, bob)
    told(desks, session_of(vera))
    loads = [frame["content"] for frame in frames(page) if frame.get("target") == "#load"]
    assert len(loads) == 1
    assert "1 of 3 tickets" in loads[0]
    assert [frame for frame in frames(other) if frame.get("target") == "#load"] == []
    alice.call("set_availability", availability="away")
    desks.agent_changed(alice.id)
    desks.tell_desks()
    assert {"event": "availability", "availability": "away"} in frames(page)


def test_without_an_open_desk_nothing_is_read(desks: Desks, door: Recorder, soon: list[float], vera: Visitor) -> None:
    desks.touch(session_of(vera))
    desks.counts_changed()
    assert (door.calls, soon) == ([], [])


def test_a_row_goes_to_whom_a_note_in_it_mentions_and_to_who_has_read_it(
    desks: Desks, vera: Visitor, alice: Agent, bob: Agent, carol: Agent
) -> None:
    pages = [opened(desks, agent) for agent in (bob, carol)]
    session_id = session_of(vera)
    told(desks, session_id)
    for page in pages:
        news(page)
    alice.call("add_note", number=1001, client_message_id=new_id(), note="@Bob Ortiz")
    told(desks, session_id)
    [content] = news(pages[0])
    assert f'data-mentioned="{bob.id}"' in content
    assert news(pages[1]) == []
    vera.post("And?")
    told(desks, session_id)
    assert rows(pages[0]) == [1001]
    bob.call("read_mentions", number=1001, note_no=1)
    told(desks, session_id, agents=(bob.id,))
    assert 'data-mentioned=""' in news(pages[0])[0]
    told(desks, session_id)
    assert news(pages[0]) == []
