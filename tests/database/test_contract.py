"""What makes one mode enough for most tests: both doors give the same answers and errors, whatever is called."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supportchat.backends import open_mode
from supportchat.config import Config
from supportchat.database import FUNCTIONS, DatabaseError, TooFast
from supportchat.server.buckets import Limit
from tests.cast import Agent, Cast, new_id
from tests.conftest import MODES, open_place

# What differs from one database to the next, and from one moment to the next.
VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"  # moments
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\b[0-9a-f]{12,}\b"  # the epoch
    r"|\b\d+:\d+:[\d,]*"  # the cursor of the log
    r"|\$argon2id[^\"]+"
    r"|-?\d+\.\d+"
)
PICTURE = {"key": "a" * 64, "content_type": "image/png", "width": 64, "height": 48, "bytes": 900, "digest": "d" * 64}
PAGES = [{"url": "https://shop.example/", "title": "The shop", "at": "2026-11-27T09:00:00+00:00"}]
# By type of the argument; `text` is also what is put into every other type but these.
UNKNOWN: dict[str, Any] = {
    "bigint": 77,
    "bigint[]": [77],
    "boolean": True,
    "double precision": 1.5,
    "integer": -1,
    "jsonb": {"none": [1, None]},
    "text": "no such ' \\ \N{SLIGHTLY SMILING FACE}",
    "timestamp with time zone": "2000-01-01T00:00:00Z",
    "text[]": ["no such", 'with " and \\ and {,}'],
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uuid[]": ["00000000-0000-4000-8000-000000000000"],
}


class Heard:
    """A door, and what it gave: each call, with its answer or its error as text that can be compared."""

    advice = ""

    def __init__(self, config: Config, conninfo: str) -> None:
        self._door = open_mode(config)[0]
        self._conninfo = conninfo
        self.calls: list[tuple[str, str]] = []
        self.answered: set[str] = set()

    def call(self, function: str, /, **arguments: Any) -> Any:
        """Make a call, and write down what came."""
        try:
            answer = self._door.call(function, **arguments)
        except DatabaseError as error:
            detail = "~" if isinstance(error, TooFast) else VOLATILE.sub("~", error.detail)
            self.calls.append((function, f"{type(error).__name__} {error.code} {detail}"))
            raise
        self.calls.append((function, VOLATILE.sub("~", json.dumps(answer, sort_keys=True))))
        self.answered.add(function)
        return answer

    def refused(self, function: str, **arguments: Any) -> None:
        """Make a call that may be refused."""
        with contextlib.suppress(DatabaseError):
            self.call(function, **arguments)

    def parameters(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return every function with the names and types of its arguments."""
        with psycopg.connect(self._conninfo) as connection:
            return connection.execute(
                "select proname, array(select (substr(name, 3), format_type(type, null))"
                " from unnest(proargnames, proargtypes) as argument (name, type) where name is not null)"
                " from pg_proc where pronamespace = 'public'::regnamespace and proname = any (%s) order by proname",
                [sorted(FUNCTIONS)],
            ).fetchall()

    def run(self, statement: str, *arguments: Any) -> None:
        """Run SQL behind the door's back."""
        with psycopg.connect(self._conninfo) as connection:
            connection.execute(statement.encode(), arguments)

    def names_taken(self) -> str:
        """Say what has our names."""
        return self._door.names_taken()

    def close(self) -> None:
        """Close the door."""
        self._door.close()


@pytest.fixture
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Heard]]:
    """A desk of each mode."""
    with contextlib.ExitStack() as stack:
        made = []
        for mode in MODES:
            place = stack.enter_context(open_place(mode, request.getfixturevalue))
            config = Config(data_dir=tmp_path, **place.settings)
            made.append(Heard(config, place.conninfo))
            stack.callback(made[-1].close)
        yield made


def test_both_doors_answer_every_function_alike(doors: list[Heard]) -> None:
    for door in doors:
        have_a_day(door)
        assert door.answered == FUNCTIONS, "play what is missing in have_a_day()"
    agree(doors)


