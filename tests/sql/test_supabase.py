"""On a project of Supabase: its roles, its Realtime, its Storage, and a web server that is `service_role`."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supportchat.database import FUNCTIONS, Database
from supportchat.database.errors import Invalid, NotFound
from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from supportchat.database.scripts import SCRIPTS, script_text
from tests.cast import Agent, Cast, Visitor, new_id
from tests.sql.conftest import superuser_of_project

pytestmark = pytest.mark.mode("postgres")
IMAGE = {"key": "a" * 64, "content_type": "image/webp", "width": 3, "height": 2, "bytes": 100, "digest": "d"}


def events(rows: Any) -> list[dict[str, Any]]:
    return [payload for (payload,) in rows("select payload from realtime.messages order by inserted_at, ctid")]


def test_every_function_that_the_web_code_calls_gives_up_in_time_and_there_is_no_other(project_rows: Any) -> None:
    functions = project_rows(
        "select proname, proconfig @> array['lock_timeout=2s'] and proconfig && array["
        " case proname when 'customer_card' then 'statement_timeout=500ms' else 'statement_timeout=3s' end]"
        " from pg_proc where pronamespace = 'public'::regnamespace"
    )
    assert sorted(functions) == [(name, True) for name in sorted(FUNCTIONS)]


class Recorder:
    """A door that remembers what was called."""

    advice = ""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.called: set[str] = set()

    def call(self, function: str, /, **arguments: Any) -> Any:
        self.called.add(function)
        return self._database.call(function, **arguments)

    def names_taken(self) -> str:
        return ""

    def close(self) -> None:
        self._database.close()


def test_service_role_may_do_everything_that_the_web_code_does(service: PostgresDatabase) -> None:
    door = Recorder(service)
    cast = Cast(door)
    vera, alice, bob = cast.visitor(), cast.agent("alice"), cast.agent("bob")
    door.call("create_agent", name="Eve", email="eve@example.com", password_hash="x")
    door.call("open_agent_session", agent_id=bob.id, token_hash=bob.token_hash)
    alice.come()
    session_id = vera.start("Hello", customer_name="Vera")["session_id"]
    number = vera.chat["number"]
    assert vera.chat["agent"]["id"] == alice.id
    vera.post("A picture", image=IMAGE)
    shown = vera.lines[-1]["image"]["id"]
    assert door.call("image_of_session", visitor=vera.key, image_id=shown)["key"] == IMAGE["key"]
    assert door.call("orphan_images", keys=["x"]) == ["x"]
    door.call("record_receipt", visitor=vera.key, delivered=2, read=1)
    receipt = {"session_id": session_id, "epoch": vera.chat["epoch"], "delivered": 2, "read": 2, "visitor": vera.key}
    assert door.call("record_receipts", receipts=[receipt])["busy"] == []
    door.call("signal_typing", visitor=vera.key)
    alice.call("save_draft", number=number, mode="reply", draft="Hi")
    assert len(alice.call("drafts_of_agent")) == 1
    look = {"session_id": session_id, "agent_id": alice.id, "does": "looks"}
    door.call("signal_looks", process_id=new_id(), looks=[look])
    alice.reply(number)
    bob.call("add_note", number=number, client_message_id=new_id(), note="I know her, @Alice Kern")
    assert bob.call("complete_mention", text="ali")[0]["written"] == "Alice Kern"
    assert alice.call("list_tickets")["mentions"] == [number]
    alice.call("read_mentions", number=number, note_no=1)
    assert len(door.call("notes_after", session_id=session_id, after=0)) == 1
    assert len(door.call("messages_before", session_id=session_id)) == vera.chat["last_seq"]
    assert door.call("list_agents")
    assert door.call("database_epoch")
    assert alice.call("list_tickets", view="all")["counts"]["all"] == 1
    alice.call("unassign_ticket", number=number)
    bob.call("assign_ticket", number=number, assignee_id=bob.id)
    assert bob.call("tag_ticket", number=number, add=["Parts"])["tags"]
    assert bob.call("complete_tag", text="pa") == [{"id": 1, "name": "Parts"}]
    cast.agent("carol").call("rename_tag", tag_id=1, name="Spare parts")
    cast.agent("carol").call("delete_tag", tag_id=1)
    assert bob.call("list_tags") == []
    assert bob.call("set_priority", number=number, priority=1)["priority"] == 1
    bob.call("set_queue_order", order="priority")
    assert bob.call("snooze_ticket", number=number)["ticket"]["snoozed"]
    bob.call("unsnooze_ticket", number=number)
    assert door.call("index_lines")["more"] is False
    assert bob.call("search_tickets", words="hello")["rows"]
    view = bob.call("save_view", name="Open", query="is:open")
    assert bob.call("list_views") == [view]
    bob.call("delete_view", view_id=view["id"])
    done = bob.call("change_tickets", numbers=[number], act="priority", value="2")
    assert bob.call("undo_tickets", act="priority", changes=done["changes"])["done"] == done["done"] == [number]
    bob.call("close_ticket", number=number)
    alice.call("reopen_ticket", number=number)
    assert alice.call("ticket_of_agent", number=number)["mine"]
    save_replies(alice, number)
    assert alice.call("show_ticket", number=number)["notes"]
    assert alice.call("follow_ticket", number=number, after=0, after_note=0)["messages"]
    assert door.call("join_conversation", number=number)["conversation"]["session_id"] == session_id
    alice.call("set_availability", availability="away")
    alice.call("set_language", language="de")
    alice.call("set_keys", single_keys=False)
    assert door.call("name_customer", visitor=vera.key, session_id=vera.chat["session_id"], name="Vera")
    door.call("close_chat", visitor=vera.key)
    assert door.call("sweep_assignment") == {"returned": 0, "assigned": 0, "held_due": False}
    assert len(door.call("conversations", session_ids=[session_id])) == 1
    assert door.call(
        "begin_login", email="alice@example.com", browser="", address="192.0.2.1", limits={"account": [5, 60]}
    )
    assert door.call("who_is_here")["agents"] == []
    assert door.call("events_after", cursor="1:1:")["events"]
    assert door.call("queue_changes", session_ids=[session_id], agent_ids=[alice.id])["rows"]
    assert door.call("queue_counts")["all"] == 0
    assert door.call("waiting_line")["session_ids"] == []
    for function in ("desk_figures", "verify_chat", "applied_scripts"):
        assert door.call(function)
    assert door.call("stuck_tickets") == []
    assert door.call("check_table", table="tickets")["rows"] == 1
    assert door.call("orphan_rows") == []
    assert door.call("missing_functions", names=["start_chat", "end_chat"]) == ["end_chat"]
    assert door.call("find_exposures", names=sorted(FUNCTIONS)) == []
    door.call("send_ping", nonce="n")
    assert door.call("send_heartbeat", seconds=0) == {"beat": 1}
    door.call("close_agent_session", token_hash=bob.token_hash)
    door.call("reset_password", email="bob@example.com", password_hash="y")
    shut_out(door, cast, vera)
    manage_people(door, cast)
    look_after_oneself(door, alice, cast.agent("carol"))
    erase(cast.agent("carol"), number)
    look_after_sites(door, cast.agent("carol"))
    name_a_customer(door, cast.agent("carol"), cast.visitor())
    browse(door, cast.visitor())
    door.call("erase_old_chats")
    assert door.call("take_erasure_files") == [IMAGE["key"]]
    door.call("note_erased_files", keys=[IMAGE["key"]])
    assert door.call("forget_old_data") is False
    door.call("forget_process", process_id=new_id())
    assert door.called == FUNCTIONS


def erase(carol: Agent, number: int) -> None:
    """Give a customer a copy, and erase them."""
    assert carol.call("export_customer", number=number, with_notes=True)
    assert carol.call("preview_erasure", number=number)["conversation"]["notes"] == 1
    carol.call("erase_customer", number=number)
    assert carol.call("show_privacy")["receipts"]
    assert carol.call("preview_retention", days=30)["chats"] == 0
    assert carol.call("list_audit")["rows"]
    carol.call("note_audit_export", format="json")


def look_after_sites(door: Recorder, carol: Agent) -> None:
    """Add a site, change it, and put it away."""
    assert carol.call("add_site", key="shop", name="The shop")["colour"] == "#017272"
    assert carol.call("change_site", key="shop", values={"colour": "#9a3412"})["colour"] == "#9a3412"
    assert carol.call("change_logo", key="shop", logo="f" * 64) is None
    assert len(door.call("sites_in_use")) == 2
    assert carol.call("archive_site", key="shop")["archived_at"]
    assert len(carol.call("list_sites")) == 2


def browse(door: Recorder, sven: Visitor) -> None:
    """Say where one is, and take the chat along."""
    session_id = sven.start("Where am I?")["session_id"]
    assert door.call("unread_of_visitor", visitor=sven.key, site="main") == 0
    door.call("record_pages", visitor=sven.key, visit={"pages": []})
    assert door.call("pages_of_session", session_id=session_id)["pages"] == []
    door.call("make_handover", visitor=sven.key, token_hash="7" * 64, sealed_key="sealed")
    assert door.call("show_handover", token_hash="7" * 64)["site"] == "main"
    assert door.call("take_handover", token_hash="7" * 64)["visitors"] == [sven.key]


def name_a_customer(door: Recorder, carol: Agent, vera: Visitor) -> None:
    """Have the main site name its customers, and log one out."""
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret="s" * 43)
    assert len(door.call("identity_rules", site="main")["secrets"]) == 1
    [secret] = carol.call("show_identity", key="main")["secrets"]
    carol.call("delete_site_secret", key="main", secret_id=secret["id"])
    number = vera.start("Who am I?")["number"]
    assert door.call("identify_customer", visitor=vera.key, fresh="1" * 64, site="main", sub="vera")["moved"]
    assert door.call("check_card") is None
    assert carol.call("customer_card", number=number) is None
    door.call("end_visit", visitor="1" * 64)
    assert door.call("conversation_of_visitor", visitor="1" * 64) is None


def look_after_oneself(door: Recorder, alice: Agent, carol: Agent) -> None:
    """Do what an agent does on their own page, and log in with two-factor."""
    assert alice.call("change_name", name="Alice K.")["name"] == "Alice K."
    alice.call("change_picture", key="e" * 64)
    assert door.call("is_open_picture", key="e" * 64)
    assert len(alice.call("account", token_hash=alice.token_hash)["sessions"]) == 1
    assert alice.call("end_agent_sessions", token_hash=alice.token_hash) == 0
    alice.call("change_password", password_hash="z", token_hash=alice.token_hash, browser="")
    alice.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["c1"])
    assert door.call("open_agent_session", agent_id=alice.id, token_hash="2" * 64) == {"needs_code": True}
    assert door.call("pending_login", token_hash="2" * 64, browser="")["agent_id"] == alice.id
    assert alice.call("begin_code", browser="", limits={"codes": [5, 60]})["step"] == 1
    door.call("finish_login", pending="2" * 64, browser="", token_hash="3" * 64, new_browser="b", step=2)
    alice.call("use_code", browser="b", code_hash="c1")
    alice.call("replace_recovery_codes", code_hashes=["c2"])
    alice.call("turn_off_two_factor")
    alice.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=[])
    assert carol.call("remove_two_factor", person_id=alice.id) == "Alice K."
    carol.call("change_settings", values={"two_factor_required": "admins"})


def save_replies(alice: Agent, number: int) -> None:
    """Save a reply, use it, and delete it."""
    saved = alice.call("save_reply", values={"name": "Hello", "message": "Hi"})["reply"]["id"]
    assert alice.call("import_replies", rows=[{"name": "Hello", "message": "Hello"}]) == {"added": 0, "changed": 1}
    alice.call("use_reply", reply_id=saved)
    assert alice.call("picture_of_reply", reply_id=saved) is None
    [listed] = alice.call("list_replies")
    assert (listed["message"], listed["uses"]) == ("Hello", 1)
    assert alice.call("replies_for_ticket", number=number)["replies"] == [listed]
    assert alice.call("delete_reply", reply_id=saved) is None
    sent = {"client_message_id": new_id(), "message": "Bye", "then": "close"}
    assert alice.call("reply_and_act", number=number, **sent)["messages"]
    alice.call("reopen_ticket", number=number)
    hold_replies(alice, Cast(alice._database).agent("carol"), number)


def hold_replies(alice: Agent, carol: Agent, number: int) -> None:
    """Hold replies, and take one back."""
    carol.call("change_settings", values={"undo_send_seconds": 30})
    once = {"number": number, "client_message_id": new_id()}
    assert alice.call("post_reply", **once, message="Wait", may_hold=True)["messages"] == []
    assert alice.call("picture_of_held", **once) is None
    assert alice.call("take_back_reply", **once)["message"] == "Wait"
    alice.call("forget_reply", **once)
    assert alice.call("held_replies", number=number) == []
    assert alice._database.call("release_replies") == {"answers": [], "more": False}
    assert carol.call("show_settings")["undo_send_seconds"] == 30
    carol.call("change_settings", values={"undo_send_seconds": 0})


def shut_out(door: Recorder, cast: Cast, vera: Visitor) -> None:
    """Close a chat as spam, ban who wrote it, and take it back."""
    carol, number = cast.agent("carol"), vera.chat["number"]
    assert carol.call("mark_spam", number=number)["banned"]
    [ban] = carol.call("ban_customer", number=number, what="browser", days=1)["bans"]
    assert carol.call("list_bans")["count"] == 1
    carol.call("end_ban", ban_id=ban["id"])
    carol.call("release_ticket", number=number)


def manage_people(door: Recorder, cast: Cast) -> None:
    """Do what an admin does, and who follows a link."""
    carol, bob = cast.agent("carol"), cast.agent("bob")
    door.call("refuse_login", email="bob@example.com", address="192.0.2.1")
    carol.call("invite_person", token_hash="a" * 64, email="dora@example.com")
    [invitation] = carol.call("list_people")["invited"]
    carol.call("renew_invitation", link_id=invitation["id"], token_hash="b" * 64)
    assert door.call("show_link", token_hash="b" * 64)["email"] == "dora@example.com"
    dora = door.call("accept_invitation", token_hash="b" * 64, name="Dora", password_hash="x")
    carol.call("withdraw_link", link_id=invitation["id"])
    carol.call("make_password_link", person_id=dora["id"], token_hash="c" * 64)
    door.call("use_password_link", token_hash="c" * 64, password_hash="y")
    assert carol.call("change_person", person_id=bob.id, role="lead")["rights"] == [
        "answer",
        "ban",
        "curate",
        "reassign",
    ]
    carol.call("disable_person", person_id=bob.id)
    carol.call("enable_person", person_id=bob.id)
    door.call("create_agent", name="Demo", email="demo@example.com", password_hash="x", is_demo=True)
    assert door.call("close_demo_accounts") == ["demo@example.com"]
    identity = {"issuer": "https://login.example.com", "subject": "1"}
    flow = {"nonce": "n", "code_verifier": "v", "purpose": "login", "address": "192.0.2.1"}
    door.call("begin_provider_flow", state_hash="e" * 64, browser="b", issuer=identity["issuer"], **flow)
    assert door.call("take_provider_flow", state_hash="e" * 64, browser="b")["nonce"] == "n"
    bob.call("connect_identity", **identity)
    assert door.call("agent_of_identity", **identity, role="lead")["id"] == bob.id
    bob.call("disconnect_identity", issuer=identity["issuer"])
    door.call("advance_alerts")
    device = bob.call("add_device", endpoint="https://push.example.com/1", p256dh="k", auth="a", origin="https://desk")
    bob.call("change_alerts", values={"scope": "all"})
    bob.call("test_device", device_id=device)
    [push] = door.call("take_pushes")
    door.call("note_pushes", results=[{"id": push["id"], "kind": "test", "outcome": "sent"}])
    assert door.call("push_arrived", push_id=push["id"])
    assert bob.call("show_alerts")["devices"][0]["test"]["arrived_at"]
    assert door.call("check_alerts")["devices"] == 1
    assert door.call("push_keys", private_key="p", public_key="q")["public_key"] == "q"
    bob.call("delete_device", device_id=device)
    carol.call("invite_person", token_hash="e" * 64, email="gil@example.com")
    assert door.call("accept_invitation_by_identity", token_hash="e" * 64, **identity, name="Gil")["name"] == "Gil"
    assert door.call("offer_setup", token_hash="d" * 64) == {"offered": False}
    with pytest.raises(NotFound):
        door.call("set_up", token_hash="d" * 64, name="Eve", email="eve@example.com", password_hash="x")


def test_an_event_goes_to_the_private_topic_and_leaves_with_the_commit(
    service: PostgresDatabase, project_rows: Any
) -> None:
    chat = Cast(service).visitor().start("Hello")
    assert project_rows("select distinct topic, private, extension from realtime.messages") == [
        ("supportchat", True, "broadcast")
    ]
    [first, *_] = [event for event in events(project_rows) if event["event"] == "message.posted"]
    assert (first["session_id"], first["detail"]["seq"], first["row"]["message"]) == (chat["session_id"], 1, "Hello")
    before = len(events(project_rows))
    with pytest.raises(Invalid):
        Cast(service).visitor().start("Refused", customer_name="n" * 81)
    assert len(events(project_rows)) == before


def test_realtime_gets_a_long_row_whole_while_notify_gets_it_without(
    service: PostgresDatabase, project: str, project_rows: Any
) -> None:
    with psycopg.connect(project, autocommit=True) as listener:
        listener.execute("listen supportchat")
        Cast(service).visitor().start("ß" * 8000)
        heard = next(listener.notifies(timeout=10)).payload
    assert len(heard) < 8000
    assert '"row"' not in heard
    assert events(project_rows)[0]["row"]["message"] == "ß" * 8000


@pytest.mark.parametrize(
    "closed",
    [
        "revoke usage on schema realtime from service_role",
        "revoke execute on function realtime.send from public",
        "drop function realtime.send",
        "revoke insert on realtime.messages from service_role",
    ],
)
def test_a_realtime_that_is_closed_to_us_fails_nothing(project: str, service: PostgresDatabase, closed: str) -> None:
    with psycopg.connect(superuser_of_project(project), autocommit=True) as superuser:
        superuser.execute(closed.encode())
        assert Cast(service).visitor().start("Hello")["last_seq"] > 0
        assert superuser.execute("select count(*) from realtime.messages").fetchone() == (0,)


def test_a_heartbeat_is_sent_once_for_all_who_ask(service: PostgresDatabase, project_rows: Any) -> None:
    assert service.call("send_heartbeat", seconds=60) == {"beat": 1}
    assert service.call("send_heartbeat", seconds=60) == {"beat": 1}
    project_rows("update heartbeat set sent_at = now() - interval '61 seconds' where only_row")
    assert service.call("send_heartbeat", seconds=60) == {"beat": 2}
    assert [(event["event"], event["beat"]) for event in events(project_rows)] == [("heartbeat", 1), ("heartbeat", 2)]


def test_who_asks_for_a_heartbeat_waits_for_nobody(service: PostgresDatabase, project: str) -> None:
    with psycopg.connect(project) as sending:
        sending.execute("select send_heartbeat(0)")
        # Not committed: its row is locked, and waiting for it would end in a lock_timeout.
        assert service.call("send_heartbeat", seconds=0) == {"beat": 0}
    assert service.call("send_heartbeat", seconds=60) == {"beat": 1}


def test_the_heartbeat_comes_back_when_somebody_has_emptied_the_table(
    service: PostgresDatabase, project_rows: Any
) -> None:
    project_rows("delete from heartbeat where only_row")
    assert service.call("send_heartbeat", seconds=60) == {"beat": 1}


def bucket(conninfo: str) -> Any:
    """Return what the database's owner reads of the bucket."""
    with psycopg.connect(conninfo) as owner:
        [answer] = owner.execute("select _supportchat.check_bucket()").fetchone() or ()
    return answer


