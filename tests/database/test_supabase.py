"""The door to a Supabase project: the same errors as by psycopg, and a second try where it does no harm."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from supportchat.config import ROOT, Config
from supportchat.database import Conflict, Database, DatabaseError, Invalid, NotFound, Unavailable
from supportchat.supabase.client import open_project
from supportchat.supabase.database import SupabaseDatabase
from tests.cast import Agent, Cast, new_id
from tests.conftest import Place
from tests.supabase.rest import Rest

pytestmark = pytest.mark.mode("supabase")

# A function that may not run twice: what it is answered is told at once, and not after some more attempts.
ONCE = "reset_password"


@pytest.fixture
def rest(place: Place) -> Rest:
    """The server's side of it."""
    assert place.project is not None
    return place.project.rest


def opened(config: Config, key: str) -> Iterator[SupabaseDatabase]:
    door = SupabaseDatabase(open_project(config.supabase_url, key))
    yield door
    door.close()


def test_named_conditions_are_the_same_exceptions(cast: Cast, alice: Agent, bob: Agent, database: Database) -> None:
    vera = cast.visitor()
    number = vera.start("Hello")["number"]
    once = new_id()
    vera.post("One", client_message_id=once)
    with pytest.raises(Invalid, match="client_message_id_reused"):
        vera.post("Two", client_message_id=once)
    with pytest.raises(Conflict) as conflict:
        bob.reply(number)
    assert (conflict.value.code, conflict.value.detail) == ("assigned_to_other", "Alice Kern")
    with pytest.raises(NotFound, match="ticket_not_found"):
        alice.reply(77)
    with pytest.raises(Invalid, match="value_refused"):
        database.call("create_agent", name="x" * 200, email="x@example.com", password_hash="x")


def test_nothing_is_none_and_no_rows_are_a_list(database: Database) -> None:
    assert database.call("send_ping", nonce="x") is None
    assert database.call("conversation_of_visitor", visitor="nobody") is None
    assert database.call("messages_after", session_id=new_id(), after=0) == []


@pytest.mark.parametrize("new", [True, False])
def test_both_kinds_of_secret_keys_work(config: Config, place: Place, new: bool) -> None:
    assert place.project is not None
    for door in opened(config, place.project.secret_key_new if new else place.project.secret_key):
        assert len(door.call("list_agents")) == 3


@pytest.mark.parametrize("key", ["sb_secret_of_another_project", "a.b.c"])
def test_a_key_that_is_refused_is_said(config: Config, key: str) -> None:
    for door in opened(config, key):
        with pytest.raises(Unavailable, match="key_refused"):
            door.call("list_agents")


def test_the_browsers_key_may_call_nothing(config: Config, place: Place) -> None:
    assert place.project is not None
    for door in opened(config, place.project.anon_key):
        with pytest.raises(Unavailable):
            door.call("list_agents")


def test_a_function_that_is_missing_is_said(database: Database, rows: Any) -> None:
    rows("drop function who_is_here")
    rows("notify pgrst, 'reload schema'")
    deadline = time.monotonic() + 5
    while True:
        try:
            database.call("who_is_here")
        except Unavailable as error:
            if error.code == "schema_missing":
                return
        assert time.monotonic() < deadline


@pytest.mark.parametrize("fault", ["answer_with_page", "cut_before", "cut_after"])
def test_a_call_that_may_run_twice_is_tried_again(cast: Cast, rest: Rest, rows: Any, fault: str) -> None:
    vera = cast.visitor()
    vera.start("Hello")
    session_id = vera.chat["session_id"]
    getattr(rest, fault)(only="post_message", times=2)
    answer = vera.post("Once", session_id=session_id)
    assert answer["messages"][0]["message"] == "Once"
    assert rows("select count(*) from chat_messages where message = 'Once'") == [(1,)]


def test_a_call_that_may_not_run_twice_is_not(cast: Cast, alice: Agent, bob: Agent, rest: Rest, rows: Any) -> None:
    number = cast.visitor().start("Hello")["number"]
    rest.cut_after(only="unassign_ticket", times=1)
    with pytest.raises(Unavailable):
        alice.call("unassign_ticket", number=number)


def test_what_was_refused_before_it_began_is_tried_again_whatever_it_is(
    cast: Cast, alice: Agent, rest: Rest, rows: Any
) -> None:
    # A clock of the project that is behind: https://github.com/supabase/supabase/issues/49655
    number = cast.visitor().start("Hello")["number"]
    rest.answer_with(401, {"code": "PGRST303", "message": "JWT issued at future"}, only="unassign_ticket", times=2)
    alice.call("unassign_ticket", number=number)
    assert rows("select status from tickets") == [("waiting",)]


