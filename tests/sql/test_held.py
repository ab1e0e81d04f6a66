"""Replies that are held for some seconds, and can be taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from supportchat.database import Conflict, Database, Invalid, NotFound
from tests.cast import Agent, Cast, Visitor, new_id
from tests.privacy.cast import picture

pytestmark = pytest.mark.mode("postgres")


class Held:
    """A desk that holds replies, and a ticket of Alice's."""

    def __init__(self, database: Database, rows: Any, vera: Visitor, alice: Agent) -> None:
        self.database, self.rows, self.vera, self.alice = database, rows, vera, alice
        vera.start("Hello?")
        self.number = int(vera.chat["number"])
        alice.call("assign_ticket", number=self.number, assignee_id=alice.id)

    def hold(self, message: str = "An answer", **arguments: Any) -> str:
        """Have a reply held, and give its id."""
        once = str(arguments.pop("client_message_id", new_id()))
        function = "reply_and_act" if {"then", "tags"} & arguments.keys() else "post_reply"
        values = {"number": self.number, "client_message_id": once, "message": message, "may_hold": True}
        assert self.alice.call(function, **values | arguments)["messages"] == []
        return once

    def wait(self) -> Any:
        """Let the time of what is held come, and have it sent."""
        self.rows("update held_replies set due_at = due_at - interval '1 minute' where due_at is not null")
        return self.database.call("release_replies")

    @property
    def said(self) -> list[str]:
        """What people have written, as the customer sees it."""
        return [line["message"] for line in self.vera.lines if line["sender"] != "system"]

    @property
    def states(self) -> list[str | None]:
        """Why each of Alice's replies was not sent; None for one that is held."""
        return [reply["refused"] for reply in self.alice.call("held_replies", number=self.number)]


@pytest.fixture
def desk(database: Database, rows: Any, cast: Cast, alice: Agent, carol: Agent) -> Held:
    carol.call("change_settings", values={"undo_send_seconds": 10})
    return Held(database, rows, cast.visitor(), alice)


@pytest.fixture
def carol(cast: Cast) -> Agent:
    return cast.agent("carol")


def test_nothing_is_held_unless_an_admin_wants_it(desk: Held, carol: Agent) -> None:
    carol.call("change_settings", values={"undo_send_seconds": 0})
    assert desk.alice.reply(desk.number, "At once", may_hold=True)["messages"]
    for seconds in (31, -1, None, "10"):
        with pytest.raises(Invalid):
            carol.call("change_settings", values={"undo_send_seconds": seconds})


def test_a_held_reply_has_no_place_in_the_conversation_and_no_event_until_its_time_comes(desk: Held) -> None:
    before = desk.rows("select count(*) from events where kind = 'message.posted'")
    desk.hold()
    assert desk.said == ["Hello?"]
    assert desk.rows("select count(*) from events where kind = 'message.posted'") == before
    assert desk.database.call("release_replies") == {"answers": [], "more": False}
    [answer] = desk.wait()["answers"]
    assert [line["message"] for line in answer["messages"]] == ["An answer"]
    assert desk.said == ["Hello?", "An answer"]
    assert desk.wait()["answers"] == []


def test_what_is_held_is_seen_by_its_agent_alone(desk: Held, bob: Agent, rows: Any) -> None:
    desk.hold("A secret")
    assert "A secret" in str(desk.alice.call("ticket_of_agent", number=desk.number))
    for call in ("ticket_of_agent", "show_ticket", "held_replies"):
        assert "A secret" not in str(bob.call(call, number=desk.number))
    assert "A secret" not in str(desk.vera.chat) + str(desk.vera.lines)
    assert "A secret" not in str(rows("select * from events")) + str(rows("select * from search_lines"))


def test_a_reply_that_is_sent_twice_is_held_once_and_one_of_another_text_refused(desk: Held) -> None:
    once = desk.hold()
    assert desk.alice.reply(desk.number, "An answer", client_message_id=once, may_hold=True)["duplicate"]
    with pytest.raises(Invalid, match="client_message_id_reused"):
        desk.alice.reply(desk.number, "Another", client_message_id=once, may_hold=True)
    desk.wait()
    assert desk.alice.reply(desk.number, "An answer", client_message_id=once, may_hold=True)["messages"]
    assert desk.said == ["Hello?", "An answer"]