def test_the_bucket_is_private_and_limited(project: str, project_rows: Any) -> None:
    assert project_rows("select id, name from storage.buckets") == [("chat-images", "chat-images")]
    assert bucket(project) == {
        "exists": True,
        "public": False,
        "file_size_limit": 10485760,
        "allowed_mime_types": ["image/png", "image/jpeg", "image/webp", "image/gif"],
    }


def test_a_bucket_that_is_there_stays_as_it_was_set_and_is_described(new_project: str) -> None:
    with psycopg.connect(new_project, autocommit=True) as owner:
        owner.execute("insert into storage.buckets (id, name, public) values ('chat-images', 'chat-images', true)")
        migrate(new_project)
    assert bucket(new_project) == {
        "exists": True,
        "public": True,
        "file_size_limit": None,
        "allowed_mime_types": None,
    }


def test_a_bucket_that_was_deleted_is_made_again(project: str) -> None:
    with psycopg.connect(superuser_of_project(project)) as superuser:
        superuser.execute("set session_replication_role = replica")
        superuser.execute("delete from storage.buckets where id = 'chat-images'")
    assert migrate(project) == ["supabase_schema.sql"]
    assert bucket(project)["exists"]
    assert migrate(project) == []


def test_postgrest_is_told_to_look_again_also_when_nothing_was_missing(project: str) -> None:
    with psycopg.connect(project, autocommit=True) as listener:
        listener.execute("listen pgrst")
        assert migrate(project) == []
        assert [told.payload for told in listener.notifies(timeout=5, stop_after=1)] == ["reload schema"]


