"""What is typed, and what is marked in what was found."""

from __future__ import annotations

import time

import pytest

from supportchat.search.marking import marked
from supportchat.search.query import parsed


def test_operators_are_taken_out_of_the_words() -> None:
    query = parsed('cold FROM:Vera tag:"spare parts" tag:Urgent is:open before:2026-11 heating')
    assert (query.words, query.author, query.tags, query.states) == (
        "cold heating",
        "Vera",
        ["spare parts", "Urgent"],
        ["open"],
    )
    assert query.before == "2026-11-01T00:00:00Z"
    assert not query.unknown


@pytest.mark.parametrize(
    ("day", "moment"),
    [
        ("2026", "2026-01-01"),
        ("2026-2", "2026-02-01"),
        ("2026-02-28", "2026-02-28"),
        ("2026-02-30", None),
        ("may", None),
    ],
)
def test_a_day_is_a_day_a_month_or_a_year(day: str, moment: str | None) -> None:
    query = parsed(f"after:{day}")
    assert query.after == (moment and f"{moment}T00:00:00Z")
    assert query.unknown == ([] if moment else [f"after:{day}"])


def test_an_operator_that_means_nothing_is_said_and_a_colon_in_a_word_is_none() -> None:
    assert parsed("is:purple").unknown == ["is:purple"]
    assert parsed("note:this http://x from:").words == "note:this http://x from:"


def test_words_without_a_letter_or_a_digit_are_said_to_be_none() -> None:
    query = parsed("!!! … tag:a")
    assert (query.words, query.tags, query.unknown) == ("", ["a"], ["!!! …"])
    for text in ("!!! 7", "👍", "配", "€", "C++"):
        assert (parsed(text).words, parsed(text).unknown) == (text, [])


def test_what_is_far_too_long_is_cut_before_it_is_looked_at() -> None:
    assert len(parsed("x" * 100_000).text) == 200
    assert parsed("tag:a " * 50).tags == ["a"]


def test_a_filter_too_many_is_left_out_and_said() -> None:
    query = parsed("tag:a tag:b tag:a tag:c tag:d tag:e tag:f")
    assert (query.tags, query.excess) == (["a", "b", "c", "d", "e"], ["tag:f"])
    query = parsed("from:Vera from:vera before:2026 before:2025 after:2024 is:open is:OPEN")
    assert (query.author, query.before, query.states) == ("Vera", "2026-01-01T00:00:00Z", ["open"])
    assert query.excess == ["from:vera", "before:2025"]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("The heating is cold", "heat", "The <mark>heat</mark>ing is cold"),
        ("Größe für Straße", "grosse strasse", "<mark>Größe</mark> für <mark>Straße</mark>"),
        ("reheating", "heat", "reheating"),
        ("S-22, S22", "s-22", "<mark>S</mark>-<mark>22</mark>, <mark>S</mark>22"),
        ("配送が遅れています", "遅れ", "配送が<mark>遅れ</mark>ています"),
        ("مَرْحَبًا بك", "مرحبا", "<mark>مَرْحَبًا</mark> بك"),
        ("<b>heat</b>", "heat", "&lt;b&gt;<mark>heat</mark>&lt;/b&gt;"),
        ("nothing", "", "nothing"),
    ],
)
def test_the_beginnings_of_words_are_marked(text: str, words: str, expected: str) -> None:
    assert marked(text, words) == expected


def test_a_long_text_is_cut_around_the_first_mark() -> None:
    shown = marked("word " * 500 + "heating " + "word " * 500, "heating")
    assert len(shown) < 250
    assert shown.startswith("… word")
    assert "<mark>heating</mark> word" in shown
    assert shown.endswith(" …")


def test_marking_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("a" * 8000, "a\u0301\u0316" * 2600, "ab " * 2600, "語" * 8000):
        marked(text, "a b " * 25 + "語 ab")
    assert time.process_time() - began < 2
