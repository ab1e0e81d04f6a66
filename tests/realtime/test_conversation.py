"""The hub: every line once and in order, whatever the events do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gevent
import pytest
from flask import Flask
from markupsafe import Markup

from supportchat.config import Config
from supportchat.database import Database, Unavailable
from supportchat.realtime.chores import Chores
from supportchat.realtime.connection import OUTBOX_LIMIT, OVERLOAD, SIGNED_OUT, Connection, Shown
from supportchat.realtime.events import Event
from supportchat.realtime.hub import Hub
from supportchat.realtime.log import MOST_EVENTS
from supportchat.rendering.fragments import Fragments
from tests.cast import Agent, Cast, Visitor, new_id
from tests.languages.pseudo import STANDS_FOR, write_pseudo


@pytest.fixture
def hub(app: Flask) -> Hub:
    """A hub that hears no events but those that a test hands to it."""
    made: Hub = app.extensions["hub"]
    HUBS[:] = [made]
    return made


HUBS: list[Hub] = []


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat is alice's. Two lines are there already."""
    visitor = cast.visitor()
    visitor.start("Line 1")
    return visitor


def taken(page: Connection) -> list[dict[str, Any]]:
    """Take what a page is sent, once every conversation has read what it was told of."""
    gevent.get_hub().loop.update_now()  # else the time that the test took counts as slept
    gevent.sleep(0.01)
    with gevent.Timeout(10):
        while any(conversation._is_working for hub in HUBS for conversation in hub._conversations.values()):
            gevent.sleep(0.01)
    frames = []
    while (frame := page.take()) is not None:
        frames.append(json.loads(frame))
    return frames


def seqs(page: Connection) -> list[int]:
    frames = [frame for frame in taken(page) if frame.get("target", "").startswith("#messages")]
    return [int(seq) for frame in frames for seq in re.findall(r'data-seq="(\d+)"', frame["content"])]


def shown(
    hub: Hub, visitor: Visitor, audience: str = "customer", after: int = 2, language: str | None = None, **values: Any
) -> Connection:
    page = Connection(**values)
    assert hub.add(page)
    hub.show(page, visitor.chat["session_id"], audience, Shown(seq=after, language=language))
    taken(page)
    return page


def posted(answer: Any, *, with_row: bool = True) -> list[Event]:
    events = []
    for row in answer["messages"]:
        event: Event = {"event": "message.posted", "session_id": answer["session_id"], "detail": {"seq": row["seq"]}}
        if with_row:
            event["row"] = row
        events.append(event)
    return events


def test_a_page_gets_what_it_does_not_show_yet(hub: Hub, vera: Visitor) -> None:
    vera.post("Line 3")
    page = Connection()
    hub.add(page)
    hub.show(page, vera.chat["session_id"], "customer", Shown(seq=1))
    frames = taken(page)
    assert [f["content"].count("data-seq") for f in frames if "messages" in f.get("target", "")] == [2]
    assert frames[-1] == {"event": "caught_up", "seq": 3}


def test_an_event_with_its_row_is_delivered_without_a_read(hub: Hub, vera: Visitor, monkeypatch: Any) -> None:
    page = shown(hub, vera)
    answer = vera.post("Line 3")
    monkeypatch.setattr(hub._database, "call", lambda *a, **k: pytest.fail("read the database"))
    for event in posted(answer):
        hub.on_event(event)
    assert seqs(page) == [3]


