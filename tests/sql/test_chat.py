"""What a customer can do, asked of the functions themselves."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database, Invalid, NotFound
from tests.cast import Agent, Cast, new_id


def test_a_start_makes_session_ticket_and_first_message(cast: Cast, rows: Any) -> None:
    chat = cast.visitor().start("My machine is cold", customer_name="Vera Lindt", customer_phone="+49 30 901820")
    assert rows("select customer_name, customer_phone, channel, is_anonymous, status from user_sessions") == [
        ("Vera Lindt", "+49 30 901820", "web-chat", False, "active")
    ]
    assert rows("select number, channel, status from tickets") == [(chat["number"], "web-chat", "waiting")]
    assert rows("select sender, seq, message from chat_messages order by seq limit 1") == [
        ("user", 1, "My machine is cold")
    ]


def test_who_gives_no_name_and_no_phone_is_anonymous(cast: Cast, rows: Any) -> None:
    cast.visitor().start()
    assert rows("select is_anonymous from user_sessions") == [(True,)]


def test_the_three_verify_queries_show_a_started_chat(cast: Cast, rows: Any) -> None:
    chat = cast.visitor().start("Look for me")
    sessions = rows("SELECT * FROM user_sessions ORDER BY created_at DESC LIMIT 5;")
    messages = rows("SELECT * FROM chat_messages ORDER BY created_at DESC LIMIT 10;")
    tickets = rows("SELECT * FROM tickets WHERE channel = 'web-chat' ORDER BY created_at DESC LIMIT 5;")
    assert str(sessions[0][0]) == chat["session_id"]
    assert any("Look for me" in map(str, message) for message in messages)
    assert len(tickets) == 1


def test_a_ticket_goes_to_an_agent_who_is_here(cast: Cast, alice: Agent) -> None:
    chat = cast.visitor().start()
    assert chat["status"] == "open"
    assert chat["agent"] == {"id": alice.id, "name": "Alice Kern", "picture": None}


def test_seq_counts_without_a_gap_under_many_writers(cast: Cast, alice: Agent, rows: Any) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]
    before = vera.chat["last_seq"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: vera.post(f"c{n}") if n % 2 else alice.reply(number, f"a{n}"), range(80)))
    seqs = [seq for (seq,) in rows("select seq from chat_messages order by seq")]
    assert seqs == list(range(1, before + 81))
    assert rows("select last_seq from user_sessions") == [(before + 80,)]


@pytest.mark.parametrize("is_said", [True, False])
def test_a_message_reads_nothing_of_what_was_said(cast: Cast, alice: Agent, place: Any, is_said: bool) -> None:
    vera = cast.visitor()
    session_id = vera.start()["session_id"]
    for number in range(20):
        vera.post(f"Line {number}")
    with psycopg.connect(place.conninfo) as connection:
        # Without statistics, as in the first minutes of a new desk.
        connection.execute("set enable_seqscan = off")
        shown = session_id if is_said else None
        connection.execute("select public.post_message(%s, %s, gen_random_uuid(), 'One more')", [vera.key, shown])
        read = "select idx_tup_fetch from pg_stat_xact_user_tables where relname = 'chat_messages'"
        assert connection.execute(read).fetchone() == (0,)
        connection.rollback()


def test_sixteen_submits_of_one_message_store_it_once(cast: Cast, rows: Any) -> None:
    vera = cast.visitor()
    session_id, once = vera.start()["session_id"], new_id()
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: vera.post("Just once", client_message_id=once, session_id=session_id), range(16))
        )
    assert rows("select count(*) from chat_messages where message = 'Just once'") == [(1,)]
    assert len({answer["messages"][0]["seq"] for answer in answers}) == 1
    assert sum(not answer["duplicate"] for answer in answers) == 1


def test_sixteen_starts_of_one_chat_make_one_conversation(cast: Cast, rows: Any) -> None:
    vera, once = cast.visitor(), new_id()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: vera.start("Just once", client_message_id=once), range(16)))
    assert rows("select count(*) from user_sessions") == [(1,)]
    assert rows("select count(*) from tickets") == [(1,)]
    assert rows("select count(*) from chat_messages where sender = 'user'") == [(1,)]


def test_the_same_id_with_another_text_is_refused(cast: Cast) -> None:
    vera, used = cast.visitor(), new_id()
    vera.start()
    vera.post("One thing", client_message_id=used)
    with pytest.raises(Invalid, match="client_message_id_reused"):
        vera.post("Another thing", client_message_id=used)


@pytest.mark.parametrize(
    ("message", "reason"), [("", "message_empty"), (" \n\t ", "message_empty"), ("x" * 8001, "message_too_long")]
)
def test_a_message_needs_one_to_8000_characters(cast: Cast, rows: Any, message: str, reason: str) -> None:
    vera = cast.visitor()
    with pytest.raises(Invalid, match=reason):
        vera.start(message)
    assert rows("select count(*) from user_sessions") == [(0,)]


def test_8000_characters_are_a_message(cast: Cast) -> None:
    vera = cast.visitor()
    vera.start("ß" * 8000)
    assert vera.lines[0]["message"] == "ß" * 8000


@pytest.mark.parametrize("field", [{"customer_name": "n" * 81}, {"customer_phone": "1" * 33}])
def test_the_database_itself_refuses_long_names_and_phones(cast: Cast, field: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        cast.visitor().start(**field)


def test_a_start_while_a_chat_runs_goes_on_with_it(cast: Cast, rows: Any) -> None:
    vera = cast.visitor()
    vera.start("First")
    vera.start("Second")
    assert rows("select count(*) from tickets") == [(1,)]
    assert [line["message"] for line in vera.lines if line["sender"] == "user"] == ["First", "Second"]


def test_a_start_after_the_end_begins_a_new_ticket(cast: Cast, database: Database, rows: Any) -> None:
    vera = cast.visitor()
    first = vera.start()
    database.call("close_chat", visitor=vera.key)
    assert vera.start()["number"] == first["number"] + 1


def test_a_message_to_an_ended_chat_opens_it_again(cast: Cast, alice: Agent, database: Database) -> None:
    vera = cast.visitor()
    vera.start()
    database.call("close_chat", visitor=vera.key)
    assert vera.chat["status"] == "closed"
    vera.post("One more thing")
    assert vera.chat["status"] == "open"
    assert vera.events() == ["assigned", "closed", "reopened", "assigned"]
    assert vera.lines[-1]["detail"]["reason"] == "knows_customer"


def test_ending_twice_ends_once(cast: Cast, database: Database) -> None:
    vera = cast.visitor()
    vera.start()
    for _ in range(2):
        database.call("close_chat", visitor=vera.key)
    assert vera.events().count("closed") == 1


def test_victor_finds_nothing_of_vera(cast: Cast, database: Database) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    session_id = vera.start()["session_id"]
    assert victor.chat is None
    with pytest.raises(NotFound):
        victor.post("Let me in", session_id=session_id)
    with pytest.raises(NotFound):
        database.call("close_chat", visitor=victor.key)


def test_a_page_that_shows_an_older_chat_is_told_so(cast: Cast, database: Database) -> None:
    vera = cast.visitor()
    older = vera.start()["session_id"]
    database.call("close_chat", visitor=vera.key)
    vera.start("Something new")
    with pytest.raises(Conflict, match="conversation_moved_on"):
        vera.post("To the old one", session_id=older)


def waits(rows: Any, count: int, call: Future[Any]) -> None:
    """Wait until so many calls wait for a lock; `call` is the one that has come last."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while rows(waiting) != [(count,)]:
        assert not call.done()


