"""How much a search reads, counted in rows: what is rare is found in all lines, what is common in the newest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import scalar_row

from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")

SLICE = 65536
Write = Callable[..., None]


@dataclass
class Answer:
    """What a search has found, and the rows that it has read of each table."""

    numbers: list[int]
    texts: list[str]
    is_complete: bool
    back_to: str | None
    read: dict[str, int]


@pytest.fixture
def vera(cast: Cast, alice: Agent, rows: Any) -> Visitor:
    """A customer whose words are known, in the newest slice."""
    visitor = cast.visitor()
    visitor.start("The first line", customer_name="Vera Lindt")
    rows("select public.index_lines()")
    return visitor


@pytest.fixture
def search(alice: Agent, database_url: str) -> Callable[..., Answer]:
    """Search as alice."""

    def search(words: str = "", author: str | None = None, **more: Any) -> Answer:
        given = {"agent_id": alice.id, "words": words, "author": author, **more}
        names = ", ".join(f"p_{name} => %s" for name in given)
        with psycopg.connect(database_url, row_factory=scalar_row) as connection:
            found: Any = connection.execute(
                f"select public.search_tickets({names})".encode(), list(given.values())
            ).fetchone()
            read: Any = connection.execute(
                "select jsonb_object_agg(relname, seq_tup_read + coalesce(idx_tup_fetch, 0))"
                " from pg_stat_xact_user_tables where schemaname = 'public'"
            ).fetchone()
        texts = [hit["text"] for lines in found["hits"].values() for hit in lines if hit]
        return Answer([row["number"] for row in found["rows"]], texts, found["is_complete"], found["back_to"], read)

    return search


@pytest.fixture
def old_lines(vera: Visitor, rows: Any) -> Write:
    """Write lines of vera's conversation into an older slice, as many times as is said."""

    def write(*texts: str, slice: int = -1, times: int = 1) -> None:
        for place, text in enumerate(texts):
            rows(
                "insert into search_lines (line_id, session_id, seq, words, created_at)"
                " select line_id, session_id, line_id + 100000000, _supportchat.words_of(%s, line_id),"
                " now() + %s * interval '1 day'"
                " from user_sessions, generate_series(%s::bigint, %s, %s) as line_id order by created_at limit %s",
                *(text, slice, slice * SLICE + place, slice * SLICE + SLICE - 1, len(texts), times),
            )
        rows("select _supportchat.note_slices(%s, %s)", slice * SLICE, (slice + 1) * SLICE - 1)

    return write


def test_a_rare_word_is_found_in_the_oldest_slice(old_lines: Write, search: Any) -> None:
    for slice in range(-40, 0):
        old_lines("common", slice=slice, times=3)
    old_lines("needle", slice=-41)
    answer = search("need")
    assert (answer.numbers, answer.is_complete) == ([1001], True)
    assert answer.read["search_lines"] < 10


def test_beside_a_rare_word_common_ones_cost_nothing(old_lines: Write, search: Any) -> None:
    for slice in range(-40, 0):
        old_lines("common words", slice=slice, times=20)
    old_lines("common words and a needle", slice=-41)
    answer = search("common words need")
    assert (answer.numbers, answer.is_complete) == ([1001], True)
    # What is read to see which of them is rare: 512 lines of each step, at most.
    assert answer.read["search_lines"] < 41 * 20 + 20


def test_of_common_words_that_never_stand_together_the_newest_slices_are_looked_at(
    old_lines: Write, search: Any, rows: Any
) -> None:
    for slice in range(-60, 0):
        old_lines("cold", "warm", slice=slice, times=4)
    answer = search("cold warm")
    assert (answer.numbers, answer.is_complete) == ([], False)
    assert answer.back_to
    assert rows("select now() - %s::timestamptz > interval '4 days'", answer.back_to) == [(True,)]
    assert answer.read["search_lines"] < 60 * 8
    old_lines("warm and cold", slice=1)
    assert search("cold warm").numbers == [1001]


def test_a_common_word_is_found_in_the_newest_slice(old_lines: Write, search: Any) -> None:
    for slice in range(-10, 0):
        old_lines("common", slice=slice, times=300)
    answer = search("comm")
    assert (answer.numbers, answer.is_complete) == ([1001], False)
    # The newest slice twice: once for the words, and the newest 201 of it for the answer.
    assert answer.read["search_lines"] < 300 + 201 + 50


def test_with_a_state_that_many_tickets_have_the_newest_1000_lines_are_looked_at(old_lines: Write, search: Any) -> None:
    old_lines("common", times=4000)
    answer = search("common", states=["closed"])
    assert (answer.numbers, answer.is_complete) == ([], False)
    assert answer.read["tickets"] < 1000 + 100