@pytest.mark.parametrize("kind", ["unknown", "text", "nothing"])
def test_both_doors_refuse_alike_whatever_they_are_given(doors: list[Heard], kind: str) -> None:
    for door in doors:
        for function, parameters in door.parameters():
            door.refused(function, **{name: given(kind, type_name) for name, type_name in parameters})
    assert {function for function, _ in doors[0].calls} == FUNCTIONS
    agree(doors)


def agree(doors: list[Heard]) -> None:
    """Assert that both doors gave the same."""
    for one, other in zip(*[door.calls for door in doors], strict=True):
        assert one == other


def given(kind: str, type_name: str) -> Any:
    """Return a value for an argument: one that nothing is known by, a text where none belongs, or nothing."""
    if kind == "nothing":
        return None
    return UNKNOWN[type_name if kind == "unknown" or type_name in ("jsonb", "text[]", "uuid[]") else "text"]


def have_a_day(door: Heard) -> None:
    """Call every function so that it has something to answer."""
    cast = Cast(door)
    alice = cast.agent("alice").come()
    look_after(door, alice)
    chat(door, cast, alice)
    pass_on(door, cast, alice)
    save_replies(door, cast, alice)
    shut_out(door, cast, alice)
    run_the_agents(door, alice)
    look_after_privacy(door, cast)
    look_after_sites(door, cast)
    name_customers(door, cast)
    reach_agents(door, cast)
    go_home(door, alice)


def reach_agents(door: Heard, cast: Cast) -> None:
    """What is told to whom, and by which devices."""
    bob = cast.agent("bob")
    door.call("advance_alerts")
    device = bob.call("add_device", endpoint="https://push.example.com/1", p256dh="k", auth="a", origin="https://desk")
    bob.call("change_alerts", values={"scope": "all", "quiet_from": None, "quiet_until": None})
    with contextlib.suppress(DatabaseError):
        bob.call("change_alerts", values={"scope": "none"})
    cast.visitor().start("Is anybody there?")
    door.call("advance_alerts")
    bob.call("test_device", device_id=device)
    pushes = door.call("take_pushes")
    door.call("note_pushes", results=[{"id": push["id"], "kind": push["kind"], "outcome": "sent"} for push in pushes])
    for push in pushes:
        door.call("push_arrived", push_id=push["id"])
    bob.call("show_alerts")
    door.call("check_alerts")
    door.call("push_keys")
    door.call("push_keys", private_key="private", public_key="public")
    bob.call("delete_device", device_id=device)
    with contextlib.suppress(DatabaseError):
        bob.call("delete_device", device_id=device)


def look_after_privacy(door: Heard, cast: Cast) -> None:
    """Give a customer a copy, erase them, and keep chats for a while."""
    carol = cast.agent("carol")
    vera, victor = cast.visitor(), cast.visitor()
    number = vera.start("Hello", image=PICTURE | {"key": "e" * 64})["number"]
    carol.call("export_customer", number=number, with_notes=True)
    carol.call("preview_erasure", number=number)
    carol.call("erase_customer", number=number, everything=True)
    door.refused("erase_customer", agent_id=carol.id, number=number)
    door.call("note_erased_files", keys=door.call("take_erasure_files"))
    carol.call("show_privacy")
    victor.start("Me too")
    door.call("close_chat", visitor=victor.key)
    door.run("update tickets set closed_at = now() - interval '40 days' where status = 'closed'")
    carol.call("preview_retention", days=30)
    door.refused("preview_retention", agent_id=carol.id, days=0)
    carol.call("change_settings", values={"retention_days": 30})
    door.call("erase_old_chats")
    door.call("forget_old_data")
    carol.call("list_audit", kinds=["customer.erased", "retention.began"])
    carol.call("note_audit_export", format="csv")