def test_an_older_chat_stays_closed_when_another_one_begins_while_its_message_waits(
    cast: Cast, database: Database, database_url: str, rows: Any
) -> None:
    vera = cast.visitor()
    older = vera.start()["session_id"]
    database.call("close_chat", visitor=vera.key)
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(2) as pool:
        other.execute("select _supportchat.lock_assignment()")
        start = pool.submit(vera.start, "Something new")
        waits(rows, 1, start)
        message = pool.submit(vera.post, "To the old one", session_id=older)
        waits(rows, 2, message)
        other.rollback()
        with pytest.raises(Conflict, match="conversation_moved_on"):
            message.result()
        assert start.result()["session_id"] != older
    assert rows("select status from tickets order by number") == [("closed",), ("waiting",)]


def test_a_message_to_a_chat_that_ends_while_it_waits_opens_it_again(
    cast: Cast, alice: Agent, database_url: str, rows: Any
) -> None:
    vera = cast.visitor()
    session_id = vera.start()["session_id"]
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from public.user_sessions for update")
        message = pool.submit(vera.post, "Still there?", session_id=session_id)
        waits(rows, 1, message)
        other.execute("update public.tickets set status = 'closed'")
        other.commit()
        assert not message.result()["duplicate"]
    assert rows("select count(*) from chat_messages where message = 'Still there?'") == [(1,)]
    assert vera.chat["status"] == "open"