def test_what_was_taken_back_is_not_sent_and_not_held_again_by_a_late_attempt(desk: Held) -> None:
    once = desk.hold("Oops", then="close", tags=["Parts"])
    for _ in range(2):
        taken = desk.alice.call("take_back_reply", number=desk.number, client_message_id=once)
        assert (taken["message"], taken["acts"]) == ("Oops", {"then": "close", "tags": ["Parts"]})
    assert (desk.wait()["answers"], desk.states) == ([], ["undone"])
    desk.alice.call("forget_reply", number=desk.number, client_message_id=once)
    again = {"number": desk.number, "client_message_id": once, "message": "Oops", "may_hold": True}
    answer = desk.alice.call("post_reply", **again)
    assert (answer["duplicate"], answer["messages"], desk.states) == (True, [], [])
    with pytest.raises(NotFound):
        desk.alice.call("take_back_reply", number=desk.number, client_message_id=once)
    assert desk.said == ["Hello?"]


def test_what_was_sent_cannot_be_taken_back_nor_what_a_colleague_has_written(desk: Held, bob: Agent) -> None:
    first, second = desk.hold("One"), new_id()
    desk.wait()
    with pytest.raises(Conflict, match="reply_sent"):
        desk.alice.call("take_back_reply", number=desk.number, client_message_id=first)
    desk.hold("Two", client_message_id=second)
    with pytest.raises(NotFound):
        bob.call("take_back_reply", number=desk.number, client_message_id=second)
    bob.call("forget_reply", number=desk.number, client_message_id=second)
    assert desk.states == [None]


def test_held_replies_are_sent_in_the_order_in_which_they_were_written(desk: Held, carol: Agent) -> None:
    desk.hold("One")
    carol.call("change_settings", values={"undo_send_seconds": 1})
    desk.hold("Two")
    carol.call("change_settings", values={"undo_send_seconds": 0})
    desk.hold("Three")
    desk.hold("Without scripts", may_hold=False)
    desk.rows("update held_replies set due_at = due_at - interval '9.5 seconds'")
    assert desk.database.call("release_replies", session_id=desk.vera.chat["session_id"])["answers"] == []
    desk.wait()
    assert desk.said == ["Hello?", "One", "Two", "Three", "Without scripts"]


def test_each_held_reply_is_sent_once_by_however_many_processes(desk: Held) -> None:
    texts = [str(number) for number in range(6)]
    for text in texts:
        desk.hold(text)
    desk.rows("update held_replies set due_at = due_at - interval '1 minute'")
    session_id = desk.vera.chat["session_id"]
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(lambda some: desk.database.call("release_replies", **some), [{}, {"session_id": session_id}] * 4)
        )
    assert sorted(line["message"] for one in done for answer in one["answers"] for line in answer["messages"]) == texts
    assert desk.said == ["Hello?", *texts]


def test_send_and_close_holds_both_and_does_both_in_one_transaction(desk: Held, rows: Any) -> None:
    desk.hold("Bye", then="close", tags=["Parts"])
    assert desk.vera.chat["status"] == "open"
    desk.wait()
    assert (desk.said[-1], desk.vera.chat["status"]) == ("Bye", "closed")
    assert rows("select name from desk_tags") == [("Parts",)]


def test_what_fails_after_the_reply_takes_the_reply_with_it(desk: Held) -> None:
    desk.hold("Bye", then="close", tags=[str(number) for number in range(20)])
    desk.alice.call("tag_ticket", number=desk.number, add=["One more"])
    desk.wait()
    assert (desk.said, desk.states, desk.vera.chat["status"]) == (["Hello?"], ["ticket_tags_too_many"], "open")


def test_a_ticket_whose_customer_has_written_meanwhile_goes_on_waiting(desk: Held, rows: Any) -> None:
    desk.hold("Bye", then="close")
    desk.vera.post("One more thing")
    [(asked_at,)] = rows("select max(created_at) from chat_messages")
    desk.wait()
    assert desk.said == ["Hello?", "One more thing", "Bye"]
    assert rows("select status, awaiting_since from tickets") == [("open", asked_at)]
    assert desk.alice.call("list_tickets")["unread"] != []


