"""What was tried on an agent's day: saved replies, search, tags, snooze and alerts. See docs/security.md, D1 and on."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import gevent
import psycopg
import pytest
from flask import Flask

from supportchat.alerts import reach
from supportchat.database import Database, Invalid
from supportchat.rendering.markup import plain
from supportchat.rendering.sheets import safe_cell, value_of_cell
from supportchat.replies import sheet
from supportchat.replies.routes.replies import _without_name
from supportchat.search.marking import marked
from supportchat.web.cookies import token_hash
from tests.alerts.test_ladder import Ladder, give_device
from tests.cast import Agent, Cast, email_of, new_id
from tests.people.cast import link_for
from tests.replies.test_sheet import reply
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def ladder(database: Database, rows: Any) -> Ladder:
    """The alerts of a desk at which nothing has happened."""
    return Ladder(database, rows)


# D1: whoever is thrown out is notified no more


@pytest.mark.parametrize("act", ["a link", "the command", "two-factor removed"])
def test_row_d1_whoever_is_thrown_out_by_a_new_password_or_without_two_factor_is_notified_no_more(
    ladder: Ladder, cast: Cast, database: Database, alice: Agent, carol: Agent, rows: Any, act: str
) -> None:
    give_device(alice, "thief's")
    rows("update agent_devices set login_id = null")  # of a login that has ended by itself
    give_device(alice, "phone")
    alice.call("turn_on_two_factor", token_hash=alice.token_hash, secret="A" * 32, step=1, code_hashes=["c" * 64])
    cast.visitor().start()
    ladder.advance()
    if act == "a link":
        token = link_for(carol, "make_password_link", person_id=alice.id).removeprefix("/links/")
        database.call("use_password_link", token_hash=token_hash(token), password_hash="new")
    elif act == "the command":
        database.call("reset_password", email=email_of("alice"), password_hash="new")
    else:
        carol.call("remove_two_factor", person_id=alice.id)
    assert rows("select count(*) from agent_devices") == rows("select count(*) from agent_pushes") == [(0,)]
    assert rows("select count(*) from audit_log where kind = 'device.removed'") == [(2,)]


def test_row_d1_who_has_to_set_up_two_factor_first_is_told_of_nobody(
    ladder: Ladder, cast: Cast, alice: Agent, carol: Agent
) -> None:
    carol.call("change_settings", values={"two_factor_required": "everyone"})
    cast.visitor().start()
    assert ladder.told() == []
    carol.call("change_settings", values={"two_factor_required": "admins"})
    cast.visitor().start()
    assert {name for name, _, _ in ladder.told()} == {"alice"}


# D2: many tickets at once


def bulk(desk: Browser, act: str, *numbers: int, **fields: str) -> tuple[int, str]:
    data = {"act": act, "number": [str(number) for number in numbers], **fields}
    answer = desk.client.post("/tickets/bulk", data=data, headers={"Origin": ORIGIN, "HX-Request": "true"})
    return answer.status_code, answer.text


def test_row_d2_fifty_tickets_are_changed_at_once_and_no_more(web: Web, cast: Cast, alice: Agent, rows: Any) -> None:
    for _ in range(2):
        cast.visitor().start()
    desk = web.agent("alice")
    status, said = bulk(desk, "tag", *range(1001, 1051), tag="parts")
    assert (status, "Tagged 2 tickets." in said, "45 more could not be changed." in said) == (200, True, True)
    status, said = bulk(desk, "close", *range(1001, 1052))
    assert (status, "Choose up to 50 tickets at once." in said) == (422, True)
    assert bulk(desk, "close", *range(1001, 2002))[0] == 413
    assert rows("select distinct status from tickets") == [("open",)]


def test_row_d2_a_ticket_that_is_full_of_tags_keeps_no_other_from_getting_one(
    web: Web, cast: Cast, alice: Agent, rows: Any
) -> None:
    for _ in range(2):
        cast.visitor().start()
    alice.call("tag_ticket", number=1001, add=[f"tag {n}" for n in range(20)])
    status, said = bulk(web.agent("alice"), "tag", 1001, 1002, 1002, tag="parts")
    assert (status, "Tagged 1 ticket." in said, "#1001" in said) == (200, True, True)
    assert bulk(web.agent("alice"), "tag", 1001, 1002, tag="x" * 41)[0] == 422
    tagged = (
        "select number from ticket_tags join tickets on id = ticket_id join desk_tags using (tag_id) where name = %s"
    )
    assert rows(tagged, "parts") == [(1002,)]


# D3: addresses that are not the internet's


@pytest.mark.parametrize(
    "address",
    [
        *("fec0::1", "::7f00:1", "::10.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "5f00::1", "4000::1"),
        *("100:0:0:1::1", "3fff::1", "2001:20::1", "192.0.0.8", "192.88.99.1", "198.18.0.1", "240.0.0.1"),
    ],
)
def test_row_d3_no_way_to_write_an_address_of_ones_own_network_is_public(address: str) -> None:
    assert not reach.is_public(address)


# D4: names of tags


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("\u202egpj.evil", "gpj.evil"),
        ("\u2066parts\u2069", "parts"),
        ("pa\x07rts\x85", "parts"),
        ("\U000e0070\U000e0061parts", "parts"),
        ("spare\u2028parts", "spare parts"),
        ("\u3164", None),
        ("\u2800 \u200b", None),
        ("a\0b", "ab"),
    ],
)
def test_row_d4_a_tag_looks_like_what_it_is(
    web: Web, cast: Cast, alice: Agent, rows: Any, typed: str, kept: str | None
) -> None:
    cast.visitor().start()
    desk = web.agent("alice")
    assert desk.post("/tickets/1001/tags", htmx=True, tag=typed).status_code == (200 if kept else 422)
    desk.post("/replies", name="Wait", message="Wait", tags=f"{typed},")
    expected = [kept] if kept else []
    assert rows("select name from desk_tags") == [(name,) for name in expected]
    assert rows("select tags from saved_replies") == [(expected,)]


# D5: files of replies


def test_row_d5_whatever_a_reply_says_it_comes_back_from_a_file() -> None:
    lost = []
    for length in (1, 2, 3, 4):
        for characters in itertools.product("'\"=\t\n;\u200b-a", repeat=length):
            text = "".join(characters)
            if value_of_cell(safe_cell(text)) != text:
                lost.append(text)
    assert lost == []


# D6: views


def test_row_d6_a_view_that_is_shared_no_more_belongs_to_who_said_so(alice: Agent, carol: Agent, rows: Any) -> None:
    rows("update agents set role = 'lead' where id = %s", alice.id)
    view = alice.call("save_view", name="Parts", query="tag:parts", is_shared=True)["id"]
    carol.call("save_view", name="Parts", query="tag:parts", is_shared=True, view_id=view)
    carol.call("save_view", name="Parts", query="tag:parts", view_id=view)
    assert [[each["id"] for each in agent.call("list_views")] for agent in (carol, alice)] == [[view], []]


def test_row_d6_there_are_fifty_views_however_they_came_about(carol: Agent) -> None:
    for number in range(50):
        view = carol.call("save_view", name=f"View {number}", query="is:open", is_shared=True)["id"]
    own = carol.call("save_view", name="Mine", query="is:mine")["id"]
    with pytest.raises(Invalid, match="views_too_many"):
        carol.call("save_view", name="Ours", query="is:mine", is_shared=True, view_id=own)
    carol.call("save_view", name="Another name", query="is:open", is_shared=True, view_id=view)


# D7: replies made from messages


@pytest.mark.parametrize(
    ("name", "text", "reply"),
    [
        ("name", "Hello name!", "Hello {{customer.name}}!"),
        ("customer", "Dear customer", "Dear {{customer.name}}"),
        ("Vera Lindt", "Hi Vera, Mrs Vera Lindt", "Hi {{customer.first_name|there}}, Mrs {{customer.name}}"),
        ("there name", "there, there name", "{{customer.first_name|there}}, {{customer.name}}"),
        ("a{{agent.name}}|b", "Hi a{{agent.name}}|b", "Hi {{customer.name}}"),
        ("(.*)+ [", "Hi (.*)+ [", "Hi {{customer.name}}"),
    ],
)
def test_row_d7_a_customer_may_be_called_like_a_part_of_a_variable(name: str, text: str, reply: str) -> None:
    assert _without_name(text, name) == reply


# D8: work that holds up everybody else


def turns_within(work: Callable[[], object]) -> int:
    """How often somebody else gets a turn meanwhile."""
    turns: list[None] = []

    def take_turns() -> None:
        while True:
            turns.append(None)
            gevent.sleep(0.0001)

    others = gevent.spawn(take_turns)
    with contextlib.suppress(sheet.SheetRefusedError):
        work()
    others.kill()
    return len(turns)


def test_row_d8_hits_in_long_texts_are_shown_in_turns() -> None:
    texts = [f"{number} {'*_' * 3000}" for number in range(20)]
    assert turns_within(lambda: [marked(plain(text), "x") for text in texts]) >= len(texts) // 2


def test_row_d8_a_file_of_empty_lines_is_read_in_turns(app: Flask) -> None:
    with app.test_request_context():
        assert turns_within(lambda: sheet.read(b"name,text\n" + b"\n" * 500_000)) > 10
        replies = [reply(str(number), "a;" * 4000) for number in range(100)]
        assert turns_within(lambda: sheet.written(replies)) > 10


def test_row_d8_columns_that_nobody_looks_at_are_left_out(app: Flask) -> None:
    with app.test_request_context():
        assert sheet.read(b"name,text" + b",x" * 100 + b",close\na,b" + b",=c" * 100 + b",yes\n") == [
            {"name": "a", "message": "b", "close_after": False}
        ]


# D10: locks, and bounds


@pytest.mark.parametrize("function", ["tag_ticket", "reply_and_act"])
def test_row_d10_who_waits_for_a_tag_that_a_colleague_is_making_holds_no_ticket_meanwhile(
    cast: Cast, alice: Agent, bob: Agent, database_url: str, rows: Any, function: str
) -> None:
    for _ in range(2):
        cast.visitor().start()
    given: dict[str, Any] = {"add": ["new"]}
    if function == "reply_and_act":
        given = {"tags": ["new"], "client_message_id": new_id(), "message": "Hi"}
    tag = "select tag_ticket(%s, %s, array[%s])"
    second = threading.Thread(target=lambda: alice.call(function, number=1002, **given))
    with psycopg.connect(database_url) as first:
        first.execute(tag, (bob.id, 1001, "new"))
        second.start()
        while not rows(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            pass
        # Whoever goes on to this ticket would else wait in a circle.
        first.execute("select from user_sessions join tickets using (session_id) where number = 1002 for update nowait")
    second.join(10)
    tagged = "select number, name from ticket_tags join tickets on id = ticket_id join desk_tags using (tag_id)"
    assert sorted(rows(tagged)) == [(1001, "new"), (1002, "new")]


def test_row_d10_what_is_far_too_much_is_refused_before_it_is_looked_at(alice: Agent, cast: Cast, rows: Any) -> None:
    cast.visitor().start()
    with pytest.raises(Invalid, match="ticket_tags_too_many"):
        alice.call("save_reply", values={"name": "x", "message": "x", "tags": ["x" * 41] * 21})
    with pytest.raises(psycopg.errors.Error, match="not_understood"):
        rows("select change_tickets(%s, '{1001}', null)", alice.id)
    assert rows("select snoozed_until from tickets") == [(None,)]