def look_after_sites(door: Heard, cast: Cast) -> None:
    """Give another site its look, chat from it, and put it away."""
    carol = cast.agent("carol")
    carol.call("add_site", key="shop", name="The shop")
    door.refused("add_site", agent_id=carol.id, key="shop", name="Another")
    values = {"colour": "#9a3412", "greeting": "Hello", "allowed_origins": ["https://shop.example"], "language": "de"}
    carol.call("change_site", key="shop", values=values)
    door.refused("change_site", agent_id=carol.id, key="shop", values={"key": "other"})
    door.refused("change_site", agent_id=carol.id, key="shop", values={"colour": "red"})
    for logo in ("f" * 64, None):
        carol.call("change_logo", key="shop", logo=logo)
    vera = cast.visitor()
    session_id = vera.start("From the shop", site="shop")["session_id"]
    door.call("name_customer", visitor=vera.key, session_id=session_id, name="Vera")
    door.refused("name_customer", visitor=vera.key, session_id=new_id(), name="Vera")
    carol.call("list_tickets", view="all")
    sven = cast.visitor()
    sven.start("From the shop", site="shop")
    for site in ("shop", "main"):
        door.call("unread_of_visitor", visitor=sven.key, site=site)
    door.call("record_pages", visitor=sven.key, visit={"pages": PAGES, "referrer": "https://search.example/"})
    door.call("pages_of_session", session_id=sven.chat["session_id"])
    door.call("make_handover", visitor=sven.key, token_hash="7" * 64, sealed_key="sealed")
    door.call("show_handover", token_hash="7" * 64)
    door.call("take_handover", token_hash="7" * 64)
    door.refused("take_handover", token_hash="7" * 64)
    door.call("sites_in_use")
    carol.call("archive_site", key="shop")
    door.refused("archive_site", agent_id=carol.id, key="main")
    carol.call("list_sites")


def name_customers(door: Heard, cast: Cast) -> None:
    """Have a site name its customers, join their chats, and log them out."""
    carol, vera, victor = cast.agent("carol"), cast.visitor(), cast.visitor()
    carol.call("show_identity", key="main")
    issuer = {"method": "issuer", "issuer": "https://id.example", "keys_url": "https://id.example/keys"}
    for taken in (issuer, {"method": "secret", "longest_minutes": 5, "audience": "desk"}, {}):
        carol.call("change_identity", key="main", values=taken)
    for refused in ({"method": "none"}, {"secret": "x"}, {"longest_minutes": 0}):
        door.refused("change_identity", agent_id=carol.id, key="main", values=refused)
    for _ in range(2):
        carol.call("add_site_secret", key="main", secret="s" * 43)
    door.refused("add_site_secret", agent_id=carol.id, key="main", secret="s" * 43)
    door.call("identity_rules", site="main")
    door.call("identity_rules", site="shop")
    [made, _] = carol.call("show_identity", key="main")["secrets"]
    carol.call("delete_site_secret", key="main", secret_id=made["id"])
    number = vera.start("Who am I?", customer_name="Queen")["number"]
    who = {"site": "main", "name": "Vera Lindt", "email": "vera@example.com", "attributes": {"Plan": "Gold"}}
    door.call("identify_customer", visitor=vera.key, fresh="1" * 64, sub="v", **who)
    door.call("identify_customer", visitor="1" * 64, fresh="2" * 64, sub="v", **who)
    door.call("identify_customer", visitor=victor.key, fresh="3" * 64, sub="v", **who)
    door.refused("identify_customer", visitor="3" * 64, fresh="4" * 64, sub="w", **who)
    door.call("identify_customer", visitor="3" * 64, fresh="4" * 64, sub="w", replaces=True, **who)
    door.call("conversation_of_visitor", visitor="1" * 64)
    carol.call("ticket_of_agent", number=number)
    carol.call("customer_card", number=number)
    door.call("check_card")
    carol.call("export_customer", number=number)
    door.call("end_visit", visitor="1" * 64)
    door.call("end_visit", visitor="1" * 64)


def look_after(door: Heard, alice: Agent) -> None:
    """Do what the server and the page of the status do by themselves."""
    for function in (
        "database_epoch",
        "events_after",
        "queue_counts",
        "waiting_line",
        "sweep_assignment",
        "applied_scripts",
        "stuck_tickets",
    ):
        door.call(function)
    door.call("missing_functions", names=["start_chat", "no_such_function"])
    door.call("find_exposures", names=["start_chat", "no_such_function"])
    door.call("check_table", table="tickets")
    door.call("orphan_rows")
    door.call("send_ping", nonce="n")
    door.call("send_heartbeat", seconds=2.5)


