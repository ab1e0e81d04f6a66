"""What agents have typed and not sent."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Conflict, Invalid
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")


def texts(agent: Agent) -> dict[tuple[int, str], str]:
    return {(draft["number"], draft["mode"]): draft["draft"] for draft in agent.call("drafts_of_agent")}


def test_a_draft_is_its_agents_alone_and_in_no_log(cast: Cast, alice: Agent, bob: Agent, rows: Any) -> None:
    number = cast.visitor().start()["number"]
    before = rows("select count(*) from events")
    alice.call("save_draft", number=number, mode="reply", draft="Half an answer")
    bob.call("save_draft", number=number, mode="note", draft="A thought")
    assert texts(alice) == {(number, "reply"): "Half an answer"}
    assert texts(bob) == {(number, "note"): "A thought"}
    assert [draft["draft"] for draft in alice.call("list_tickets")["drafts"]] == ["Half an answer"]
    assert rows("select count(*) from events") == before


def test_the_last_one_to_save_has_the_last_word(cast: Cast, alice: Agent) -> None:
    number = cast.visitor().start()["number"]
    moments = [alice.call("save_draft", number=number, mode="reply", draft=text) for text in ("Here", "There")]
    assert texts(alice) == {(number, "reply"): "There"}
    assert moments[0] < moments[1] == alice.call("drafts_of_agent")[0]["saved_at"]


def test_sending_empties_the_draft_of_its_mode_only(cast: Cast, alice: Agent) -> None:
    number = cast.visitor().start()["number"]
    for mode in ("reply", "note"):
        alice.call("save_draft", number=number, mode=mode, draft="Half an ")
    alice.reply(number, "Half an answer")
    assert texts(alice) == {(number, "reply"): "", (number, "note"): "Half an "}
    alice.call("add_note", number=number, client_message_id=new_id(), note="Half an hour")
    assert texts(alice)[number, "note"] == ""


def test_what_was_typed_after_the_sent_message_stays(cast: Cast, alice: Agent) -> None:
    number = cast.visitor().start()["number"]
    alice.call("save_draft", number=number, mode="reply", draft="And then")
    alice.reply(number, "First this")
    assert texts(alice) == {(number, "reply"): "And then"}


def test_a_draft_has_a_mode_and_the_length_of_a_message(cast: Cast, alice: Agent) -> None:
    number = cast.visitor().start()["number"]
    for bad in ({"mode": "letter", "draft": "x"}, {"mode": "reply", "draft": "x" * 8001}):
        with pytest.raises(Invalid):
            alice.call("save_draft", number=number, **bad)


def test_the_drafts_that_are_read_at_once_are_bounded(cast: Cast, alice: Agent) -> None:
    for size in (10, 20, 30):
        alice.call("save_draft", number=cast.visitor().start()["number"], mode="reply", draft="x" * size)
    assert [len(draft["draft"]) for draft in alice.call("drafts_of_agent", limit=2)] == [30, 20]
    assert [len(draft["draft"]) for draft in alice.call("drafts_of_agent", bytes=31)] == [30, 20]


def test_a_draft_goes_with_the_chat_with_its_agent_and_after_a_month(cast: Cast, alice: Agent, rows: Any) -> None:
    carol = cast.agent("carol")
    first, second, third = (cast.visitor().start()["number"] for _ in range(3))
    for number in (first, second):
        alice.call("save_draft", number=number, mode="reply", draft="Half an answer")
    carol.call("save_draft", number=third, mode="note", draft="A thought")
    carol.call("erase_customer", number=first)
    assert texts(alice) == {(second, "reply"): "Half an answer"}
    with pytest.raises(Conflict, match="ticket_erased"):
        alice.call("save_draft", number=first, mode="reply", draft="Too late")
    carol.call("disable_person", person_id=alice.id)
    rows("update ticket_drafts set saved_at = saved_at - interval '29 days'")
    carol._database.call("forget_old_data")
    assert rows("select draft from ticket_drafts") == [("A thought",)]
    rows("update ticket_drafts set saved_at = saved_at - interval '2 days'")
    carol._database.call("forget_old_data")
    assert rows("select draft from ticket_drafts") == []