def test_a_reply_that_is_refused_when_its_time_comes_is_kept_with_the_reason(
    desk: Held, cast: Cast, bob: Agent, carol: Agent
) -> None:
    image = picture(1)
    desk.hold("Taken over", image=image)
    bob.call("assign_ticket", number=desk.number, assignee_id=bob.id, expected_id=desk.alice.id)
    desk.wait()
    [kept] = desk.alice.call("held_replies", number=desk.number)
    assert (kept["message"], kept["image"]["width"], kept["due_in"]) == ("Taken over", 2, None)
    notice = {"number": desk.number, "client_message_id": kept["client_message_id"]}
    assert desk.alice.call("list_tickets")["unsent"] == [
        notice | {"refused": "assigned_to_other", "detail": "Bob Ortiz"}
    ]
    assert desk.alice.call("picture_of_held", **notice)["key"] == image["key"]
    assert desk.database.call("orphan_images", keys=[image["key"]]) == []
    assert desk.said == ["Hello?"]
    desk.alice.call("forget_reply", **notice)
    assert desk.alice.call("list_tickets")["unsent"] == []


@pytest.mark.parametrize("end", ["closed", "disabled", "demoted", "erased"])
def test_whatever_refuses_a_reply_refuses_a_held_one(desk: Held, carol: Agent, end: str) -> None:
    desk.hold()
    match end:
        case "closed":
            desk.database.call("close_chat", visitor=desk.vera.key)
        case "disabled":
            carol.call("disable_person", person_id=desk.alice.id)
        case "demoted":
            desk.rows("delete from role_rights where role = 'agent' and right_name = 'answer'")
        case "erased":
            carol.call("erase_customer", number=desk.number)
    assert desk.wait()["answers"] == []
    kept = desk.rows("select message, refused from held_replies")
    reasons = {"closed": "ticket_closed", "disabled": "right_missing", "demoted": "right_missing"}
    assert kept == ([("An answer", reasons[end])] if end in reasons else [])


@pytest.mark.parametrize("act", ["close_ticket", "snooze_ticket", "unassign_ticket", "mark_spam", "assign_ticket"])
def test_what_its_agent_does_next_with_the_ticket_sends_it_before(desk: Held, bob: Agent, act: str) -> None:
    desk.hold()
    more = {"assignee_id": bob.come().id, "expected_id": desk.alice.id} if act == "assign_ticket" else {}
    desk.alice.call(act, number=desk.number, **more)
    events = [line["event"] or line["message"] for line in desk.vera.lines]
    assert "An answer" in events[-2:]
    assert desk.states == []


def test_a_held_reply_empties_the_draft_and_marks_what_was_there_as_read(desk: Held) -> None:
    desk.alice.call("save_draft", number=desk.number, mode="reply", draft="An answ", acts={"then": "close"})
    assert desk.alice.call("drafts_of_agent")[0]["acts"] == {"then": "close"}
    desk.hold()
    [draft] = desk.alice.call("drafts_of_agent")
    assert (draft["draft"], draft["acts"], desk.alice.call("list_tickets")["unread"]) == ("", {}, [])


def test_a_sweep_says_that_a_reply_is_overdue_which_its_own_process_has_not_sent(desk: Held) -> None:
    desk.hold()
    assert desk.database.call("sweep_assignment")["held_due"] is False
    desk.rows("update held_replies set due_at = now() - interval '2 seconds'")
    assert desk.database.call("sweep_assignment")["held_due"] is True


def test_the_picture_of_a_held_reply_is_sent_with_it_and_erased_with_the_chat(
    desk: Held, carol: Agent, rows: Any
) -> None:
    desk.hold("", image=picture(1))
    desk.wait()
    assert desk.vera.lines[-1]["image"]["width"] == 2
    desk.hold("", image=picture(2))
    carol.call("erase_customer", number=desk.number)
    assert len(rows("select storage_key from erasure_files")) == 2
    assert rows("select count(*) from held_replies") == [(0,)]


def test_what_was_not_sent_is_forgotten_after_a_month_and_the_id_of_the_rest_after_a_day(desk: Held, rows: Any) -> None:
    gone, kept = desk.hold("Gone"), desk.hold("Kept")
    for once in (gone, kept):
        desk.alice.call("take_back_reply", number=desk.number, client_message_id=once)
    desk.alice.call("forget_reply", number=desk.number, client_message_id=gone)
    desk.hold("Held")
    for days, left in ((2, ["Kept", "Held"]), (29, ["Held"])):
        rows("update held_replies set held_at = held_at - make_interval(days => %s)", days)
        desk.database.call("forget_old_data")
        assert rows("select message from held_replies order by held_at") == [(text,) for text in left]
