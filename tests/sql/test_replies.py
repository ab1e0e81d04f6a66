"""Saved replies: whose they are, who may change them, how they are found, and what goes with them."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest

from supportchat.database import Conflict, Database, DatabaseError, Forbidden, Invalid, NotFound
from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")
PICTURE = {"key": "a" * 64, "content_type": "image/png", "bytes": 9}


def save(agent: Agent, name: str, message: str = "Hi", **values: Any) -> str:
    saved = agent.call("save_reply", values={"name": name, "message": message, **values})["reply"]
    return str(saved["id"])


def names(agent: Agent) -> list[str]:
    return [reply["name"] for reply in agent.call("list_replies")]


def found(agent: Agent, number: int, *words: str) -> list[str]:
    return [reply["name"] for reply in agent.call("replies_for_ticket", number=number, words=list(words))["replies"]]


@pytest.fixture
def hers(alice: Agent, cast: Cast) -> Visitor:
    """A customer whose ticket is alice's."""
    alice.come()
    vera = cast.visitor()
    vera.start("Hello", customer_name="Vera Lindt")
    return vera


def test_own_replies_are_seen_by_nobody_else_and_shared_ones_by_everybody(
    alice: Agent, bob: Agent, carol: Agent
) -> None:
    save(alice, "Mine")
    save(carol, "Ours", is_shared=True)
    assert names(alice) == ["Ours", "Mine"]
    assert names(bob) == names(carol) == ["Ours"]


@pytest.mark.parametrize("role", ["agent", "lead", "admin"])
def test_leads_and_admins_manage_what_everybody_uses_and_agents_do_not(
    alice: Agent, carol: Agent, rows: Any, role: str
) -> None:
    rows("update agents set role = %s where id = %s", role, alice.id)
    shared, acts = save(carol, "Ours", is_shared=True), list[str]()
    for name, function, arguments in (
        ("add", "save_reply", {"values": {"name": "New", "message": "Hi", "is_shared": True}}),
        ("change", "save_reply", {"reply_id": shared, "values": {"message": "Ho"}}),
        ("take", "save_reply", {"reply_id": shared, "values": {"is_shared": False}}),
        ("share", "save_reply", {"reply_id": save(alice, "Mine"), "values": {"is_shared": True}}),
        ("import", "import_replies", {"rows": [{"name": "x", "message": "y"}], "shared": True}),
    ):
        with contextlib.suppress(Forbidden):
            alice.call(function, **arguments)
            acts.append(name)
    assert acts == ([] if role == "agent" else ["add", "change", "take", "share", "import"])


def test_a_reply_of_somebody_else_is_not_there(alice: Agent, bob: Agent) -> None:
    reply = save(alice, "Mine", picture=PICTURE)
    for function, arguments in (("delete_reply", {}), ("save_reply", {"values": {"name": "Yours"}})):
        with pytest.raises(NotFound, match="reply_not_found"):
            bob.call(function, reply_id=reply, **arguments)
    assert bob.call("picture_of_reply", reply_id=reply) is None
    bob.call("use_reply", reply_id=reply)
    assert [each["uses"] for each in alice.call("list_replies")] == [0]


def test_a_name_is_there_once_for_everybody_and_once_for_each_agent(alice: Agent, bob: Agent, carol: Agent) -> None:
    save(carol, "Hello", is_shared=True)
    save(alice, "Hello")
    save(bob, "Hello")
    for agent, is_shared in ((alice, False), (carol, True)):
        with pytest.raises(Conflict, match="reply_name_taken"):
            save(agent, "HELLO", is_shared=is_shared)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": "", "message": "Hi"}, "reply_name_refused"),
        ({"name": "x" * 81, "message": "Hi"}, "reply_name_refused"),
        ({"name": "x", "message": " \n"}, "message_empty"),
        ({"name": "x", "message": "x" * 8001}, "message_too_long"),
        ({"name": "x", "message": "y", "owner_id": new_id()}, "value_refused"),
        (["name"], "value_refused"),
    ],
)
def test_what_cannot_be_saved_is_refused(alice: Agent, values: Any, code: str) -> None:
    with pytest.raises(Invalid, match=code):
        alice.call("save_reply", values=values)
    assert names(alice) == []