def chat(door: Heard, cast: Cast, alice: Agent) -> None:
    """Have a customer and an agent talk."""
    limits = {"address": Limit(2, 60), "browser": Limit(9, 60)}
    vera, once = cast.visitor(), new_id()
    vera.start(
        "Hello \N{WAVING HAND SIGN}",
        customer_name="Vera",
        address="192.0.2.1",
        framed_on="https://a.example",
        limits=limits,
    )
    session_id, number = vera.chat["session_id"], vera.chat["number"]
    vera.post("One", client_message_id=once)
    vera.post("One", client_message_id=once)
    vera.post("", image=PICTURE)
    door.refused("post_message", visitor=vera.key, session_id=session_id, client_message_id=once, message="Two")
    alice.reply(number, "Good morning")
    alice.call("complete_mention", text="o")
    alice.call("add_note", number=number, client_message_id=new_id(), note="Careful, @Bob Ortiz")
    cast.agent("bob").call("read_mentions", number=number, note_no=1)
    door.refused("read_mentions", agent_id=alice.id, number=9999, note_no=1)
    [image_id] = [line["image"]["id"] for line in vera.lines if line.get("image")]
    door.call("image_of_session", image_id=image_id, visitor=vera.key)
    door.call("orphan_images", keys=["a" * 64, "b" * 64])
    door.call("signal_typing", visitor=vera.key)
    alice.call("save_draft", number=number, mode="reply", draft="Good \N{WAVING HAND SIGN}")
    alice.call("drafts_of_agent")
    look = {"session_id": session_id, "agent_id": alice.id, "does": "looks"}
    door.call("signal_looks", process_id=new_id(), looks=[look])
    door.call("record_receipt", delivered=2, read=2, visitor=vera.key)
    receipt = {"session_id": session_id, "epoch": vera.chat["epoch"], "delivered": 3, "read": 3, "visitor": vera.key}
    door.call("record_receipts", receipts=[receipt])
    door.call("messages_before", session_id=session_id)
    door.call("notes_after", session_id=session_id, after=0)
    door.call("conversations", session_ids=[session_id, new_id()])
    door.call("queue_changes", session_ids=[session_id, new_id()])
    for function in ("who_is_here", "verify_chat", "desk_figures"):
        door.call(function)
    for _ in range(2):  # the second is one too many
        door.refused(
            "start_chat",
            visitor=new_id(),
            fresh=new_id(),
            client_message_id=new_id(),
            message="Hi",
            address="192.0.2.1",
            limits=limits,
        )


def pass_on(door: Heard, cast: Cast, alice: Agent) -> None:
    """Hand a ticket on, close it, and open it again."""
    victor = cast.visitor()
    number = victor.start("Me too")["number"]
    bob = cast.agent("bob").come()
    for view in ("mine", "waiting", "closed", "all"):
        alice.call("list_tickets", view=view)
    alice.call("ticket_of_agent", number=number)
    alice.call("show_ticket", number=number)
    alice.call("follow_ticket", number=number, after=0, after_note=0)
    door.call("join_conversation", number=number, after=1, after_note=0)
    door.call("join_conversation", visitor=victor.key)
    door.refused("post_reply", agent_id=bob.id, number=number, client_message_id=new_id(), message="Mine?")
    alice.call("assign_ticket", number=number, assignee_id=bob.id, expected_id=alice.id)
    door.refused("assign_ticket", agent_id=alice.id, number=number, assignee_id=alice.id, expected_id=alice.id)
    bob.call("unassign_ticket", number=number)
    alice.call("assign_ticket", number=number, assignee_id=alice.id)
    sort_out(door, alice, number)
    alice.call("close_ticket", number=number)
    alice.call("reopen_ticket", number=number)
    door.call("close_chat", visitor=victor.key)


def sort_out(door: Heard, alice: Agent, number: int) -> None:
    """Tag, prioritise and snooze a ticket."""
    carol = Cast(door).agent("carol")
    tags = alice.call("tag_ticket", number=number, add=["Parts", "Ersatzteile"])["tags"]
    alice.call("tag_ticket", number=number, remove=[tags[0]["id"]])
    door.refused("tag_ticket", agent_id=alice.id, number=number, add=["?"])
    alice.call("complete_tag", text="par")
    alice.call("list_tags")
    carol.call("rename_tag", tag_id=tags[0]["id"], name="Parts")
    carol.call("delete_tag", tag_id=tags[1]["id"])
    door.refused("delete_tag", agent_id=carol.id, tag_id=tags[1]["id"])
    alice.call("set_priority", number=number, priority=1)
    door.refused("set_priority", agent_id=alice.id, number=number, priority=9)
    alice.call("set_queue_order", order="priority")
    door.refused("set_queue_order", agent_id=alice.id, order="none")
    door.refused("snooze_ticket", agent_id=alice.id, number=number, until="2000-01-01T00:00:00Z")
    alice.call("snooze_ticket", number=number)
    alice.call("unsnooze_ticket", number=number)
    find(door, alice, carol, number)