def test_an_event_that_comes_twice_is_shown_once(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    answer = vera.post("Line 3")
    hub.offer(answer)
    for event in posted(answer) * 2:
        hub.on_event(event)
    assert seqs(page) == [3]


class Writer:
    """Notes when its page is sent something."""

    def __init__(self, sent: list[str], name: str) -> None:
        self._sent, self._name = sent, name

    def set(self) -> None:
        self._sent.append(self._name)


def test_the_other_side_gets_a_line_before_the_pages_of_who_has_written_it(
    hub: Hub, vera: Visitor, alice: Agent
) -> None:
    sent: list[str] = []
    desk = shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    pages = {"customer": shown(hub, vera), "agent": desk}
    for name, page in pages.items():
        page.writer = Writer(sent, name)
    for answer in (vera.post("Line 3"), alice.reply(vera.chat["number"], "Line 4")):
        hub.offer(answer)
        assert [seqs(page) for page in pages.values()] == [[answer["messages"][0]["seq"]]] * 2
    assert sent == ["agent", "customer", "customer", "agent"]


def test_what_is_written_here_is_sent_to_the_other_side_before_its_answer(
    hub: Hub, vera: Visitor, alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where there is much to do, others go first.
    monkeypatch.setattr("supportchat.rendering.fragments.give_way", lambda: None)
    desk = shown(hub, vera, "agent", agent_id=alice.id)
    hub.offer(vera.post("Line 3"))
    assert "Line 3" in str(desk.take())


def test_events_in_the_wrong_order_are_shown_in_the_right_one(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    events = [event for n in (3, 4, 5) for event in posted(vera.post(f"Line {n}"))]
    for event in reversed(events):
        hub.on_event(event)
    assert seqs(page) == [3, 4, 5]


def test_a_lost_event_is_made_good_by_the_next(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    vera.post("Line 3")
    for event in posted(vera.post("Line 4")):
        hub.on_event(event)
    assert seqs(page) == [3, 4]


def test_an_event_too_large_to_carry_its_row_is_read(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    for event in posted(vera.post("ß" * 8000), with_row=False):
        hub.on_event(event)
    assert seqs(page) == [3]


def test_what_no_event_has_told_is_found_by_the_sweep(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    vera.post("Line 3")
    hub.sweep()
    assert seqs(page) == [3]


def test_a_page_that_joins_brings_the_others_up_to_date(hub: Hub, vera: Visitor) -> None:
    first = shown(hub, vera)
    vera.post("Line 3")
    shown(hub, vera, after=3)
    assert seqs(first) == [3]


@pytest.mark.mode("postgres")
def test_who_has_too_many_pages_open_may_open_another_when_one_is_gone(hub: Hub) -> None:
    pages = [Connection(token_hash="hers", address="192.0.2.1") for _ in range(Config().sockets_per_browser)]
    assert all(hub.add(page) for page in pages)
    another = Connection(token_hash="hers", address="192.0.2.1")
    assert not hub.add(another)
    hub.remove(another)  # as its socket ends, which was never counted
    assert not hub.add(another)
    hub.remove(pages.pop())
    assert hub.add(another)
    for page in (another, *pages):
        hub.remove(page)
    assert all(hub.add(page) for page in pages)


def test_a_page_that_is_far_behind_or_ahead_is_told_to_load_anew(hub: Hub, vera: Visitor, rows: Any) -> None:
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, n, 'user', 'x' from user_sessions, generate_series(3, 300) n"
    )
    rows("update user_sessions set last_seq = 300")
    for after in (1, 301):
        page = Connection()
        hub.add(page)
        hub.show(page, vera.chat["session_id"], "customer", Shown(seq=after))
        assert taken(page) == [{"event": "reset"}]


LONG = (
    "insert into chat_messages (session_id, seq, sender, message)"
    " select session_id, n, 'user', repeat('lang ', 1600) from user_sessions, generate_series(3, 150) n"
)


def test_what_is_too_much_for_one_frame_comes_in_several_in_order_and_what_comes_meanwhile_after_it(
    hub: Hub, vera: Visitor, alice: Agent, rows: Any
) -> None:
    rows(LONG)
    rows("update user_sessions set last_seq = 150")
    pages = [
        Connection(),
        Connection(agent_id=alice.id, token_hash=alice.token_hash),
    ]
    for page, audience in zip(pages, ("customer", "agent"), strict=True):
        hub.add(page)
        hub.show(page, vera.chat["session_id"], audience, Shown(seq=1))
    first = [page.take() for page in pages]
    hub.offer(vera.post("Meanwhile"))
    for page, begun in zip(pages, first, strict=True):
        assert begun is not None
        frames = [json.loads(begun), *taken(page)]
        lines = [f["content"] for f in frames if f.get("target", "").startswith("#messages")]
        assert len(lines) >= 5
        assert max(map(len, lines)) < 400_000
        assert [int(seq) for line in lines for seq in re.findall(r'data-seq="(\d+)"', line)] == list(range(2, 152))
        assert frames[-1] == {"event": "caught_up", "seq": 151}
        assert page.close_code is None
    hub.offer(vera.post("Now live"))
    assert [seqs(page) for page in pages] == [[152], [152]]


def test_any_number_of_notes_reaches_an_agent(hub: Hub, vera: Visitor, alice: Agent, rows: Any) -> None:
    rows(
        "insert into ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)"
        " select session_id, n, 2, agents.id, gen_random_uuid(), 'Note ' || n"
        " from user_sessions, agents, generate_series(1, 450) n where agents.name = 'Alice Kern'"
    )
    rows("update user_sessions set last_note_no = 450")
    page = shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    other = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(other)
    hub.show(other, vera.chat["session_id"], "agent", Shown(seq=2))
    numbers = re.findall(r'data-note-no=\\"(\d+)', json.dumps(taken(other)))
    assert numbers == [str(n) for n in range(1, 451)]
    assert (other.last_note_no, page.last_note_no, other.close_code) == (450, 450, None)


def test_a_page_that_cannot_be_brought_up_to_date_is_told_to_come_back(
    hub: Hub, vera: Visitor, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(LONG)
    rows("update user_sessions set last_seq = 150")
    page = Connection()
    hub.add(page)
    hub.show(page, vera.chat["session_id"], "customer", Shown(seq=1))
    assert page.take()

    def away(*arguments: Any, **named: Any) -> Any:
        raise Unavailable("database_unavailable")

    monkeypatch.setattr(hub._database, "call", away)
    assert page.take() is None
    assert page.close_code == OVERLOAD


RESTORED = (
    "create or replace function public.database_epoch() returns text language sql stable set search_path = ''"
    " as $$ select 'another' $$"
)


def test_a_page_of_another_history_is_told_to_load_anew(hub: Hub, vera: Visitor) -> None:
    epoch = vera.chat["epoch"]
    for said, is_kept in ((epoch, True), ("another", False), (None, True)):
        page = Connection()
        hub.add(page)
        hub.show(page, vera.chat["session_id"], "customer", Shown(seq=2, epoch=said))
        assert ({"event": "reset"} not in taken(page)) is is_kept


def test_after_a_restore_every_open_page_is_told_to_load_anew_and_shows_what_is_there(
    hub: Hub, vera: Visitor, rows: Any
) -> None:
    page = shown(hub, vera)
    old = vera.post("It will not have happened")
    hub.offer(old)
    rows("delete from chat_messages where seq = 3")
    rows("update user_sessions set last_seq = 2")
    rows(RESTORED)
    new = vera.post("It has happened")
    hub.sweep()
    assert {"event": "reset"} in taken(page)
    again = Connection()
    hub.add(again)
    hub.show(again, vera.chat["session_id"], "customer", Shown(seq=2, epoch=vera.chat["epoch"]))
    assert "It has happened" in json.dumps(taken(again))
    hub.on_event(posted(new)[0])
    assert seqs(again) == []


def test_a_page_whose_last_line_is_another_one_is_told_to_load_anew(hub: Hub, vera: Visitor) -> None:
    (line,) = (line for line in vera.lines if line["seq"] == 2)
    elsewhere = datetime.fromisoformat(line["created_at"]).astimezone(timezone(timedelta(hours=5))).isoformat()
    for said, is_kept in (
        (line["created_at"], True),
        (elsewhere, True),
        ("nonsense", True),
        ("2020-01-01T00:00:00+00:00", False),
    ):
        page = Connection()
        hub.add(page)
        hub.show(page, vera.chat["session_id"], "customer", Shown(seq=2, epoch=vera.chat["epoch"], at=said))
        assert ({"event": "reset"} not in taken(page)) is is_kept


def test_a_conversation_that_is_no_longer_there_is_loaded_anew(hub: Hub, vera: Visitor, rows: Any) -> None:
    page = shown(hub, vera)
    session_id = vera.chat["session_id"]
    rows("delete from user_sessions")
    hub.sweep()
    assert taken(page) == [{"event": "reset"}]
    late = Connection()
    hub.add(late)
    hub.show(late, session_id, "customer", Shown(seq=2))
    assert taken(late) == [{"event": "reset"}]


def test_a_customer_is_sent_no_note(hub: Hub, vera: Visitor, alice: Agent) -> None:
    customer, agent = shown(hub, vera), shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    alice.call("add_note", number=1001, client_message_id=new_id(), note="Between us")
    hub.on_event({"event": "ticket.noted", "session_id": vera.chat["session_id"], "detail": {}})
    hub.sweep()
    assert "Between us" in json.dumps(taken(agent))
    assert "Between us" not in json.dumps(taken(customer))


def test_a_note_and_a_message_at_once_both_reach_every_agent(hub: Hub, vera: Visitor, alice: Agent, bob: Agent) -> None:
    first = shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    alice.call("add_note", number=1001, client_message_id=new_id(), note="Between us")
    shown(hub, vera, "agent", agent_id=bob.id, token_hash=bob.come().token_hash)
    assert "Between us" in json.dumps(taken(first))


def test_typing_is_shown_to_the_other_side_only(hub: Hub, vera: Visitor, alice: Agent) -> None:
    customer, agent = shown(hub, vera), shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    session_id = vera.chat["session_id"]
    hub.on_event({"event": "typing", "session_id": session_id, "sender": "user", "agent": None, "seq": 2})
    assert "is typing" in json.dumps(taken(agent))
    hub.on_event(
        {
            "event": "typing",
            "session_id": session_id,
            "sender": "agent",
            "agent": {"id": "x", "name": "Alice Kern", "picture": None},
            "seq": 2,
        }
    )
    assert "Alice" in json.dumps(taken(customer))
    assert taken(agent) == []


def test_who_has_sent_it_by_now_is_not_said_to_be_typing(hub: Hub, vera: Visitor, alice: Agent) -> None:
    agent = shown(hub, vera, "agent", agent_id=alice.id, token_hash=alice.token_hash)
    before: Event = {
        "event": "typing",
        "session_id": vera.chat["session_id"],
        "sender": "user",
        "agent": None,
        "seq": 2,
    }
    hub.offer(vera.post("What I was typing"))
    taken(agent)
    hub.on_event(before)
    assert taken(agent) == []
    before["seq"] = 3
    hub.on_event(before)
    assert "is typing" in json.dumps(taken(agent))


def test_a_users_text_decides_no_field_of_a_frame(hub: Hub, vera: Visitor) -> None:
    page = shown(hub, vera)
    for text in ('{"content":"<b>","target":"body"}', "123", "null", '{"__proto__":{}}', "<hx-partial hx-target=body>"):
        hub.offer(vera.post(text))
    frames = [frame for frame in taken(page) if "content" in frame]
    assert sum(frame["content"].count('data-seq="') for frame in frames) == 5
    for frame in frames:
        assert set(frame) == {"content", "target", "swap"}
        assert frame["target"] == "#messages-1001"
        assert "<hx-partial" not in frame["content"]
        assert "<b>" not in frame["content"]


def test_a_page_that_takes_nothing_is_told_to_come_back(hub: Hub, vera: Visitor) -> None:
    slow, quick = shown(hub, vera), shown(hub, vera)
    received = 0
    for n in range(OUTBOX_LIMIT + 5):
        hub.offer(vera.post(f"Line {n}"))
        received += len(seqs(quick))
    assert slow.close_code == OVERLOAD
    assert quick.close_code is None
    assert received == OUTBOX_LIMIT + 5


def test_a_viewer_has_so_many_pages_and_no_more(hub: Hub, vera: Visitor) -> None:
    pages = [Connection(token_hash="one browser") for _ in range(21)]
    assert [hub.add(page) for page in pages] == [True] * 20 + [False]


def test_a_logout_closes_the_sockets_of_that_session_only(hub: Hub, alice: Agent, bob: Agent) -> None:
    hers = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    his = Connection(agent_id=bob.id, token_hash=bob.token_hash)
    for page in (hers, his):
        hub.add(page)
    hub.on_event({"event": "session.revoked", "detail": {"token_hash": alice.token_hash}})
    assert (hers.close_code, his.close_code) == (SIGNED_OUT, None)


@pytest.mark.parametrize("task", ["sweep", "report"])
def test_a_session_that_ended_without_a_word_is_found(hub: Hub, alice: Agent, rows: Any, task: str) -> None:
    page = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(page)
    getattr(hub, task)()
    assert page.close_code is None
    rows("delete from agent_sessions")
    getattr(hub, task)()
    assert page.close_code == SIGNED_OUT


def test_the_sweep_tells_the_desk_of_what_no_event_has_told(hub: Hub, vera: Visitor, alice: Agent) -> None:
    page = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(page)
    hub.show(page, None, "agent", Shown(view="mine"))
    hub.sweep()
    taken(page)
    vera.post("Line 3")
    hub.sweep()
    hub.desks.tell_desks()
    assert "Line 3" in json.dumps(taken(page))


def test_who_had_a_ticket_before_is_told_that_it_has_gone(hub: Hub, vera: Visitor, alice: Agent, bob: Agent) -> None:
    bob.come()
    page = Connection(agent_id=bob.id, token_hash=bob.token_hash)
    hub.add(page)
    hub.show(page, None, "agent", Shown(view="mine"))
    hub.sweep()
    hub.desks.touch(vera.chat["session_id"])
    hub.desks.tell_desks()
    taken(page)
    bob.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    alice.call("assign_ticket", number=1001, assignee_id=alice.id, expected_id=bob.id)
    hub.sweep()
    hub.desks.tell_desks()
    assert 'data-row=\\"1001\\"' in json.dumps(taken(page))


def test_what_an_agent_has_read_is_told_to_their_desks(hub: Hub, vera: Visitor, alice: Agent) -> None:
    page = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(page)
    hub.show(page, None, "agent", Shown(view="mine"))
    hub.sweep()
    taken(page)
    alice.call("record_receipt", number=1001, delivered=2, read=2)
    hub.sweep()
    hub.desks.tell_desks()
    assert {"event": "queue_marks", "marks": {vera.chat["session_id"]: 1}} in taken(page)


def test_a_waiting_customer_moves_up_while_others_are_served(
    hub: Hub, cast: Cast, alice: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.call("set_availability", availability="away")
    first, second = cast.visitor(), cast.visitor()
    first.start()
    second.start()
    page = shown(hub, second)
    calls: list[str] = []
    monkeypatch.setattr(hub._database, "call", recorded(hub._database.call, calls))
    alice.call("assign_ticket", number=first.chat["number"], assignee_id=alice.id)
    calls.clear()
    for _ in range(3):
        hub.on_event({"event": "ticket.changed", "session_id": first.chat["session_id"], "detail": {}})
    frames: list[Any] = []
    with gevent.Timeout(10):
        while "reply here" not in json.dumps(frames):
            gevent.sleep(0.01)
            frames += taken(page)
    assert [call for call in calls if call != "report_process"] == ["waiting_line"]  # one look for all who wait


def recorded(call: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def remember(function: str, /, **arguments: Any) -> Any:
        calls.append(function)
        return call(function, **arguments)

    return remember


def test_a_part_of_the_sweep_that_fails_does_not_keep_the_others_from_it(
    hub: Hub, vera: Visitor, alice: Agent, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    page, desk = shown(hub, vera), Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(desk)
    vera.post("Line 3")
    call = hub._database.call

    def fail(function: str, /, **arguments: Any) -> Any:
        if function == "sweep_assignment":
            raise Unavailable("database_busy")
        return call(function, **arguments)

    monkeypatch.setattr(hub._database, "call", fail)
    hub.sweep()
    assert seqs(page) == [3]
    hub.desks.tell_desks()
    assert "queue_changed" in [frame.get("event") for frame in taken(desk)]
    hub.report()
    assert rows("select swept_at from server_processes where process_id = %s", hub.process_id) == [(None,)]
    monkeypatch.undo()
    hub.sweep()
    hub.report()
    assert rows("select swept_at is null from server_processes where process_id = %s", hub.process_id) == [(False,)]


def test_much_that_hints_have_told_is_no_gap(
    hub: Hub, vera: Visitor, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(hub, vera)
    hub.follow()
    calls: list[str] = []
    monkeypatch.setattr(hub._database, "call", recorded(hub._database.call, calls))
    for times_read in (1, 2):
        many = "insert into events (kind) select 'receipt.recorded' from generate_series(1, %s) returning id"
        for (number,) in rows(many, MOST_EVENTS // 2):
            hub.on_event({"event": "receipt.recorded", "id": number, "detail": {}})
        with gevent.Timeout(10):
            while calls.count("events_after") < times_read:
                gevent.sleep(0.01)
    hub.follow()
    assert "conversations" not in calls


def here(rows: Any) -> int:
    return int(rows("select count(*) from customers_here")[0][0])


def test_a_customer_who_is_back_in_time_has_not_left(hub: Hub, vera: Visitor, database: Database, rows: Any) -> None:
    page = shown(hub, vera)
    hub.report()
    hub.remove(page)
    hub.report()
    shown(hub, vera)
    hub.report()
    moved = "select count(*) from events where kind = 'presence.changed'"
    assert (here(rows), rows(moved)) == (1, [(1,)])


def test_a_customer_who_stays_away_has_left(
    hub: Hub, vera: Visitor, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(hub, vera)
    hub.report()
    hub.remove(page)
    monkeypatch.setattr("supportchat.realtime.hub.LEAVE_SECONDS", 0.0)
    hub.report()
    assert here(rows) == 0


def test_many_who_come_or_leave_are_reported_a_few_at_a_time(
    hub: Hub, cast: Cast, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supportchat.realtime.hub.LEAVE_SECONDS", 0.0)
    monkeypatch.setattr("supportchat.realtime.hub.MOST_MOVES", 2)
    visitors = [cast.visitor() for _ in range(3)]
    for visitor in visitors:
        visitor.start("Hello")
    pages = [shown(hub, visitor, after=1) for visitor in visitors]
    counts = []
    for _ in range(2):
        hub.report()
        counts.append(here(rows))
    for page in pages:
        hub.remove(page)
    for _ in range(2):
        hub.report()
        counts.append(here(rows))
    assert counts == [2, 3, 1, 0]


def receipt(session_id: str, delivered: int = 2, read: int = 1) -> Event:
    marks = {"agent_delivered_seq": delivered, "agent_read_seq": read}
    return {"event": "receipt.recorded", "session_id": session_id, "detail": marks}


def test_receipts_reach_the_side_that_wrote(hub: Hub, vera: Visitor, alice: Agent, database: Database) -> None:
    page = shown(hub, vera)
    session_id = vera.chat["session_id"]
    alice.call("record_receipt", number=1001, delivered=2, read=1)
    hub.on_event(receipt(session_id))
    assert {"event": "receipts", "number": 1001, "delivered": 2, "read": 1} in taken(page)


def test_receipts_that_a_joining_page_finds_reach_the_pages_that_are_there(
    hub: Hub, vera: Visitor, alice: Agent, database: Database
) -> None:
    page = shown(hub, vera)
    session_id = vera.chat["session_id"]
    alice.call("record_receipt", number=1001, delivered=2, read=1)
    shown(hub, vera, audience="agent", agent_id=alice.id, token_hash=alice.token_hash)
    hub.on_event(receipt(session_id))
    assert {"event": "receipts", "number": 1001, "delivered": 2, "read": 1} in taken(page)


def test_an_agents_page_that_joins_learns_the_version_of_its_ticket(hub: Hub, vera: Visitor, alice: Agent) -> None:
    page = Connection(agent_id=alice.id, token_hash=alice.token_hash)
    hub.add(page)
    hub.show(page, vera.chat["session_id"], "agent", Shown(seq=2))
    assert {"event": "ticket_version", "number": 1001, "version": vera.chat["version"]} in taken(page)


def test_what_a_sweep_has_read_too_early_is_not_shown_over_what_is_newer(
    hub: Hub, vera: Visitor, alice: Agent, database: Database
) -> None:
    page = shown(hub, vera)
    session_id = vera.chat["session_id"]
    (early,) = database.call("conversations", session_ids=[session_id])
    alice.call("record_receipt", number=1001, delivered=2, read=2)
    hub.on_event(receipt(session_id, 2, 2))
    taken(page)
    hub._conversations[session_id].compare(early)
    assert [frame for frame in taken(page) if frame.get("event") == "receipts"] == []


def test_a_page_that_is_joining_when_the_others_leave_hears_what_comes(hub: Hub, vera: Visitor) -> None:
    first, second = shown(hub, vera), Connection()
    session_id = vera.chat["session_id"]
    hub.add(second)
    with hub._conversations[session_id]._lock:
        joining = gevent.spawn(hub.show, second, session_id, "customer", Shown(seq=2))
        gevent.sleep(0)
        hub.remove(first)
    joining.join()
    assert hub._conversations != {}
    for event in posted(vera.post("Line 3")):
        hub.on_event(event)
    assert seqs(second) == [3]
    hub.remove(second)
    assert hub._conversations == {}


def test_two_hundred_lines_fit_into_a_page_that_catches_up(hub: Hub, vera: Visitor, rows: Any) -> None:
    page = Connection()
    rows(
        "insert into chat_messages (session_id, seq, sender, message)"
        " select session_id, n, 'user', 'x' from user_sessions, generate_series(3, 202) n"
    )
    rows("update user_sessions set last_seq = 202")
    hub.add(page)
    hub.show(page, vera.chat["session_id"], "customer", Shown(seq=2))
    assert seqs(page) == list(range(3, 203))
    assert page.close_code is None


@pytest.mark.parametrize(("problem", "seconds"), [(None, 10), (Unavailable("database_unavailable"), 2)])
def test_a_report_that_has_failed_is_made_again_soon(
    monkeypatch: pytest.MonkeyPatch, problem: Exception | None, seconds: float
) -> None:
    class Enough(Exception):
        """Ends what would go on for ever."""

    def report() -> None:
        if problem:
            raise problem

    def sleep(waits: float) -> None:
        assert 0.8 * seconds <= waits <= 1.2 * seconds
        raise Enough

    monkeypatch.setattr("supportchat.realtime.chores.gevent.sleep", sleep)
    with pytest.raises(Enough):
        Chores()._repeat(10, report)


# Languages


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that fragments were rendered of."""
    names: list[str] = []
    render = Fragments._render

    def counted(self: Fragments, name: str, **values: Any) -> Markup:
        names.append(name)
        return render(self, name, **values)

    monkeypatch.setattr(Fragments, "_render", counted)
    return names


def test_pages_in_one_language_share_their_frames(hub: Hub, vera: Visitor, rendered: list[str]) -> None:
    pages = [shown(hub, vera), shown(hub, vera, language="en"), shown(hub, vera, language="en")]
    rendered.clear()
    hub.offer(vera.post("Line 3"))
    assert [seqs(page) for page in pages] == [[3], [3], [3]]
    assert rendered == ["shared/_message.html"]


def test_another_language_costs_one_more_rendering(hub: Hub, vera: Visitor, rendered: list[str]) -> None:
    pages = [shown(hub, vera), *(shown(hub, vera, language="de") for _ in range(3))]
    rendered.clear()
    hub.offer(vera.post("Line 3"))
    assert [seqs(page) for page in pages] == [[3]] * 4
    assert rendered == ["shared/_message.html"] * 2


def test_each_page_is_told_in_its_language(
    app: Flask, hub: Hub, vera: Visitor, alice: Agent, bob: Agent, tmp_path: Path
) -> None:
    write_pseudo(tmp_path)
    app.extensions["babel"].translation_directories = [str(tmp_path)]
    english, other = shown(hub, vera), shown(hub, vera, language=STANDS_FOR)
    bob.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    hub.sweep()
    told, told_otherwise = (" ".join(frame.get("content", "") for frame in taken(page)) for page in (english, other))
    assert "Bob" in told
    assert "⟦" not in told
    assert "Bob" in told_otherwise
    assert "⟦" in told_otherwise


def test_who_shows_a_chat_that_is_erased_is_told_so_at_once(hub: Hub, vera: Visitor, carol: Agent) -> None:
    customer, desk = shown(hub, vera), shown(hub, vera, "agent")
    session_id = vera.chat["session_id"]
    carol.call("erase_customer", number=vera.chat["number"])
    hub.on_event({"event": "ticket.changed", "session_id": session_id, "detail": {}})
    assert [frame["event"] for frame in taken(customer)] == ["erased"]
    assert [frame["event"] for frame in taken(desk)] == ["reset"]


def test_a_desk_that_opens_an_erased_chat_is_live_and_a_customers_page_that_comes_back_is_told(
    hub: Hub, vera: Visitor, carol: Agent
) -> None:
    session_id = vera.chat["session_id"]
    carol.call("erase_customer", number=vera.chat["number"])
    pages = {audience: Connection() for audience in ("agent", "customer")}
    for audience, page in pages.items():
        hub.add(page)
        hub.show(page, session_id, audience, Shown(seq=0))
    assert taken(pages["agent"])[-1]["event"] == "caught_up"
    assert [frame["event"] for frame in taken(pages["customer"])] == ["erased"]