def test_a_chat_that_a_wrong_clock_has_dated_into_the_future_hides_no_newer_one(
    cast: Cast, alice: Agent, database: Database, rows: Any
) -> None:
    vera = cast.visitor()
    older = vera.start()["number"]
    database.call("close_chat", visitor=vera.key)
    rows("update user_sessions set created_at = now() + interval '2 hours'")
    rows("update tickets set created_at = now() + interval '2 hours'")
    newer = vera.start("Something new")
    assert newer["number"] == older + 1
    vera.post("And more of it")
    assert [line["message"] for line in vera.lines if line["sender"] == "user"] == ["Something new", "And more of it"]
    vera.start("Started once more")
    assert vera.chat["number"] == newer["number"]
    with pytest.raises(Conflict, match="customer_moved_on") as refused:
        alice.call("reopen_ticket", number=older)
    assert refused.value.detail == str(newer["number"])


def test_messages_come_in_pages_before_and_after_a_seq(cast: Cast, database: Database) -> None:
    vera = cast.visitor()
    session_id = vera.start("m1")["session_id"]
    for number in range(2, 8):
        vera.post(f"m{number}")
    last = vera.chat["last_seq"]

    def seqs(function: str, **arguments: Any) -> list[int]:
        return [line["seq"] for line in database.call(function, session_id=session_id, **arguments)]

    assert seqs("messages_before", limit=3) == [last - 2, last - 1, last]
    assert seqs("messages_before", before=4, limit=2) == [2, 3]
    assert seqs("messages_after", after=last - 1) == [last]
    assert seqs("messages_after", after=0, limit=2) == [1, 2]


def test_a_line_continues_the_one_before_within_five_minutes(cast: Cast, rows: Any) -> None:
    vera = cast.visitor()
    vera.start("One")
    vera.post("Two")
    vera.post("Three")
    rows("update chat_messages set created_at = created_at + interval '6 minutes' where message = 'Three'")
    continues = {line["message"]: line["continues"] for line in vera.lines if line["sender"] == "user"}
    assert continues == {"One": False, "Two": False, "Three": False}  # a system line stands between one and two
    vera.post("Four")
    rows("update chat_messages set created_at = (select created_at from chat_messages where message = 'Three')")
    assert vera.lines[-1]["continues"]