def find(door: Heard, alice: Agent, carol: Agent, number: int) -> None:
    """Search, keep a view, and do something with what was found."""
    door.call("index_lines")
    alice.call("search_tickets", words="me too")
    alice.call("search_tickets", states=["open"], tags=["none"], author="me", after="2026-01-01T00:00:00Z")
    view = alice.call("save_view", name="Open", query="is:open")
    door.refused("save_view", agent_id=alice.id, name=" ", query="")
    door.refused("delete_view", agent_id=carol.id, view_id=view["id"])
    alice.call("list_views")
    alice.call("delete_view", view_id=view["id"])
    done = alice.call("change_tickets", numbers=[number, 77], act="tag", value="Parts")
    alice.call("undo_tickets", act="tag", changes=[*done["changes"], {"number": 77, "version": 1}])
    door.refused("undo_tickets", agent_id=alice.id, act="erase", changes=[])
    door.refused("change_tickets", agent_id=alice.id, numbers=[number], act="none")


def save_replies(door: Heard, cast: Cast, alice: Agent) -> None:
    """Save replies, use them, and close a ticket with one."""
    carol, dora = cast.agent("carol"), cast.visitor()
    alice.come()
    number = dora.start("Hello", customer_name="Dora")["number"]
    alice.call("assign_ticket", number=number, assignee_id=alice.id, expected_id=(dora.chat["agent"] or {}).get("id"))
    values = {"name": "Hello", "message": "Hi {{customer.name}}", "picture": PICTURE}
    saved = carol.call("save_reply", values=values | {"is_shared": True, "close_after": True})["reply"]["id"]
    door.refused("save_reply", agent_id=carol.id, values=values | {"is_shared": True})
    door.refused("save_reply", agent_id=alice.id, values=values | {"is_shared": True})
    door.refused("save_reply", agent_id=alice.id, values={"name": "", "message": "Hi"})
    door.refused("save_reply", agent_id=alice.id, values={"role": "admin"})
    alice.call("picture_of_reply", reply_id=saved)
    alice.call("use_reply", reply_id=saved)
    carol.call("save_reply", reply_id=saved, values={"picture": None})
    alice.call("import_replies", rows=[{"name": "Bye", "message": "Goodbye", "close_after": True}])
    alice.call("list_replies")
    for words in ([], ["hel"], ["goodbye"]):
        alice.call("replies_for_ticket", number=number, words=words)
    door.refused("delete_reply", agent_id=alice.id, reply_id=saved)
    carol.call("delete_reply", reply_id=saved)
    hold_replies(door, alice, carol, number)
    alice.call("reply_and_act", number=number, client_message_id=new_id(), message="Goodbye", then="close")


def hold_replies(door: Heard, alice: Agent, carol: Agent, number: int) -> None:
    """Hold replies, take one back, and send the other."""
    carol.call("change_settings", values={"undo_send_seconds": 30})
    once = {"number": number, "client_message_id": new_id()}
    image = PICTURE | {"key": "f" * 64}
    alice.call("reply_and_act", **once, message="Wait", image=image, tags=["Parts"], may_hold=True)
    alice.call("held_replies", number=number)
    alice.call("picture_of_held", **once)
    alice.call("take_back_reply", **once)
    alice.call("forget_reply", **once)
    door.refused("take_back_reply", agent_id=alice.id, **once)
    alice.reply(number, "Sent", may_hold=True)
    door.run("update public.held_replies set due_at = now() where due_at is not null")
    door.call("release_replies")
    carol.call("show_settings")
    carol.call("change_settings", values={"undo_send_seconds": 0})


