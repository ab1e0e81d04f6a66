"""What each role may do: the table of rights says it, and every function that acts for an agent looks there."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database, DatabaseError, Forbidden, NotFound
from tests.cast import Agent, Cast, Visitor, new_id

pytestmark = pytest.mark.mode("postgres")

# Every function that acts for an agent, with the right that it takes. Others are refused before anything is looked at.
ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "list_tickets": ("answer", {}),
    "ticket_of_agent": ("answer", {"number": 1001}),
    "show_ticket": ("answer", {"number": 1001}),
    "follow_ticket": ("answer", {"number": 1001, "after": 0, "after_note": 0}),
    "post_reply": ("answer", {"number": 1001, "client_message_id": new_id(), "message": "Hi"}),
    "add_note": ("answer", {"number": 1001, "client_message_id": new_id(), "note": "Hi"}),
    "complete_mention": ("answer", {"text": "a"}),
    "read_mentions": ("answer", {"number": 1001, "note_no": 1}),
    "reply_and_act": ("answer", {"number": 1001, "client_message_id": new_id(), "message": "Bye"}),
    "list_replies": ("answer", {}),
    "replies_for_ticket": ("answer", {"number": 1001}),
    "save_reply": ("answer", {"values": {"name": "Hello", "message": "Hi"}}),
    "delete_reply": ("answer", {"reply_id": new_id()}),
    "import_replies": ("answer", {"rows": []}),
    "use_reply": ("answer", {"reply_id": new_id()}),
    "picture_of_reply": ("answer", {"reply_id": new_id()}),
    "assign_ticket": ("answer", {"number": 1001, "assignee_id": new_id()}),
    "unassign_ticket": ("answer", {"number": 1001}),
    "close_ticket": ("answer", {"number": 1001}),
    "reopen_ticket": ("answer", {"number": 1001}),
    "release_ticket": ("answer", {"number": 1001}),
    "mark_spam": ("answer", {"number": 1001}),
    "ban_customer": ("ban", {"number": 1001, "what": "browser"}),
    "list_bans": ("ban", {}),
    "end_ban": ("ban", {"ban_id": new_id()}),
    "drafts_of_agent": ("answer", {}),
    "save_draft": ("answer", {"number": 1001, "mode": "reply", "draft": "Hi"}),
    "held_replies": ("answer", {"number": 1001}),
    "take_back_reply": ("answer", {"number": 1001, "client_message_id": new_id()}),
    "forget_reply": ("answer", {"number": 1001, "client_message_id": new_id()}),
    "picture_of_held": ("answer", {"number": 1001, "client_message_id": new_id()}),
    "undo_tickets": ("answer", {"act": "tag", "changes": []}),
    "signal_typing": ("answer", {"number": 1001}),
    "record_receipt": ("answer", {"number": 1001, "delivered": 1, "read": 1}),
    "set_availability": ("answer", {"availability": "away"}),
    "tag_ticket": ("answer", {"number": 1001, "add": ["Parts"]}),
    "complete_tag": ("answer", {"text": "a"}),
    "list_tags": ("answer", {}),
    "rename_tag": ("curate", {"tag_id": 1, "name": "Parts"}),
    "delete_tag": ("curate", {"tag_id": 1}),
    "set_priority": ("answer", {"number": 1001, "priority": 1}),
    "set_queue_order": ("answer", {"order": "newest"}),
    "search_tickets": ("answer", {"words": "a"}),
    "list_views": ("answer", {}),
    "save_view": ("answer", {"name": "All", "query": ""}),
    "delete_view": ("answer", {"view_id": new_id()}),
    "change_tickets": ("answer", {"numbers": [1001], "act": "tag", "value": "Parts"}),
    "snooze_ticket": ("answer", {"number": 1001}),
    "unsnooze_ticket": ("answer", {"number": 1001}),
    "show_alerts": ("answer", {}),
    "change_alerts": ("answer", {"values": {"sound": False}}),
    "add_device": ("answer", {"endpoint": "https://x", "p256dh": "k", "auth": "a", "origin": "https://desk"}),
    "test_device": ("answer", {"device_id": new_id()}),
    "list_people": ("manage_people", {}),
    "invite_person": ("manage_people", {"token_hash": "a" * 64, "email": "eve@example.com"}),
    "renew_invitation": ("manage_people", {"token_hash": "a" * 64, "link_id": new_id()}),
    "withdraw_link": ("manage_people", {"link_id": new_id()}),
    "make_password_link": ("manage_people", {"token_hash": "a" * 64, "person_id": new_id()}),
    "change_person": ("manage_people", {"person_id": new_id(), "role": "admin"}),
    "disable_person": ("manage_people", {"person_id": new_id()}),
    "enable_person": ("manage_people", {"person_id": new_id()}),
    "remove_two_factor": ("manage_people", {"person_id": new_id()}),
    "change_settings": ("manage_desk", {"values": {"none": 1}}),
    "show_settings": ("manage_desk", {}),
    "show_privacy": ("manage_desk", {}),
    "list_sites": ("manage_desk", {}),
    "add_site": ("manage_desk", {"key": "shop", "name": "The shop"}),
    "change_site": ("manage_desk", {"key": "main", "values": {}}),
    "change_logo": ("manage_desk", {"key": "main", "logo": None}),
    "archive_site": ("manage_desk", {"key": "main"}),
    "show_identity": ("manage_desk", {"key": "main"}),
    "change_identity": ("manage_desk", {"key": "main", "values": {}}),
    "add_site_secret": ("manage_desk", {"key": "main", "secret": "s" * 43}),
    "delete_site_secret": ("manage_desk", {"key": "main", "secret_id": new_id()}),
    "customer_card": ("answer", {"number": 1001}),
    "preview_retention": ("manage_desk", {"days": 30}),
    "list_audit": ("see_audit", {}),
    "note_audit_export": ("see_audit", {"format": "csv"}),
    "export_customer": ("export", {"number": 1001}),
    "preview_erasure": ("erase", {"number": 1001}),
    "erase_customer": ("erase", {"number": 1001}),
}
# They act for the agent who is logged in, whatever their role.
OWN = {
    *("set_language", "set_keys", "open_agent_session", "account", "change_name", "change_picture", "change_password"),
    *("end_agent_sessions", "begin_code", "use_code", "turn_on_two_factor", "turn_off_two_factor"),
    *("replace_recovery_codes", "connect_identity", "disconnect_identity", "delete_device"),
}


def is_refused(agent: Agent, function: str) -> bool:
    try:
        agent.call(function, **ACTS[function][1])
    except DatabaseError as error:
        return (error.code, error.detail) == ("right_missing", ACTS[function][0])
    return False


def test_every_function_that_acts_for_an_agent_is_in_the_matrix(rows: Any) -> None:
    acting = rows(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and 'p_agent_id' = any (proargnames)"
    )
    assert {name for (name,) in acting} == ACTS.keys() | OWN


@pytest.mark.parametrize("role", ["agent", "lead", "admin"])
def test_each_function_refuses_who_lacks_its_right_and_nobody_else(cast: Cast, rows: Any, role: str) -> None:
    cast.visitor().start()
    bob = cast.agent("bob")
    rows("update agents set role = %s where name = 'Bob Ortiz'", role)
    rights = {right for (right,) in rows("select right_name from role_rights where role = %s", role)}
    assert "answer" in rights
    for function, (right, _) in ACTS.items():
        assert is_refused(bob, function) == (right not in rights), function


def test_who_was_disabled_and_who_never_was_has_no_right_at_all(cast: Cast, database: Database, rows: Any) -> None:
    cast.visitor().start()
    carol, nobody = cast.agent("carol"), cast.agent("bob")
    rows("update agents set is_active = false where role = 'admin'")
    nobody.id = new_id()
    for function in ACTS:
        assert is_refused(carol, function), function
        assert is_refused(nobody, function), function
        nothing = {"agent_id": None, **ACTS[function][1]}
        with pytest.raises(Forbidden):
            database.call(function, **nothing)


def test_rights_follow_the_role_at_once(alice: Agent, carol: Agent, database: Database) -> None:
    assert database.call("agent_of_session", token_hash=alice.token_hash)["rights"] == ["answer"]
    carol.call("change_person", person_id=alice.id, role="lead")
    assert database.call("agent_of_session", token_hash=alice.token_hash)["rights"] == [
        "answer",
        "ban",
        "curate",
        "reassign",
    ]


@pytest.fixture
def bobs(cast: Cast, bob: Agent) -> Visitor:
    """A customer whose ticket is bob's."""
    bob.come()
    vera = cast.visitor()
    vera.start("Hello")
    assert vera.chat["agent"]["id"] == bob.id
    return vera