def test_a_line_is_told_as_it_is_read_later(cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    vera.start("One")
    told = [vera.post(f"m{number}")["messages"][0] for number in range(2)]
    told += [alice.reply(vera.chat["number"], f"r{number}")["messages"][0] for number in range(2)]
    told += [vera.post(f"n{number}")["messages"][0] for number in range(2)]
    assert told == [line for line in vera.lines if line["seq"] >= told[0]["seq"]]
    assert [line["continues"] for line in told] == [False, True, False, True, False, True]


def test_receipts_only_move_forward_and_not_past_the_end(cast: Cast, database: Database) -> None:
    vera = cast.visitor()
    vera.start()

    def receipt(delivered: int, read: int) -> tuple[int, int]:
        database.call("record_receipt", visitor=vera.key, delivered=delivered, read=read)
        return vera.chat["customer_delivered_seq"], vera.chat["customer_read_seq"]

    assert receipt(1, 0) == (1, 0)
    assert receipt(2, 1) == (2, 1)
    assert receipt(1, 0) == (2, 1)
    assert receipt(999, 999) == (vera.chat["last_seq"],) * 2


def test_an_image_belongs_to_its_conversation_only(cast: Cast, database: Database) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    image = {"key": "a" * 64, "content_type": "image/webp", "width": 3, "height": 2, "bytes": 100, "digest": "d"}
    vera.start("", image=image)
    shown = vera.lines[0]["image"]
    assert (shown["width"], shown["height"]) == (3, 2)
    found = database.call("image_of_session", visitor=vera.key, image_id=shown["id"])
    assert found == {"key": "a" * 64, "content_type": "image/webp", "bytes": 100}
    other = victor.start()["number"]
    assert database.call("image_of_session", visitor=victor.key, image_id=shown["id"]) is None
    assert database.call("image_of_session", number=other, image_id=shown["id"]) is None
    assert database.call("image_of_session", number=vera.chat["number"], image_id=shown["id"]) == found


def test_a_retry_with_the_same_picture_is_the_same_message(cast: Cast, rows: Any) -> None:
    vera, once = cast.visitor(), new_id()
    vera.start()
    image = {"content_type": "image/webp", "width": 3, "height": 2, "bytes": 100, "digest": "of the upload"}
    first = vera.post("", client_message_id=once, image={**image, "key": "a" * 64})
    again = vera.post("", client_message_id=once, image={**image, "key": "b" * 64})
    assert again["duplicate"]
    assert again["messages"][0]["seq"] == first["messages"][0]["seq"]
    assert rows("select count(*) from chat_images") == [(1,)]
    with pytest.raises(Invalid, match="client_message_id_reused"):
        vera.post("", client_message_id=once, image={**image, "key": "c" * 64, "digest": "of another"})


def test_orphans_are_the_keys_that_no_image_has(cast: Cast, database: Database) -> None:
    image = {"key": "a" * 64, "content_type": "image/webp", "width": 3, "height": 2, "bytes": 100, "digest": "d"}
    cast.visitor().start("", image=image)
    assert database.call("orphan_images", keys=["a" * 64, "b" * 64]) == ["b" * 64]


def test_a_database_without_pictures_calls_none_an_orphan(database: Database) -> None:
    assert database.call("orphan_images", keys=["a" * 64]) == []  # it may be about to be restored


def test_many_conversations_at_once_are_told_as_each_of_them_is(
    cast: Cast, alice: Agent, database: Database, rows: Any
) -> None:
    visitors = [cast.visitor() for _ in range(7)]
    for visitor in visitors:
        visitor.start()
    database.call("close_chat", visitor=visitors[1].key)
    visitors[1].post("Open it again")
    rows("update tickets set awaiting_since = null where number = 1005")
    ids = [visitor.chat["session_id"] for visitor in visitors]
    for process in (ids[:2], ids[1:5]):
        database.call("report_process", process_id=new_id(), sockets=1, came=process, left=[], token_hashes=[])
    told = {chat["session_id"]: chat for chat in database.call("conversations", session_ids=[*ids, new_id()])}
    assert told == {visitor.chat["session_id"]: visitor.chat for visitor in visitors}
    assert sorted(chat["queue_position"] or 0 for chat in told.values()) == [0, 0, 0, 1, 2, 3, 4]
    assert [told[id]["customer_here"] for id in ids] == [True] * 5 + [False] * 2
    assert told[ids[4]]["queue_position"] == 4  # who has an answer comes last


def test_a_batch_ends_with_the_line_that_comes_to_its_bytes(cast: Cast, alice: Agent, database: Database) -> None:
    vera = cast.visitor()
    vera.start("ä" * 100)
    for _ in range(4):
        vera.post("ä" * 100)
    session_id = vera.chat["session_id"]

    def seqs(function: str, **arguments: Any) -> list[int]:
        return [line["seq"] for line in database.call(function, session_id=session_id, **arguments)]

    assert seqs("messages_after", after=2, bytes=401) == [3, 4, 5]
    assert seqs("messages_after", after=2, bytes=400) == [3, 4]
    assert seqs("messages_after", after=2, bytes=1) == [3]
    assert seqs("messages_after", after=2, limit=2) == [3, 4]
    assert seqs("messages_before", bytes=400) == [5, 6]
    assert seqs("messages_before", before=5, bytes=1) == [4]


def test_a_message_that_any_earlier_chat_has_stored_is_known_again(cast: Cast, database: Database, rows: Any) -> None:
    vera, once = cast.visitor(), new_id()
    vera.start("The first", client_message_id=once)
    for _ in range(3):
        database.call("close_chat", visitor=vera.key)
        vera.start("Another")
    answer = database.call("start_chat", visitor=vera.key, message="The first", client_message_id=once)
    assert (answer["duplicate"], answer["messages"][0]["message"]) == (True, "The first")
    with pytest.raises(Invalid, match="client_message_id_reused"):
        database.call("start_chat", visitor=vera.key, message="Changed", client_message_id=once)
    assert rows("select count(*) from tickets") == [(4,)]