def shut_out(door: Heard, cast: Cast, alice: Agent) -> None:
    """Hold a chat with a link, release it, close it as spam, and ban who wrote it."""
    carol, sam = cast.agent("carol"), cast.visitor()
    carol.call("change_settings", values={"hold_links": "on"})
    number = sam.start("See www.example.com", address="2001:db8::/64")["number"]
    alice.call("ticket_of_agent", number=number)
    alice.call("release_ticket", number=number)
    carol.call("mark_spam", number=number)
    door.refused("post_message", visitor=sam.key, session_id=None, client_message_id=new_id(), message="Again")
    carol.call("ban_customer", number=number, what="network", days=7, reason="Sells watches")
    door.refused("ban_customer", agent_id=alice.id, number=number, what="browser")
    door.refused("ban_customer", agent_id=carol.id, number=number, what="phone")
    door.refused("start_chat", visitor=new_id(), client_message_id=new_id(), message="Me", address="2001:db8::/64")
    for ban in carol.call("list_bans")["bans"]:
        carol.call("end_ban", ban_id=ban["id"])


def run_the_agents(door: Heard, alice: Agent) -> None:
    """Do what is done to accounts."""
    door.call("create_agent", name="Dora", email="dora@example.com", password_hash="x")
    door.refused("create_agent", name="Dora", email="DORA@example.com", password_hash="x")
    door.call("reset_password", email="dora@example.com", password_hash="y")
    limits = {"account": Limit(1, 60), "address": Limit(9, 60)}
    for _ in range(2):
        door.refused("begin_login", email="dora@example.com", browser="b", address="192.0.2.1", limits=limits)
    manage_people(door, Cast(door))
    look_after_oneself(door, alice, Cast(door).agent("carol"))
    alice.call("set_availability", availability="away")
    alice.call("set_language", language="de")
    alice.call("set_keys", single_keys=False)
    door.call("list_agents")


def look_after_oneself(door: Heard, alice: Agent, carol: Agent) -> None:
    """Do what an agent does on their own page, and log in with two-factor."""
    alice.call("change_name", name="Alice K.")
    for key in ("e" * 64, None):
        alice.call("change_picture", key=key)
        door.call("is_open_picture", key="e" * 64)
    door.call("open_agent_session", agent_id=alice.id, token_hash="1" * 64, user_agent="Browser 1.0")
    other = next(s for s in alice.call("account", token_hash=alice.token_hash)["sessions"] if not s["is_this"])
    alice.call("end_agent_sessions", token_hash=alice.token_hash, session_id=other["id"])
    door.refused("end_agent_sessions", agent_id=alice.id, token_hash=alice.token_hash, session_id=other["id"])
    alice.call("change_password", password_hash="z", token_hash=alice.token_hash, browser="")
    alice.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["c1", "c2"])
    door.refused("turn_on_two_factor", agent_id=alice.id, secret="A" * 32, step=1, code_hashes=[])
    door.call("open_agent_session", agent_id=alice.id, token_hash="2" * 64)
    door.call("pending_login", token_hash="2" * 64, browser="")
    for _ in range(2):
        door.refused("begin_code", agent_id=alice.id, browser="", limits={"codes": Limit(1, 60)})
    login = {"pending": "2" * 64, "browser": "", "token_hash": "3" * 64, "new_browser": "b"}
    for step in (1, 2, 3):
        door.refused("finish_login", **login, step=step)
    alice.call("use_code", browser="", code_hash="c1")
    door.refused("use_code", agent_id=alice.id, browser="", code_hash="c1")
    alice.call("replace_recovery_codes", code_hashes=["c3"])
    door.refused("remove_two_factor", agent_id=alice.id, person_id=carol.id)
    alice.call("turn_off_two_factor")
    door.refused("turn_off_two_factor", agent_id=alice.id)
    alice.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=[])
    carol.call("remove_two_factor", person_id=alice.id)
    alice.come()
    for value in ("admins", "off", "perhaps"):
        door.refused("change_settings", agent_id=carol.id, values={"two_factor_required": value})