def hand_over(agent: Agent, visitor: Visitor, to: Agent, expected: Agent) -> Any:
    return agent.call("assign_ticket", number=visitor.chat["number"], assignee_id=to.id, expected_id=expected.id)


# Row 36 of the attack report.


def test_an_agent_cannot_hand_somebodys_ticket_to_a_third(
    bobs: Visitor, alice: Agent, bob: Agent, carol: Agent
) -> None:
    carol.come()
    with pytest.raises(Forbidden, match="right_missing"):
        hand_over(alice, bobs, carol, bob)
    assert bobs.chat["agent"]["id"] == bob.id


@pytest.mark.parametrize("function", ["unassign_ticket", "close_ticket"])
def test_an_agent_cannot_return_or_close_somebodys_ticket(bobs: Visitor, alice: Agent, function: str) -> None:
    with pytest.raises(Conflict, match="assigned_to_other"):
        alice.call(function, number=bobs.chat["number"])
    assert bobs.chat["status"] == "open"


def test_an_agent_who_does_not_have_a_ticket_is_not_seen_typing_or_reading_in_it(
    bobs: Visitor, alice: Agent, bob: Agent, rows: Any, database_url: str
) -> None:
    number = bobs.chat["number"]
    for agent, marks in ((alice, (0, 0)), (bob, (1, 1))):
        agent.call("record_receipt", number=number, delivered=1, read=1)
        assert rows("select agent_delivered_seq, agent_read_seq from user_sessions") == [marks]
        assert agent.call("ticket_of_agent", number=number)["read_seq"] == 1
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("listen supportchat")
        for agent in (alice, bob):
            agent.call("signal_typing", number=number)
        [told] = connection.notifies(stop_after=1)
    assert json.loads(told.payload)["agent"]["id"] == bob.id


