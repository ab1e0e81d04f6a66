"""What agents find, and by what."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supportchat.database import Database
from supportchat.database.scripts import script_text
from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose ticket is alice's."""
    visitor = cast.visitor()
    visitor.start("The heating is cold", customer_name="Véra Lindt", customer_phone="+49 30 901820")
    return visitor


def found(agent: Agent, words: str = "", **more: Any) -> list[int]:
    return [row["number"] for row in agent.call("search_tickets", words=words, **more)["rows"]]


def lines(agent: Agent, words: str, number: int = 1001) -> list[str]:
    hits = agent.call("search_tickets", words=words)["hits"]
    return [line["text"] for line in hits.get(str(number), [])]


def test_a_ticket_is_found_by_number_name_phone_and_the_beginning_of_words(vera: Visitor, alice: Agent) -> None:
    cases: list[str] = [
        "heating",
        "HEAT",
        "cold heat",
        "1001",
        "#1001",
        "vera",
        "Lindt",
        "véra",
        "901820",
        "4930901820",
        "49 30",
        "+49 30 901820",
    ]
    for words in cases:
        assert found(alice, words) == [1001]


@pytest.mark.parametrize("words", ["eating", "heating hot", "1002", "heatings"])
def test_what_is_not_there_is_not_found(vera: Visitor, alice: Agent, words: str) -> None:
    assert found(alice, words) == []


def test_words_without_a_letter_or_a_digit_find_nothing(vera: Visitor, alice: Agent) -> None:
    assert found(alice, "!!!") == found(alice, " … ?") == found(alice, author="!!!") == found(alice, tags=["!!!"]) == []
    assert found(alice, "!!!", states=["open"]) == found(alice) == [1001]


def test_accents_case_and_punctuation_make_no_difference(vera: Visitor, alice: Agent) -> None:
    cases: list[tuple[str, str]] = [
        ("Größe 42 für die Straße", "grosse strasse"),
        ("Mañana será otro día", "MANANA dia"),
        ("Ça coûte cœur", "ca coute coeur"),
        ("Привет, ЙОЖИК", "привет йожик"),
        ("Καλημέρα ΚΌΣΜΕ", "καλημερα κοσμε"),
        ("مَرْحَبًا بالعالم", "مرحبا"),
        ("안녕하세요 고객님", "안녕"),
        ("Order S-22/410.7, e-mail vera@lindt.example", "s-22 410 vera@lindt.example"),
        ("ｆｕｌｌｗｉｄｔｈ ＡＢＣ", "fullwidth abc"),
        ("O'Brien can’t", "o'brien can't"),
    ]
    for text, words in cases:
        vera.post(text)
        assert lines(alice, words) == [text]


@pytest.mark.parametrize(
    ("text", "words", "others"),
    [
        ("配送が遅れています。いつ届きますか", "遅れて", "届けて"),
        ("配送が遅れています。いつ届きますか", "届", "返"),
        ("我的订单还没有到", "订单", "单订"),
        ("สินค้ายังไม่มาถึง", "สินค้า", "ราคา"),
        ("CM-410の取扱説明書", "cm-410 説明書", "410 説明者"),
    ],
)
def test_writing_without_spaces_is_found_by_any_part_of_it(
    vera: Visitor, alice: Agent, text: str, words: str, others: str
) -> None:
    vera.post(text)
    assert lines(alice, words) == [text]
    assert lines(alice, others) == []


def test_notes_and_replies_are_found_and_lines_of_the_system_are_not(vera: Visitor, alice: Agent) -> None:
    alice.reply(1001, "I send a technician")
    alice.call("add_note", number=1001, client_message_id=new_id(), note="She is a difficult technician")
    hits = alice.call("search_tickets", words="technician")["hits"]["1001"]
    assert [(hit["kind"], hit["agent"]["name"]) for hit in hits] == [("note", "Alice Kern"), ("message", "Alice Kern")]
    assert lines(alice, "joined") == []


