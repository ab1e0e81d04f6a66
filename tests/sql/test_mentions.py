"""Notes with an @: whom they mention, who is told, and until when."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database
from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def number(cast: Cast, alice: Agent) -> int:
    """The ticket of a customer whom alice answers."""
    found: int = cast.visitor().start()["number"]
    return found


@pytest.fixture
def called(database: Database) -> Any:
    """Makes another agent of a name, and gives their id."""

    def make(name: str, email: str) -> str:
        made: str = database.call("create_agent", name=name, email=email, password_hash=None)["id"]
        return made

    return make


def note(agent: Agent, number: int, text: str) -> Any:
    return agent.call("add_note", number=number, client_message_id=new_id(), note=text)["note"]


def mentioned(added: Any) -> dict[str, list[str]]:
    return {mention["agent"]["name"]: mention["written"] for mention in added["mentions"]}


def row_of(agent: Agent, number: int, view: str = "all") -> Any:
    queue = agent.call("list_tickets", view=view)
    [row] = [row for row in [*queue["rows"], *queue["closed"], *queue["mentioned"]] if row["number"] == number]
    return row


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("@Bob Ortiz can you look?", "@Bob Ortiz"),
        ("Please, @bob ORTIZ!", "@bob ORTIZ"),
        ("(@Bob  Ortiz)", "@Bob  Ortiz"),
        ("@Böb Ortíz", "@Böb Ortíz"),
        ("@Bo\u0308b Orti\u0301z, please", "@Bo\u0308b Orti\u0301z"),
        ("見て@Bob Ortiz", "@Bob Ortiz"),
    ],
)
def test_a_name_behind_an_at_mentions_whoever_has_it(alice: Agent, number: int, text: str, written: str) -> None:
    assert mentioned(note(alice, number, text)) == {"Bob Ortiz": [written]}


@pytest.mark.parametrize(
    "text",
    [
        "Bob Ortiz",
        "@Bob",
        "@Bob Ortizzz",
        "mail@Bob Ortiz",
        "@ Bob Ortiz",
        "@",
        "@@",
        "@Nobody Here",
        "@\nBob Ortiz",
        "@Bob\nOrtiz",
    ],
)
def test_what_is_no_name_behind_an_at_mentions_nobody(alice: Agent, number: int, text: str, rows: Any) -> None:
    assert note(alice, number, text)["mentions"] == []
    assert rows("select count(*) from events where kind like 'mention%%'") == [(0,)]


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ("田中 太郎", "@田中 太郎さん", "@田中 太郎"),
        ("田中太郎", "確認お願いします@田中太郎さん", "@田中太郎"),
        ("Юлия Ёжикова", "@юлия ежикова, смотри", "@юлия ежикова"),
        ("ليلى حسن", "@ليلى حسن، من فضلك", "@ليلى حسن"),
        ("J. R. O’Neill-Ruiz", "@J. R. O’Neill-Ruiz: please", "@J. R. O’Neill-Ruiz"),
    ],
)
def test_names_of_every_writing_can_be_mentioned(
    alice: Agent, number: int, called: Any, name: str, text: str, written: str
) -> None:
    called(name, "new@example.com")
    assert mentioned(note(alice, number, text)) == {name: [written]}


def test_the_longest_name_counts(alice: Agent, number: int, called: Any) -> None:
    called("Bob Ortiz Vega", "vega@example.com")
    assert mentioned(note(alice, number, "@Bob Ortiz Vega")) == {"Bob Ortiz Vega": ["@Bob Ortiz Vega"]}


def test_two_of_one_name_are_told_apart_by_their_addresses_and_both_meant_without(
    alice: Agent, number: int, called: Any
) -> None:
    other = called("Bob Ortiz", "ortiz@example.com")
    choices = alice.call("complete_mention", text="bo")
    assert {choice["written"] for choice in choices} == {"Bob Ortiz (bob@example.com)", "Bob Ortiz (ortiz@example.com)"}
    [one] = note(alice, number, "@Bob Ortiz (ortiz@example.com), look")["mentions"]
    assert (one["agent"]["id"], one["written"]) == (other, ["@Bob Ortiz (ortiz@example.com)"])
    assert len(note(alice, number, "@Bob Ortiz")["mentions"]) == 2


def test_whoever_is_mentioned_twice_is_told_once(alice: Agent, number: int, rows: Any) -> None:
    [one] = note(alice, number, "@Bob Ortiz and @bob ortiz")["mentions"]
    assert set(one["written"]) == {"@Bob Ortiz", "@bob ortiz"}
    assert rows("select count(*) from events where kind = 'mention.added'") == [(1,)]


def test_the_log_has_ids_only(alice: Agent, bob: Agent, number: int, rows: Any) -> None:
    note(alice, number, "@Bob Ortiz her card was stolen")
    assert rows("select detail, agent_id::text from events where kind = 'mention.added'") == [
        ({"note_no": 1, "agents": [bob.id]}, alice.id)
    ]


def test_who_cannot_log_in_any_more_is_not_mentioned(alice: Agent, carol: Agent, bob: Agent, number: int) -> None:
    carol.call("disable_person", person_id=bob.id)
    assert note(alice, number, "@Bob Ortiz")["mentions"] == []
    assert alice.call("complete_mention", text="Bob") == []


def test_who_mentions_themselves_is_told_nothing(alice: Agent, number: int, rows: Any) -> None:
    assert mentioned(note(alice, number, "@Alice Kern: call her")) == {"Alice Kern": ["@Alice Kern"]}
    assert alice.call("list_tickets")["mentions"] == []
    assert rows("select count(*) from events where kind = 'mention.added'") == [(0,)]


def test_the_mention_stays_theirs_when_somebody_gets_another_name(alice: Agent, bob: Agent, number: int) -> None:
    note(alice, number, "@Bob Ortiz")
    bob.call("change_name", name="Robert Vega")
    [shown] = alice.call("show_ticket", number=number)["notes"]
    assert mentioned(shown) == {"Robert Vega": ["@Bob Ortiz"]}
    assert bob.call("list_tickets")["mentions"] == [number]


def test_a_reply_mentions_nobody(alice: Agent, bob: Agent, number: int, rows: Any) -> None:
    alice.reply(number, "@Bob Ortiz will help you")
    assert rows("select count(*) from note_mentions") == [(0,)]
    assert bob.call("list_tickets")["mentions"] == []


def test_a_note_that_is_sent_again_tells_nobody_again(alice: Agent, number: int, rows: Any) -> None:
    again = {"number": number, "client_message_id": new_id(), "note": "@Bob Ortiz"}
    assert alice.call("add_note", **again)["note"] == alice.call("add_note", **again)["note"]
    assert rows("select count(*) from events where kind = 'mention.added'") == [(1,)]


def test_a_long_note_full_of_signs_mentions_twenty_at_most(alice: Agent, number: int, called: Any) -> None:
    for index in range(21):
        called(f"Agent {index:02}", f"agent{index}@example.com")
    text = " ".join(f"@Agent {index:02}" for index in range(21)) + " @" * 3000
    assert len(note(alice, number, text)["mentions"]) == 20


# Until it is read


def test_the_row_says_whom_a_note_mentions_until_they_have_read_it(
    alice: Agent, bob: Agent, number: int, rows: Any
) -> None:
    note(alice, number, "@Bob Ortiz")
    assert row_of(bob, number)["mentioned"] == [bob.id]
    bob.call("read_mentions", number=number, note_no=0)
    assert row_of(bob, number)["mentioned"] == [bob.id]
    bob.call("read_mentions", number=number, note_no=1)
    bob.call("read_mentions", number=number, note_no=1)
    assert row_of(bob, number)["mentioned"] == []
    assert rows("select detail from events where kind = 'mention.read'") == [({"agents": [bob.id]},)]


def test_their_own_view_has_the_tickets_of_others_that_mention_them(
    alice: Agent, bob: Agent, number: int, cast: Cast
) -> None:
    note(alice, number, "@Bob Ortiz and @Alice Kern")
    note(bob, number, "@Alice Kern done")
    assert [row["number"] for row in bob.call("list_tickets")["mentioned"]] == []
    queue = alice.call("list_tickets")
    assert (queue["mentions"], queue["mentioned"]) == ([number], [])
    alice.call("close_ticket", number=number)
    note(alice, number, "@Bob Ortiz for later")
    assert [row["number"] for row in bob.call("list_tickets")["mentioned"]] == [number]
    assert bob.call("list_tickets", view="all")["mentioned"] == []


@pytest.mark.parametrize("answer", ["note", "reply"])
def test_who_answers_has_read_it(alice: Agent, bob: Agent, number: int, answer: str) -> None:
    note(bob, number, "@Alice Kern")
    if answer == "note":
        note(alice, number, "Yes")
    else:
        alice.reply(number)
    assert alice.call("list_tickets")["mentions"] == []


def test_an_erasure_takes_the_mention_away_and_says_so_to_who_was_to_read_it(
    alice: Agent, bob: Agent, carol: Agent, number: int, rows: Any
) -> None:
    note(alice, number, "@Bob Ortiz")
    carol.call("erase_customer", number=number)
    assert bob.call("list_tickets")["mentions"] == []
    assert rows("select count(*) from note_mentions") == [(0,)]
    assert rows("select detail from events where kind = 'mention.read'") == [({"agents": [bob.id]},)]


def test_a_copy_of_the_customers_data_has_a_mention_as_it_was_written(
    alice: Agent, carol: Agent, number: int, database: Database
) -> None:
    note(alice, number, "@Bob Ortiz knows her")
    [chat] = carol.call("export_customer", number=number, with_notes=True)
    [exported] = database.call("notes_after", session_id=chat["session_id"], after=0)
    assert exported["note"] == "@Bob Ortiz knows her"


# The list


@pytest.mark.parametrize("text", ["", "bo", "BOB O", "ort", "Böb", "ortíz"])
def test_colleagues_are_completed_by_the_beginnings_of_words_blind_to_case_and_accents(alice: Agent, text: str) -> None:
    assert "Bob Ortiz" in [choice["name"] for choice in alice.call("complete_mention", text=text)]


def test_the_list_has_who_is_here_first_and_never_oneself(alice: Agent, carol: Agent, bob: Agent) -> None:
    carol.come()
    assert [choice["name"] for choice in alice.call("complete_mention", text="")] == ["Carol Tan", "Bob Ortiz"]
    assert [choice["name"] for choice in alice.call("complete_mention", text="", limit=1)] == ["Carol Tan"]
    assert alice.call("complete_mention", text="alice") == []


def test_no_customer_gets_anything_of_a_mention(alice: Agent, database: Database, cast: Cast) -> None:
    vera: Visitor = cast.visitor()
    number = vera.start()["number"]
    before = (vera.chat, vera.lines)
    note(alice, number, "@Bob Ortiz")
    after = (vera.chat | {"last_note_no": 0}, vera.lines)
    assert after == before