def test_a_restart_of_the_database_fails_no_call_that_may_run_twice(database: Database, rest: Rest) -> None:
    rest.answer_with(503, {"code": "57P01", "message": "terminating connection"}, only="list_agents", times=2)
    assert len(database.call("list_agents")) == 3


def test_every_state_has_its_exception(database: Database, rest: Rest) -> None:
    kinds: dict[str, type[DatabaseError]] = {
        **dict.fromkeys(("57014", "55P03", "40001", "53300", "PGRST003"), Unavailable),
        **dict.fromkeys(("22P02", "23514"), Invalid),
        "PT404": NotFound,
        "PT409": Conflict,
    }
    for code, kind in kinds.items():
        rest.heal()
        rest.answer_with(400, {"code": code, "message": "m", "details": "d", "hint": None})
        with pytest.raises(kind):
            database.call(ONCE)


def test_what_the_gateway_says_in_json_is_no_fault_of_ours(database: Database, rest: Rest) -> None:
    said: list[tuple[int, Any, str]] = [
        (502, {"message": "An invalid response was received from the upstream server"}, "database_unavailable"),
        (503, {"code": 503, "message": "name resolution failed"}, "database_unavailable"),
        (500, {"error": "Internal"}, "database_unavailable"),
        (500, [], "database_unavailable"),
        (429, {"message": "Too many requests"}, "database_unavailable"),
        (402, {"message": "exceed_egress_quota: project restricted"}, "database_unavailable"),
        (404, {"message": "no Route matched with those values"}, "database_unavailable"),
        (540, {"message": "Project paused"}, "database_unavailable"),
        (544, {"code": "DatabaseTimeout", "message": "m"}, "database_unavailable"),
        (401, {"message": "Unauthorized"}, "key_refused"),
        (401, {"code": "PGRST303", "message": "JWT expired"}, "key_refused"),
        (401, {"code": "PGRST303", "message": "JWT issued at future"}, "database_unavailable"),
        (406, {"code": "PGRST106", "message": "Invalid schema: public"}, "schema_not_exposed"),
    ]
    for status, body, reason in said:
        rest.heal()
        rest.answer_with(status, body)
        with pytest.raises(Unavailable, match=reason):
            database.call(ONCE)


def test_a_page_is_no_answer(database: Database, rest: Rest) -> None:
    for status in (200, 403, 429, 521, 540):
        rest.heal()
        rest.answer_with_page(status)
        with pytest.raises(Unavailable):
            database.call(ONCE)


def test_the_key_follows_no_redirect(database: Database, rest: Rest, place: Place) -> None:
    assert place.project is not None
    rest.redirect(f"http://localhost:{place.project.port}/rest/v1/rpc/list_agents", times=1)
    with pytest.raises(Unavailable):
        database.call("list_agents")
    assert rest.calls.count("list_agents") == 1


def test_a_call_that_came_too_often_is_tried_again_if_it_may_run_twice(database: Database, rest: Rest) -> None:
    rest.answer_with(429, {"message": "Too many requests"}, times=2)
    assert len(database.call("list_agents")) == 3
    rest.answer_with(429, {"message": "Too many requests"}, times=1)
    with pytest.raises(Unavailable):
        database.call("reset_password", email="alice@example.com", password_hash="x")


def test_a_server_that_hangs_is_given_up_in_time(database: Database, rest: Rest) -> None:
    rest.hang()
    start = time.monotonic()
    done: list[Exception] = []

    def call() -> None:
        try:
            database.call("list_agents")
        except DatabaseError as error:
            done.append(error)

    call()
    assert time.monotonic() - start < 10
    assert isinstance(done[0], Unavailable)


def test_a_server_that_is_away_is_waited_for(database: Database, place: Place) -> None:
    assert place.project is not None
    place.project.refuse_connections()
    gevent.spawn_later(1.0, place.project.accept_connections)
    assert len(database.call("list_agents")) == 3


def test_the_key_is_in_no_exception_and_no_log(
    database: Database, rest: Rest, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key = place.settings["supabase_secret_key"]
    for fault in (rest.answer_with_page, rest.cut_before):
        rest.heal()
        fault()
        with pytest.raises(Unavailable) as raised:
            database.call(ONCE)
        chain: BaseException | None = raised.value
        while chain is not None:
            assert key not in f"{chain!r}{chain}"
            chain = chain.__cause__
    assert key not in caplog.text


def test_a_crowd_at_a_service_that_hangs_leaves_no_place_taken_and_none_of_the_others() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.database.crowd"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