def test_a_tag_is_found_like_a_word_and_asked_for_by_itself(vera: Visitor, cast: Cast, alice: Agent) -> None:
    cast.visitor().start("Another heating")
    alice.call("tag_ticket", number=1001, add=["Spare parts"])
    assert found(alice, "parts") == [1001]
    assert found(alice, "heating", tags=["spare"]) == [1001]
    assert found(alice, tags=["Spare parts"]) == [1001]
    assert found(alice, tags=["none"]) == found(alice, "heating", tags=["none"]) == []


def test_tickets_are_found_by_what_they_are(vera: Visitor, cast: Cast, alice: Agent, bob: Agent) -> None:
    for text in ("Cold two", "Cold three", "Cold four"):
        cast.visitor().start(text)
    alice.call("close_ticket", number=1002)
    alice.call("set_priority", number=1003, priority=1)
    alice.call("snooze_ticket", number=1001)
    for words in ("", "cold"):
        assert found(alice, words, states=["open"]) == [1004, 1003, 1001]
        assert found(alice, words, states=["closed"]) == [1002]
        assert found(alice, words, states=["snoozed"]) == [1001]
        assert found(alice, words, states=["open", "urgent"]) == [1003]
        assert found(alice, words, states=["mine"]) == [1004, 1003, 1001]
        assert found(bob, words, states=["mine"]) == []
        assert found(alice, words, states=["nonsense"]) == []


def test_lines_are_found_by_who_wrote_them(vera: Visitor, alice: Agent, bob: Agent) -> None:
    alice.reply(1001, "It is cold here too")
    assert [found(alice, "cold", author=who) for who in ("vera", "alice", "bob", "me")] == [[1001], [1001], [], [1001]]
    assert found(alice, "heating", author="alice") == []
    assert found(bob, "cold", author="me") == []
    assert found(alice, author="lindt") == found(alice, author="kern") == [1001]


def test_lines_are_found_by_when_they_were_written(vera: Visitor, alice: Agent, rows: Any) -> None:
    rows("update chat_messages set created_at = '2026-03-01 12:00+00' where seq = 1")
    assert found(alice, "heating", before="2026-03-02T00:00:00Z") == [1001]
    assert found(alice, "heating", before="2026-03-01T00:00:00Z") == []
    assert found(alice, "heating", after="2026-03-01T00:00:00Z", before="2026-03-02T00:00:00Z") == [1001]
    assert found(alice, before="2026-03-02T00:00:00Z") == []


def test_a_customer_is_found_by_the_name_that_they_or_their_site_say_later(
    cast: Cast, alice: Agent, database: Database
) -> None:
    vera = cast.visitor()
    session = vera.start("Hello")["session_id"]
    assert found(alice, "Zacharias") == []
    database.call("name_customer", visitor=vera.key, session_id=session, name="Zacharias")
    assert found(alice, "zacha") == [1001]
    database.call("identify_customer", visitor=vera.key, fresh="f" * 64, site="main", sub="v-77", name="Vera Maier")
    assert found(alice, "maier") == found(alice, "v-77") == [1001]


def test_the_newest_line_comes_first_and_a_ticket_once(vera: Visitor, cast: Cast, alice: Agent) -> None:
    cast.visitor().start("Heating too")
    found(alice, "x")  # of those that were there before only the tickets are in order
    for text in ("heating one", "heating two", "heating three"):
        vera.post(text)
    assert found(alice, "heating") == [1001, 1002]
    assert lines(alice, "heating") == ["heating three", "heating two", "heating one"]


def test_of_many_tickets_some_are_shown_and_said_not_to_be_all(cast: Cast, alice: Agent) -> None:
    for _ in range(3):
        cast.visitor().start("Cold")
    for words in ("", "cold"):
        got = alice.call("search_tickets", words=words, limit=2)
        assert ([row["number"] for row in got["rows"]], got["is_complete"]) == ([1003, 1002], False)
        assert alice.call("search_tickets", words=words, limit=3)["is_complete"] is True


def test_what_is_erased_is_found_no_more(vera: Visitor, alice: Agent, carol: Agent, rows: Any) -> None:
    alice.call("add_note", number=1001, client_message_id=new_id(), note="Careful")
    assert found(alice, "careful") == [1001]
    carol.call("erase_customer", number=1001)
    for words in ("careful", "heating", "vera", "901820", "1001"):
        assert found(alice, words) == []
    assert rows("select count(*) from search_lines") == [(0,)]