def test_a_picture_that_is_replaced_or_deleted_is_named_as_unneeded(alice: Agent, database: Database) -> None:
    reply, other = save(alice, "Photo", "", picture=PICTURE), "b" * 64
    assert database.call("orphan_images", keys=["a" * 64]) == []
    changed = alice.call("save_reply", reply_id=reply, values={"picture": PICTURE | {"key": other}})
    assert (changed["unneeded"], changed["reply"]["has_picture"]) == ("a" * 64, True)
    assert alice.call("save_reply", reply_id=reply, values={"name": "Picture"})["unneeded"] is None
    assert database.call("orphan_images", keys=["a" * 64, other]) == ["a" * 64]
    with pytest.raises(Invalid, match="message_empty"):
        alice.call("save_reply", reply_id=reply, values={"picture": None})
    assert alice.call("delete_reply", reply_id=reply) == other


def test_replies_are_found_by_words_of_their_name_and_text(alice: Agent, hers: Visitor) -> None:
    number = hers.chat["number"]
    save(alice, "Sensor replacement", "I’ve sent you a new heating part.")
    save(alice, "Heating", "Please unplug it.")
    assert found(alice, number, "heat") == ["Heating", "Sensor replacement"]
    assert found(alice, number, "SENS") == found(alice, number, "repl", "part") == ["Sensor replacement"]
    assert found(alice, number, "sensor", "unplug") == found(alice, number, "%") == []


def test_what_an_agent_uses_most_comes_first_for_them_alone(
    alice: Agent, bob: Agent, carol: Agent, hers: Visitor
) -> None:
    number = hers.chat["number"]
    for name in ("Apple", "Banana", "Cherry"):
        save(carol, name, is_shared=True)
    cherry = next(reply["id"] for reply in carol.call("list_replies") if reply["name"] == "Cherry")
    for _ in range(2):
        alice.call("use_reply", reply_id=cherry)
    assert found(alice, number) == ["Cherry", "Apple", "Banana"]
    assert found(bob, number) == ["Apple", "Banana", "Cherry"]


def test_a_ticket_brings_the_names_that_fill_a_reply(alice: Agent, hers: Visitor, rows: Any) -> None:
    rows("update sites set name = 'Halden'")
    filling = alice.call("replies_for_ticket", number=hers.chat["number"])
    assert (filling["customer_name"], filling["desk_name"], filling["replies"]) == ("Vera Lindt", "Halden", [])
    with pytest.raises(NotFound, match="ticket_not_found"):
        alice.call("replies_for_ticket", number=999)


def test_an_import_replaces_what_has_the_same_name_and_is_all_or_nothing(alice: Agent) -> None:
    save(alice, "Hello", "Hi")
    rows = [{"name": "hello", "message": "Hello!", "close_after": True}, {"name": "Bye", "message": "Goodbye"}]
    assert alice.call("import_replies", rows=rows) == {"added": 1, "changed": 1}
    assert [reply["message"] for reply in alice.call("list_replies")] == ["Goodbye", "Hello!"]
    with pytest.raises(Invalid, match="message_empty"):
        alice.call("import_replies", rows=[{"name": "New", "message": "x"}, {"name": "Bad", "message": ""}])
    assert names(alice) == ["Bye", "hello"]


def test_there_is_a_limit_to_how_many_replies_somebody_has(alice: Agent, carol: Agent) -> None:
    for agent, most, shared in ((alice, 200, False), (carol, 500, True)):
        listed = [{"name": f"Reply {number}", "message": "x"} for number in range(most)]
        agent.call("import_replies", rows=listed, shared=shared)
        with pytest.raises(Conflict, match="replies_too_many") as refused:
            save(agent, "One more", is_shared=shared)
        assert refused.value.detail == str(most)