def manage_people(door: Heard, cast: Cast) -> None:
    """Do what an admin does, and who follows a link."""
    carol, bob = cast.agent("carol"), cast.agent("bob")
    door.call("refuse_login", email="bob@example.com", address="192.0.2.1")
    carol.call("invite_person", token_hash="a" * 64, email="eve@example.com", role="lead")
    door.refused("invite_person", agent_id=bob.id, token_hash="b" * 64, email="eve@example.com")
    door.refused("invite_person", agent_id=carol.id, token_hash="b" * 64, email="bob@example.com")
    door.refused("invite_person", agent_id=carol.id, token_hash="b" * 64, email="x@example.com", role="owner")
    [invitation] = carol.call("list_people")["invited"]
    carol.call("renew_invitation", link_id=invitation["id"], token_hash="b" * 64)
    for token_hash in ("a" * 64, "b" * 64):
        door.call("show_link", token_hash=token_hash)
    eve = door.call("accept_invitation", token_hash="b" * 64, name="Eve", password_hash="x")
    door.refused("accept_invitation", token_hash="b" * 64, name="Eve", password_hash="x")
    carol.call("make_password_link", person_id=eve["id"], token_hash="c" * 64)
    door.call("use_password_link", token_hash="c" * 64, password_hash="y")
    carol.call("withdraw_link", link_id=invitation["id"])
    carol.call("change_person", person_id=bob.id, name="Bob O.", role="lead", max_tickets=7)
    door.refused("change_person", agent_id=carol.id, person_id=carol.id, role="agent")
    carol.call("disable_person", person_id=eve["id"])
    door.refused("disable_person", agent_id=carol.id, person_id=carol.id)
    carol.call("enable_person", person_id=eve["id"])
    door.call("create_agent", name="Demo", email="demo@example.com", password_hash="x", is_demo=True)
    door.call("close_demo_accounts")
    come_from_the_provider(door, carol, bob)
    set_up(door, carol)


def come_from_the_provider(door: Heard, carol: Agent, bob: Agent) -> None:
    """Log in, join and be bound by what a provider says."""
    flow = {"issuer": "https://login.example.com", "nonce": "n", "code_verifier": "v", "purpose": "login"}
    for _ in range(2):  # the second is one too many
        door.refused(
            "begin_provider_flow",
            **flow,
            state_hash="1" * 64,
            browser="b",
            address="192.0.2.9",
            target="/agent",
            limits={"address": Limit(1, 60)},
        )
    for browser in ("another", "b", "b"):
        door.call("take_provider_flow", state_hash="1" * 64, browser=browser)
    one, two = ({"issuer": flow["issuer"], "subject": subject} for subject in ("1", "2"))
    bob.call("connect_identity", **one)
    door.refused("connect_identity", agent_id=bob.id, **two)
    door.refused("connect_identity", agent_id=carol.id, **one)
    door.call("agent_of_identity", **one, role="agent")
    door.call("agent_of_identity", **two)
    account = {"name": "", "email": "gil@example.com", "role": "agent"}
    door.refused("agent_of_identity", **two, account=account | {"email": "bob@example.com"})
    gil = door.call("agent_of_identity", **two, account=account)
    door.refused("disconnect_identity", agent_id=gil["id"], issuer=flow["issuer"])
    bob.call("disconnect_identity", issuer=flow["issuer"])
    carol.call("invite_person", token_hash="e" * 64, email="hal@example.com")
    for email in ("other@example.com", "HAL@example.com", None):
        door.refused("accept_invitation_by_identity", token_hash="e" * 64, **one, name="Hal", email=email)


def set_up(door: Heard, carol: Agent) -> None:
    """Begin anew, on a desk whose only admin has no password."""
    door.call("offer_setup", token_hash="d" * 64)
    door.refused("set_up", token_hash="d" * 64, name="Dan", email="dan@example.com", password_hash="x")
    door.run("delete from agent_credentials where agent_id = %s", carol.id)
    door.call("offer_setup", token_hash="d" * 64)
    door.call("set_up", token_hash="d" * 64, name="Dan", email="dan@example.com", password_hash="x")


def go_home(door: Heard, alice: Agent) -> None:
    """Log out, and stop the server."""
    door.call("agent_of_session", token_hash=alice.token_hash)
    door.call("close_agent_session", token_hash=alice.token_hash)
    door.call("forget_process", process_id=new_id())