def test_lines_that_were_there_before_search_was_are_written_in_steps_from_the_newest(
    vera: Visitor, cast: Cast, alice: Agent, database: Database, rows: Any
) -> None:
    cast.visitor().start("Second heating")
    cast.visitor().start("Third heating")
    rows("truncate search_lines")
    rows("update search_state set cursor = null")
    assert database.call("index_lines", limit=1) == {"newer": 0, "older": 2, "more": True}
    assert found(alice, "heating") == [1003]
    while database.call("index_lines", limit=1)["more"]:
        pass
    assert found(alice, "heating") == [1003, 1002, 1001]
    vera.post("Fourth heating")
    assert found(alice, "heating") == [1001, 1003, 1002]
    assert lines(alice, "heating") == ["Fourth heating", "The heating is cold"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_every_line_is_written_once_however_short_the_steps(
    vera: Visitor, alice: Agent, database: Database, rows: Any, limit: int
) -> None:
    found(alice, "x")
    for text in ("one", "two", "three"):
        vera.post(text)
    alice.call("add_note", number=1001, client_message_id=new_id(), note="four")
    while database.call("index_lines", limit=limit)["newer"] >= limit:
        pass
    assert rows("select count(*) from search_lines where seq > 1") == [(4,)]


def test_a_line_whose_transaction_ends_late_is_not_missed(
    vera: Visitor, alice: Agent, database: Database, database_url: str
) -> None:
    found(alice, "x")
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "select public.post_message(%s, %s, gen_random_uuid(), 'late heating')",
            (vera.key, vera.chat["session_id"]),
        )
        bob_writes = Cast(database).visitor()
        bob_writes.start("early heating")
        for _ in range(3):
            database.call("index_lines", limit=1)
        assert found(alice, "late") == []
        assert found(alice, "early") == [1002]
    assert found(alice, "late") == [1001]


def test_a_text_of_nothing_but_marks_takes_no_time(vera: Visitor, alice: Agent, rows: Any) -> None:
    # Sorting them takes quadratic time: see trap 25.
    marks = "a" + "\u0301\u0316" * 3900
    vera.post(marks)
    rows("set statement_timeout = '200ms'")
    assert rows("select _supportchat.folded(%s)", marks) == [("a",)]


def test_a_word_without_end_is_cut(vera: Visitor, alice: Agent) -> None:
    vera.post("x" * 8000)
    assert len(lines(alice, "x" * 64)) == 1


def test_the_log_of_another_history_begins_anew(vera: Visitor, alice: Agent, rows: Any) -> None:
    rows("update search_state set cursor = '900000000:900000000:'")
    vera.post("Something")
    rows("select public.index_lines()")
    assert found(alice, "something") == [1001]


# Views


def test_a_view_is_ones_own_or_everybodys(alice: Agent, bob: Agent, carol: Agent) -> None:
    mine = alice.call("save_view", name=" Urgent ", query="is:urgent")
    ours = carol.call("save_view", name="Parts", query="tag:parts", is_shared=True)
    assert (mine["name"], ours["is_shared"]) == ("Urgent", True)
    assert alice.call("list_views") == [mine, ours]
    assert bob.call("list_views") == [ours]


def test_a_desk_that_numbered_its_lines_by_itself_is_upgraded(
    vera: Visitor, alice: Agent, rows: Any, database: Database, database_url: str
) -> None:
    vera.post("And the window")
    found(alice, "heating")
    rows("delete from search_slices")
    rows("alter table search_lines alter column line_id add generated always as identity")
    rows("alter index search_lines_words_idx set (fastupdate = off)")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(script_text("supabase_schema.sql").encode())
    vera.post("Now the door too")
    while database.call("index_lines", limit=10)["more"]:
        pass
    for words in ("heating", "window", "door", "vera"):
        assert found(alice, words) == [1001]
    assert rows("select 'fastupdate=on' = any (reloptions) from pg_class where relname = 'search_lines_words_idx'") == [
        (True,)
    ]