def test_who_changed_what_everybody_uses_is_in_the_audit_log(alice: Agent, carol: Agent, rows: Any) -> None:
    save(alice, "Mine")
    reply = save(carol, "Ours", is_shared=True)
    carol.call("save_reply", reply_id=reply, values={"message": "Ho"})
    carol.call("delete_reply", reply_id=reply)
    carol.call("import_replies", rows=[{"name": "x", "message": "y"}], shared=True)
    kinds = rows("select kind, agent_id::text from audit_log where kind like 'repl%%' order by id")
    assert kinds == [(kind, carol.id) for kind in ("reply.added", "reply.changed", "reply.deleted", "replies.imported")]


def test_a_reply_that_closes_its_ticket_is_sent_and_closes_it_or_neither(
    alice: Agent, bob: Agent, hers: Visitor
) -> None:
    number, once = hers.chat["number"], new_id()
    with pytest.raises(Conflict):
        bob.call("reply_and_act", number=number, client_message_id=new_id(), message="Bye", then="close")
    assert (hers.chat["status"], hers.chat["last_seq"]) == ("open", 2)
    alice.call("reply_and_act", number=number, client_message_id=once, message="Bye", then="close")
    assert hers.chat["status"] == "closed"
    assert "Bye" in [line["message"] for line in hers.lines]
    hers.post("Thanks!")
    again = alice.call("reply_and_act", number=number, client_message_id=once, message="Bye", then="close")
    assert (again["duplicate"], hers.chat["status"]) == (True, "open")


def test_a_reply_gives_its_ticket_tags_and_snoozes_it_once(alice: Agent, hers: Visitor, rows: Any) -> None:
    number = hers.chat["number"]
    sent = {"client_message_id": new_id(), "message": "Wait", "then": "snooze", "tags": ["heating"]}
    alice.call("reply_and_act", number=number, **sent)
    assert [tag["name"] for tag in alice.call("ticket_of_agent", number=number)["tags"]] == ["heating"]
    snoozed = "select snoozed_until = 'infinity' from tickets where number = %s"
    assert rows(snoozed, number) == [(True,)]
    hers.post("Thanks!")
    alice.call("reply_and_act", number=number, **sent)
    assert rows(snoozed, number) == [(None,)]


def test_a_reply_keeps_its_tags_and_when_a_snoozed_ticket_comes_back(alice: Agent) -> None:
    reply = save(alice, "Wait", tags=[" #Heating ", "CM-410", "heating  "], snooze="tomorrow")
    [kept] = alice.call("list_replies")
    assert (kept["tags"], kept["snooze"]) == (["CM-410", "Heating", "heating"], "tomorrow")
    many = [f"tag {n}" for n in range(21)]
    for values in ({"snooze": "never"}, {"close_after": True}, {"tags": many}, {"tags": [" "]}):
        with pytest.raises(Invalid):
            alice.call("save_reply", reply_id=reply, values=values)


def test_replies_that_close_and_closings_at_once_do_not_lock_each_other_out(
    database: Database, alice: Agent, hers: Visitor, cast: Cast
) -> None:
    number, faults = hers.chat["number"], list[str]()

    def act(function: str, **arguments: Any) -> None:
        try:
            alice.call(function, number=number, **arguments)
        except DatabaseError as error:
            if error.code not in ("ticket_closed", "ticket_unassigned", "assigned_to_other", "changed_meanwhile"):
                faults.append(error.code)

    def act_often() -> None:
        for _ in range(8):
            act("reply_and_act", client_message_id=new_id(), message="Bye", then="close")
            act("reopen_ticket")
            act("close_ticket")

    threads = [threading.Thread(target=act_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
