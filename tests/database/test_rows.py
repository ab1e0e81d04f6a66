"""The types in `rows.py` say what the functions return, key for key."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from supportchat.database import Database
from supportchat.database import rows as shapes
from tests.cast import Agent, Cast, new_id

pytestmark = pytest.mark.mode("postgres")

IMAGE = {
    "key": "f" * 64,
    "content_type": "image/png",
    "width": 640,
    "height": 480,
    "bytes": 9,
    "digest": "0" * 64,
}


PAGE = {"url": "https://shop.example/", "title": "Shop", "at": "2026-11-27T09:00:00+00:00"}


def misfits(value: Any, shape: Any, place: str = "") -> list[str]:
    """Return where a value differs from a type."""
    if shape is Any:
        return []
    if get_origin(shape) is dict and isinstance(value, dict):
        return [problem for key in value for problem in misfits(value[key], get_args(shape)[1], f"{place}[{key}]")]
    if get_origin(shape) in (Union, types.UnionType):
        found = [misfits(value, part, place) for part in get_args(shape)]
        return [] if [] in found else found[0]
    if get_origin(shape) is list and isinstance(value, list):
        return [problem for each in value for problem in misfits(each, get_args(shape)[0], f"{place}[]")]
    if is_typeddict(shape) and isinstance(value, dict):
        hints = get_type_hints(shape)
        wrong = sorted((value.keys() ^ hints.keys()) - shape.__optional_keys__)
        return [f"{place}.{key}" for key in wrong] + [
            problem
            for key in value.keys() & hints.keys()
            for problem in misfits(value[key], hints[key], f"{place}.{key}")
        ]
    return [] if type(value) is shape else [f"{place}: {value!r}"]


def held_replies(alice: Agent, carol: Agent, rows: Any) -> dict[str, tuple[Any, Any]]:
    """Have replies held, taken back, refused and sent, and return what comes with the type that says so."""
    carol.call("change_settings", values={"undo_send_seconds": 30})
    number = Cast(alice._database).visitor().start("And I?")["number"]
    alice.call("assign_ticket", number=number, assignee_id=alice.id)
    once = {"number": number, "client_message_id": new_id()}
    told = alice.call("reply_and_act", **once, message="Hi", image=IMAGE | {"key": "2" * 64}, tags=["a"], may_hold=True)
    found = {
        "reply_and_act that is held": (told, shapes.RepliedAndActed),
        "held_replies": (alice.call("held_replies", number=number), list[shapes.HeldReply]),
        "picture_of_held": (alice.call("picture_of_held", **once), shapes.StoredPicture),
        "take_back_reply": (alice.call("take_back_reply", **once), shapes.HeldReply),
    }
    alice.reply(number, "Sent", may_hold=True)
    rows("update held_replies set due_at = now() where due_at is not null")
    found["release_replies"] = alice._database.call("release_replies"), shapes.ReleasedReplies
    alice.reply(number, "Refused", may_hold=True)
    carol.call("assign_ticket", number=number, assignee_id=carol.id, expected_id=alice.id)
    rows("update held_replies set due_at = now() where due_at is not null")
    alice._database.call("release_replies")
    carol.call("change_settings", values={"undo_send_seconds": 0})
    sent = {"client_message_id": new_id(), "message": "Bye", "then": "close"}
    found["reply_and_act"] = carol.call("reply_and_act", number=number, **sent), shapes.RepliedAndActed
    found["list_tickets with what was not sent"] = alice.call("list_tickets"), shapes.Queue
    return found


@pytest.fixture
def returned(database: Database, cast: Cast, alice: Agent, bob: Agent, rows: Any) -> dict[str, tuple[Any, Any]]:
    """What each function returns at a desk that has a ticket of every kind, and the type that says so."""
    bob.come()
    vera, once = cast.visitor(), new_id()
    session_id = vera.start("Help!", customer_name="Vera Lindt", image=IMAGE)["session_id"]
    number, call = vera.chat["number"], database.call
    posted = vera.post("Still here?", client_message_id=once, image=IMAGE | {"key": "e" * 64})
    owner = alice if vera.chat["agent"]["id"] == alice.id else bob
    note = owner.call("add_note", number=number, client_message_id=new_id(), note="Careful, @Carol Tan")
    closed = call("close_chat", visitor=vera.key)
    alice.call("save_draft", number=number, mode="reply", draft="Half an answer")
    for agent in (alice, bob):
        agent.call("set_availability", availability="away")
    waits = cast.visitor().start("And I?")["number"]
    carol, token = cast.agent("carol"), "a" * 64
    invited = carol.call("invite_person", token_hash=token, email="eve@example.com")
    carol.call("make_password_link", person_id=alice.id, token_hash="b" * 64)
    erased = cast.visitor()
    erased.start("Erase me", image=IMAGE | {"key": "d" * 64})
    preview = carol.call("preview_erasure", number=erased.chat["number"])
    exported = carol.call("export_customer", number=erased.chat["number"])
    receipt = carol.call("erase_customer", number=erased.chat["number"])
    account = alice.call("account", token_hash=alice.token_hash)
    bob.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["c"])
    code_check = call("begin_code", agent_id=bob.id, browser="")
    begun = call("open_agent_session", agent_id=bob.id, token_hash="p" * 64)
    spammer = cast.visitor().start("Buy now", address="192.0.2.9")["number"]
    banned = carol.call("ban_customer", number=spammer, what="network", days=7, reason="Sells watches")
    call("record_pages", visitor=vera.key, visit={"pages": [PAGE], "referrer": "https://search.example/"})
    call("make_handover", visitor=vera.key, token_hash="7" * 64, sealed_key="sealed")
    shown_handover, taken = (call(f"{act}_handover", token_hash="7" * 64) for act in ("show", "take"))
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret="s" * 43)
    identity, rules = carol.call("show_identity", key="main"), call("identity_rules", site="main")
    buyer = cast.visitor()
    named = buyer.start("Where is my order?")["number"]
    identified = call("identify_customer", visitor=buyer.key, fresh="n" * 64, site="main", sub="b", name="Bea")
    rows("create schema supportchat")
    rows("create function supportchat.support_card(ref text) returns jsonb language sql as $$ select '{}'::jsonb $$")
    hello = {"name": "Hello", "message": "Hi", "picture": IMAGE | {"key": "1" * 64}}
    saved = alice.call("save_reply", values=hello)
    flow = {"issuer": "i", "nonce": "n", "code_verifier": "v", "purpose": "login", "address": "192.0.2.1"}
    call("begin_provider_flow", state_hash="e" * 64, browser="b", **flow)
    call("advance_alerts")
    device = alice.call(
        "add_device", endpoint="https://push.example.com/1", p256dh="k", auth="a", origin="https://desk"
    )
    alice.call("change_alerts", values={"scope": "all"})
    carol.call("add_note", number=waits, client_message_id=new_id(), note="@Alice Kern")
    cast.visitor().start("Hello")
    rows("update agents set lease_expires_at = null where id = %s", alice.id)
    advanced = call("advance_alerts")
    alice.call("test_device", device_id=device)
    [parts, spares] = alice.call("tag_ticket", number=number, add=["Parts", "Spares"])["tags"]
    tagged = alice.call("list_tags")
    renamed = carol.call("rename_tag", tag_id=spares["id"], name="Spare parts")
    indexed = call("index_lines")
    viewed = alice.call("save_view", name="Open", query="is:open")
    held = held_replies(alice, carol, rows)
    lines, picture = list[shapes.Message], vera.lines[0]["image"]["id"]
    return {
        "agent_of_session": (call("agent_of_session", token_hash=alice.token_hash), shapes.Agent),
        "account": (account, shapes.OwnAccount),
        "begin_code": (code_check, shapes.CodeCheck),
        "open_agent_session": (begun, shapes.BegunLogin),
        "pending_login": (call("pending_login", token_hash="p" * 64, browser=""), shapes.PendingLogin),
        "take_provider_flow": (call("take_provider_flow", state_hash="e" * 64, browser="b"), shapes.ProviderFlow),
        "list_agents": (call("list_agents"), list[shapes.Colleague]),
        "begin_login": (call("begin_login", email="alice@example.com", browser="", address=""), shapes.Credentials),
        "who_is_here": (call("who_is_here"), shapes.PeopleHere),
        "start_chat": (
            call("start_chat", visitor="v", fresh="f", client_message_id=new_id(), message="Hi"),
            shapes.Started,
        ),
        "post_message": (posted, shapes.Posted),
        "post_message again": (
            vera.post("Still here?", client_message_id=once, image=IMAGE),
            shapes.Posted,
        ),
        "post_reply": (owner.call("reopen_ticket", number=number) and owner.reply(number), shapes.Answer),
        "add_note": (note, shapes.AddedNote),
        "save_reply": (saved, shapes.SavedReplyChange),
        "list_replies": (alice.call("list_replies"), list[shapes.SavedReply]),
        "replies_for_ticket": (alice.call("replies_for_ticket", number=number), shapes.TicketReplies),
        "import_replies": (
            alice.call("import_replies", rows=[{"name": "Bye", "message": "Goodbye"}]),
            shapes.ImportedReplies,
        ),
        "picture_of_reply": (alice.call("picture_of_reply", reply_id=saved["reply"]["id"]), shapes.StoredPicture),
        "notes_after": (call("notes_after", session_id=session_id, after=0), list[shapes.Note]),
        "messages_after": (call("messages_after", session_id=session_id, after=0), lines),
        "messages_before": (call("messages_before", session_id=session_id), lines),
        "image_of_session": (call("image_of_session", visitor=vera.key, image_id=picture), shapes.StoredPicture),
        "close_chat": (closed, shapes.Closed),
        "name_customer": (
            call("name_customer", visitor=vera.key, session_id=session_id, name="Vera"),
            shapes.Conversation,
        ),
        "conversation_of_visitor": (vera.chat, shapes.Conversation),
        "join_conversation": (call("join_conversation", number=number, after=1, after_note=0), shapes.Joined),
        "conversations": (call("conversations", session_ids=[session_id]), list[shapes.Conversation]),
        "waiting_line": (call("waiting_line"), shapes.WaitingLine),
        "events_after": (call("events_after", cursor="1:1:"), shapes.LogPage),
        "record_receipts": (
            call("record_receipts", receipts=[{"session_id": session_id, "delivered": 1, "read": 1}]),
            shapes.ReceiptsRecorded,
        ),
        "ticket_of_agent": (owner.call("ticket_of_agent", number=number), shapes.Ticket),
        "show_ticket": (owner.call("show_ticket", number=number), shapes.TicketLines),
        "follow_ticket": (owner.call("follow_ticket", number=number, after=1, after_note=0), shapes.TicketLines),
        "close_ticket": (owner.call("close_ticket", number=number), shapes.ClosedTicket),
        "ticket_of_agent that waits": (bob.call("ticket_of_agent", number=waits), shapes.Ticket),
        "drafts_of_agent": (alice.call("drafts_of_agent"), list[shapes.Draft]),
        "list_tickets": (alice.call("list_tickets", view="all"), shapes.Queue),
        "list_tickets of who is mentioned": (carol.call("list_tickets"), shapes.Queue),
        "complete_mention": (alice.call("complete_mention", text="bo"), list[shapes.MentionChoice]),
        "queue_changes": (call("queue_changes", session_ids=[session_id], agent_ids=[bob.id]), shapes.QueueChanges),
        "tag_ticket": (alice.call("tag_ticket", number=number), shapes.TaggedTicket),
        "list_tags": (tagged, list[shapes.ListedTag]),
        "complete_tag": (alice.call("complete_tag", text=parts["name"][:3]), list[shapes.Tag]),
        "rename_tag": (renamed, shapes.RenamedTag),
        "index_lines": (indexed, shapes.IndexedLines),
        "search_tickets": (alice.call("search_tickets", words="still here"), shapes.Found),
        "save_view": (viewed, shapes.View),
        "list_views": (alice.call("list_views"), list[shapes.View]),
        "change_tickets": (
            alice.call("change_tickets", numbers=[number, 77], act="tag", value="Parts"),
            shapes.ChangedTickets,
        ),
        "undo_tickets": (
            alice.call("undo_tickets", act="tag", changes=[{"number": number, "version": 1}]),
            shapes.UndoneTickets,
        ),
        "queue_counts": (call("queue_counts"), shapes.DeskCounts),
        **held,
        "report_process": (
            call("report_process", process_id=new_id(), sockets=0, came=[], left=[], token_hashes=[]),
            shapes.ProcessReport,
        ),
        "report_process that is idle": (
            call("report_process", process_id=new_id(), sockets=0, came=[], left=[], token_hashes=[], is_idle=True),
            shapes.IdleReport,
        ),
        "sweep_assignment": (call("sweep_assignment"), shapes.Sweep),
        "desk_figures": (call("desk_figures"), shapes.DeskFigures),
        "find_exposures": (call("find_exposures", names=["show_account"]), list[shapes.Exposure]),
        "export_customer": (exported, list[shapes.ExportedConversation]),
        "preview_erasure": (preview, shapes.ErasurePreview),
        "erase_customer": (receipt, shapes.Erasure),
        "show_privacy": (carol.call("show_privacy"), shapes.Privacy),
        "preview_retention": (carol.call("preview_retention", days=30), shapes.RetentionPreview),
        "erase_old_chats": (call("erase_old_chats"), shapes.OldChats),
        "list_sites": (carol.call("list_sites"), list[shapes.Site]),
        "add_site": (carol.call("add_site", key="shop", name="The shop"), shapes.Site),
        "change_site": (carol.call("change_site", key="shop", values={}), shapes.Site),
        "sites_in_use": (call("sites_in_use"), list[shapes.Site]),
        "archive_site": (carol.call("archive_site", key="shop"), shapes.Site),
        "pages_of_session": (call("pages_of_session", session_id=session_id), shapes.Visit),
        "show_handover": (shown_handover, shapes.Handover),
        "take_handover": (taken, shapes.TakenHandover),
        "show_identity": (identity, shapes.SiteIdentity),
        "identity_rules": (rules, shapes.IdentityRules),
        "identify_customer": (identified, shapes.Identified),
        "ticket_of_agent of somebody named": (carol.call("ticket_of_agent", number=named), shapes.Ticket),
        "customer_card": (carol.call("customer_card", number=named), shapes.FoundCard),
        "check_card": (call("check_card"), shapes.CardCheck),
        "list_audit": (carol.call("list_audit"), shapes.AuditPage),
        "ban_customer": (banned, shapes.Ticket),
        "mark_spam": (carol.call("mark_spam", number=spammer), shapes.MarkedSpam),
        "list_bans": (carol.call("list_bans"), shapes.Bans),
        "release_ticket": (alice.call("release_ticket", number=waits), shapes.Ticket),
        "advance_alerts": (advanced, shapes.AdvancedAlerts),
        "take_pushes": (call("take_pushes"), list[shapes.Push]),
        "show_alerts": (alice.call("show_alerts"), shapes.OwnAlerts),
        "push_keys": (call("push_keys", private_key="p", public_key="q"), shapes.PushKeyPair),
        "check_alerts": (call("check_alerts"), shapes.AlertsCheck),
        "list_people": (carol.call("list_people"), shapes.People),
        "invite_person": (invited, shapes.MadeLink),
        "show_link": (call("show_link", token_hash=token), shapes.ShownLink),
        "show_link for a password": (call("show_link", token_hash="b" * 64), shapes.ShownLink),
        "change_person": (carol.call("change_person", person_id=bob.id), shapes.Agent),
        "offer_setup": (call("offer_setup", token_hash="c" * 64), shapes.Offered),
        "disable_person": (carol.call("disable_person", person_id=bob.id), shapes.Disabled),
        "enable_person": (carol.call("enable_person", person_id=bob.id), shapes.Enabled),
    }


def test_what_a_function_returns_has_exactly_the_keys_of_its_type(returned: dict[str, tuple[Any, Any]]) -> None:
    assert {name: wrong for name, (value, shape) in returned.items() if (wrong := misfits(value, shape))} == {}


def test_no_type_goes_untested(returned: dict[str, tuple[Any, Any]]) -> None:
    def named(shape: Any) -> set[Any]:
        parts = [*get_args(shape), *(get_type_hints(shape).values() if is_typeddict(shape) else [])]
        return {shape}.union(*map(named, parts))

    reached = set().union(*(named(shape) for _, shape in returned.values()))
    # What begins with "_" is a part of others.
    assert {shape for name, shape in vars(shapes).items() if is_typeddict(shape) and name[0] != "_"} <= reached