def test_what_an_agent_read_before_they_took_a_ticket_counts_from_then_on(
    bobs: Visitor, alice: Agent, bob: Agent
) -> None:
    number = bobs.chat["number"]
    alice.call("record_receipt", number=number, delivered=1, read=1)
    assert bobs.chat["agent_read_seq"] == 0
    hand_over(alice, bobs, alice, bob)
    assert bobs.chat["agent_read_seq"] == 1


def test_a_lead_hands_over_returns_and_closes_tickets_of_others(
    bobs: Visitor, alice: Agent, bob: Agent, carol: Agent, cast: Cast
) -> None:
    dora = cast.agent("carol").come()
    carol.call("change_person", person_id=alice.id, role="lead")
    number = bobs.chat["number"]
    assert alice.call("ticket_of_agent", number=number)["colleagues"]
    hand_over(alice, bobs, dora, bob)
    assert bobs.chat["agent"]["id"] == dora.id
    alice.call("set_availability", availability="away")
    bob.call("set_availability", availability="away")
    alice.call("unassign_ticket", number=number)
    assert bobs.chat["agent"] is None  # whom it was taken from does not get it again
    bob.call("assign_ticket", number=number, assignee_id=bob.id)
    alice.call("close_ticket", number=number)
    assert bobs.chat["status"] == "closed"


def test_nothing_is_done_for_who_was_disabled(bob: Agent, rows: Any) -> None:
    bob.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["x"])
    rows("update agents set is_active = false where id = %s", bob.id)
    token, codes = {"token_hash": "t"}, {"code_hashes": ["y"]}
    own: dict[str, dict[str, Any]] = {
        "set_language": {"language": "de"},
        "set_keys": {"single_keys": False},
        "account": token,
        "change_name": {"name": "Bo"},
        "change_picture": {"key": None},
        "change_password": {**token, "password_hash": "new", "browser": "b"},
        "end_agent_sessions": token,
        "begin_code": {"browser": "b"},
        "use_code": {"browser": "b", "step": 2},
        "turn_on_two_factor": {"secret": "B" * 32, "step": 1, **codes},
        "turn_off_two_factor": {},
        "replace_recovery_codes": codes,
        "connect_identity": {"issuer": "i", "subject": "7"},
        "disconnect_identity": {"issuer": "i"},
        "delete_device": {"device_id": new_id()},
    }
    assert own.keys() | {"open_agent_session"} == OWN
    for function, arguments in own.items():
        with pytest.raises(NotFound, match="agent_not_found"):
            bob.call(function, **arguments)
    assert bob.call("open_agent_session", **token) is None