def test_of_few_tickets_every_line_is_looked_at_however_common_the_words_are(
    old_lines: Write, cast: Cast, alice: Agent, search: Any
) -> None:
    victor = cast.visitor()
    victor.start("common")
    alice.call("tag_ticket", number=1002, add=["Parts"])
    search("x")
    old_lines("common", slice=9, times=5000)
    for narrowed in ({"tags": ["parts"]}, {"tags": ["parts"], "states": ["open"]}):
        answer = search("common", **narrowed)
        assert (answer.numbers, answer.texts, answer.is_complete) == ([1002], ["common"], True)
        assert answer.read["search_lines"] < 100


def test_the_lines_of_a_customer_are_looked_at_and_not_those_that_speak_to_them(
    old_lines: Write, cast: Cast, search: Any
) -> None:
    cast.visitor().start("common", customer_name="Victor")
    search("x")
    old_lines("common, dear Victor", slice=9, times=5000)
    answer = search("common", author="victor")
    assert (answer.numbers, answer.is_complete) == ([1002], True)
    assert answer.read["search_lines"] < 100
    assert search(author="victor").read["search_lines"] < 100


def test_the_lines_of_an_agent_are_found_by_the_index(old_lines: Write, alice: Agent, search: Any, rows: Any) -> None:
    alice.reply(1001, "common")
    alice.call("add_note", number=1001, client_message_id=new_id(), note="common note")
    search("x")
    old_lines("common", slice=9, times=5000)
    for author in ("me", "alice"):
        answer = search("common", author=author)
        assert (answer.texts, answer.is_complete) == (["common note", "common"], True)
        assert answer.read["search_lines"] < 512 + 100
    assert search("common", author="bob").texts == []


def test_before_a_day_newer_lines_are_not_read(old_lines: Write, search: Any, rows: Any) -> None:
    old_lines("common", slice=5, times=3000)
    old_lines("common", slice=-30, times=3)
    [(day,)] = rows("select (now() - interval '20 days')::text")
    answer = search("common", before=day)
    assert (answer.numbers, answer.is_complete) == ([1001], True)
    assert answer.read["search_lines"] < 50
    assert search("common", after=day, before=day).numbers == []


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("Heating cold heating", ["~/heating:*", "~/cold:*"]),
        ("説明書", ["~/説明", "~/明書"]),
        ("届", ["~/届:*"]),
        ("x " * 100, ["~/x:*"]),
        (" ".join(f"w{number}" for number in range(200)), [f"~/w{number}:*" for number in range(12)]),
        ("'); -- & | ! <-> :* \\", None),
        ("", None),
    ],
)
def test_a_query_has_twelve_terms_at_most(rows: Any, words: str, terms: list[str] | None) -> None:
    assert rows("select _supportchat.terms_of(%s)", words) == [(terms,)]


def test_without_words_the_newest_6000_tickets_are_looked_at(
    vera: Visitor, alice: Agent, search: Any, rows: Any
) -> None:
    rows(
        "insert into tickets (id, number, session_id, status, closed_at, created_at)"
        " select gen_random_uuid(), 5000 + n, session_id, 'closed', now(), now() - n * interval '1 hour'"
        " from user_sessions, generate_series(1, 12000) as n"
    )
    rows("analyze tickets")
    for narrowed in ({"states": ["closed"]}, {"before": "2100-01-01T00:00:00Z"}):
        assert search(limit=30, **narrowed).read["tickets"] < 6000 + 1500
    assert search(author="vera", states=["open"]).numbers == [1001]
    nothing = search(states=["closed", "spam"])
    assert (nothing.numbers, nothing.is_complete) == ([], True)


@pytest.mark.parametrize("states", [["closed"], ["spam"], ["closed", "spam"]])
def test_closed_tickets_are_found_behind_however_many_open_ones(
    vera: Visitor, search: Any, rows: Any, states: list[str]
) -> None:
    rows(
        "insert into tickets (id, number, session_id, status, awaiting_since, closed_at, is_spam, created_at)"
        " select gen_random_uuid(), 5000 + n, session_id, case when n > 0 then 'waiting' else 'closed' end,"
        " case when n > 0 then now() end, case when n = 0 then now() end, n = 0, now() + n * interval '1 second'"
        " from user_sessions, generate_series(0, 6500) as n"
    )
    rows("analyze tickets")
    answer = search(states=states)
    assert (answer.numbers, answer.is_complete) == ([5000], True)
    assert answer.read["tickets"] < 50


def test_storing_a_message_touches_nothing_of_search(vera: Visitor, database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=scalar_row) as connection:
        connection.execute(
            "select public.post_message(%s, %s, gen_random_uuid(), 'one more')", (vera.key, vera.chat["session_id"])
        )
        touched = connection.execute(
            "select relname from pg_stat_xact_user_tables where relname like 'search%'"
            " and seq_scan + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd > 0"
        ).fetchall()
    assert touched == []