def test_a_missing_bucket_is_told_from_a_missing_storage(project: str, database_url: str) -> None:
    with psycopg.connect(superuser_of_project(project)) as superuser:
        superuser.execute("set session_replication_role = replica")  # Storage wants it done by its own API
        superuser.execute("delete from storage.buckets where id = 'chat-images'")
    assert bucket(project)["exists"] is False
    assert bucket(database_url) is None


@pytest.mark.parametrize(
    "storage",
    [
        "create schema storage; create table storage.buckets (label text)",
        "create schema storage; create table storage.shelves (id text)",
    ],
)
def test_a_storage_schema_of_another_make_is_left_alone(rows: Any, database_url: str, storage: str) -> None:
    rows(storage)
    rows("delete from schema_scripts where name = 'supabase_schema.sql'")
    migrate(database_url)
    assert bucket(database_url) is None


def test_roles_of_a_browser_may_do_nothing_and_service_role_only_what_is_named(project_rows: Any) -> None:
    rights = project_rows(
        """
        select kind, name, grantee::regrole::text, string_agg(privilege_type, ',' order by privilege_type) from (
            select 'table', c.relname, a.grantee, a.privilege_type
            from pg_class c, aclexplode(c.relacl) a
            where c.relnamespace in ('public'::regnamespace, '_supportchat'::regnamespace)
                and c.relkind in ('r', 'v', 'm', 'S')
            union all
            select 'schema', n.nspname, a.grantee, a.privilege_type
            from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = '_supportchat'
            union all
            select 'function', p.proname, a.grantee, a.privilege_type
            from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            where p.pronamespace in ('public'::regnamespace, '_supportchat'::regnamespace)
        ) as granted (kind, name, grantee, privilege_type)
        where grantee <> 'postgres'::regrole
        group by 1, 2, 3
        """
    )
    assert {grantee for _, _, grantee, _ in rights} == {"service_role"}
    assert {(kind, right) for kind, _, _, right in rights} == {
        ("table", "DELETE,INSERT,SELECT,UPDATE"),
        ("table", "USAGE"),  # of ticket_numbers
        ("schema", "USAGE"),
        ("function", "EXECUTE"),
    }


def test_the_scripts_tell_postgrest_at_their_end_what_changed() -> None:
    for name in SCRIPTS:
        assert "\nnotify pgrst, 'reload schema';\n" in script_text(name)[-700:], name


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_browsers_key_reads_no_row_and_runs_no_function(project: str, role: str) -> None:
    with psycopg.connect(f"{project} options='-c role={role}'", autocommit=True) as browser:
        for statement in ("select * from user_sessions", "select messages_after(gen_random_uuid(), 0)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                browser.execute(statement.encode())


def test_typing_is_told_with_the_line_after_which_it_was(service: PostgresDatabase, project_rows: Any) -> None:
    visitor = Cast(service).visitor()
    chat = visitor.start("Hello")
    service.call("signal_typing", visitor=visitor.key)
    (typing,) = (event for event in events(project_rows) if event["event"] == "typing")
    assert (typing["sender"], typing["seq"]) == ("user", chat["last_seq"])
    with pytest.raises(NotFound):
        service.call("signal_typing", visitor="nobody")
    assert [event["event"] for event in events(project_rows)].count("typing") == 1
