"""Every function of the database as people and servers call it, on a desk that grow() has filled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

# Of the visitors whom grow() makes.
LAST_IN_LINE, ANSWERED, RETURNING = "grown-0", "grown-1", "grown-2"
ONE_HAS_ROOM = "update public.agents set max_tickets = max_tickets + 1 where name = 'Agent 2'"
ALL_HAVE_ROOM = "update public.agents set max_tickets = 1000"
ALL_HAVE_LEFT = "update public.agents set lease_expires_at = now() - interval '1 minute'"
WAS_AWAY = "update public.agents set availability = 'away' where name = 'Agent 1'"
PICTURE = {"key": "a" * 64, "content_type": "image/png", "width": 64, "height": 48, "bytes": 900, "digest": "d" * 64}
LIMITS = {of: [60, 60] for of in ("address", "browser", "account", "codes")}
HAS_PASSWORD = """
insert into public.agent_credentials (agent_id, password_hash)
select id, 'x' from public.agents where name in ('Agent 1', 'Agent 2') on conflict do nothing
"""
# An admin counts only with a way in.
IS_ADMIN = f"{HAS_PASSWORD}; update public.agents set role = 'admin' where name = 'Agent 1'"
NO_ADMIN = "update public.agents set role = 'agent' where role = 'admin'"
# As many of the colleague's tickets go back to the queue however large the desk is.
HAS_THREE = f"""
{IS_ADMIN};
update public.tickets set assigned_agent_id = (select id from public.agents where name = 'Agent 1')
where id in (
    select t.id from public.tickets t join public.agents a on a.id = t.assigned_agent_id
    where t.status = 'open' and a.name = 'Agent 2' order by t.number offset 3
)
"""
NEW_ID = "00000000-0000-4000-8000-000000000000"
HELD = f"""
update public.tickets set held = 'link' where session_id in (
    select session_id from public.user_sessions join public.visitors using (visitor_id)
    where token_hash = '{LAST_IN_LINE}'
)
"""
FROM_ONE_NETWORK = """
update public.user_sessions set address = '192.0.2.1'
where session_id in (select session_id from public.customers_here limit 100)
    or visitor_id = (select visitor_id from public.visitors where token_hash = 'grown-1')
"""
TAGGED = """
insert into public.desk_tags (tag_id, name, folded) overriding system value values (1, 'Parts', 'parts');
insert into public.ticket_tags (ticket_id, tag_id) select id, 1 from public.tickets order by number limit 20
"""
VIEWED = f"""
insert into public.desk_views (view_id, agent_id, name, query)
select '{NEW_ID}', id, 'Open', 'is:open' from public.agents where name = 'Agent 1'
"""
SNOOZED = f"""
update public.tickets set snoozed_until = 'infinity' where session_id in (
    select session_id from public.user_sessions join public.visitors using (visitor_id) where token_hash = '{ANSWERED}'
) and status = 'open'
"""
MENTIONED = f"""
insert into public.note_mentions (session_id, note_no, agent_id, written)
select session_id, 1, a.id, '{{@Agent 1}}' from public.agents a cross join public.tickets t
join public.user_sessions using (session_id) join public.visitors using (visitor_id)
where token_hash = '{ANSWERED}' and t.status = 'open' and a.name = 'Agent 1'
"""
LOG_UNREAD = "update public.search_state set cursor = '3:3:', read_at = now(), next_ticket = null"
BANNED = (
    f"insert into public.bans (id, visitor_id, expires_at) select '{NEW_ID}', visitor_id, 'infinity'"
    f" from public.visitors where token_hash = '{ANSWERED}'"
)
REPLY = f"insert into public.saved_replies (id, name, message) values ('{NEW_ID}', 'Hello', 'Hi')"
# Three replies of the agent, due a while ago, which the setting that is on has held.
HELD_REPLIES = f"""
insert into public.desk_settings (name, value) values ('undo_send_seconds', '10');
insert into public.held_replies (session_id, client_message_id, agent_id, message, seen_seq, due_at, held_at)
select t.session_id, ('{NEW_ID[:-1]}' || n)::uuid, t.assigned_agent_id, 'One', t.last_seq, now(), now()
from (
    select t.*, last_seq from public.tickets t
    join public.user_sessions using (session_id) join public.visitors using (visitor_id)
    where token_hash = '{ANSWERED}' and t.status = 'open' order by number desc limit 1
) as t, generate_series(7, 9) as n
"""
TOKEN = "f" * 64
LINK = f"""
update public.agents set role = 'admin' where name = 'Agent 1';
insert into public.one_time_links (token_hash, id, purpose, email, role, max_tickets, expires_at)
values ('{TOKEN}', '{NEW_ID}', 'invitation', 'eve@example.com', 'agent', 5, now() + interval '1 day')
"""
TWO_FACTOR = f"""
{HAS_PASSWORD};
update public.agent_credentials set totp_secret = '{"A" * 32}' from public.agents a
where a.id = agent_id and a.name in ('Agent 1', 'Agent 2');
insert into public.recovery_codes (agent_id, code_hash) select id, 'c' from public.agents where name = 'Agent 1';
insert into public.pending_logins (token_hash, agent_id, browser)
select '{TOKEN}', id, '' from public.agents where name = 'Agent 1';
update public.agents set role = 'admin' where name = 'Agent 1'
"""
PASSWORD_LINK = f"""
insert into public.one_time_links (token_hash, purpose, agent_id, expires_at)
select '{TOKEN}', 'password', id, now() + interval '1 day' from public.agents where name = 'Agent 2'
"""
HANDOVER = f"""
insert into public.one_time_links (token_hash, purpose, visitor_id, sealed_key, expires_at)
select '{TOKEN}', 'handover', visitor_id, 'x', now() + interval '1 day'
from public.visitors where token_hash = '{RETURNING}'
"""
IDENTITY = {"issuer": "https://login.example.com", "subject": "1"}
FLOW = f"""
insert into public.provider_flows (state_hash, browser, issuer, nonce, code_verifier, purpose, address)
values ('{TOKEN}', 'b', 'i', 'n', 'v', 'login', '192.0.2.1')
"""
BOUND = f"""
{HAS_PASSWORD};
insert into public.agent_identities (issuer, subject, agent_id)
select 'https://login.example.com', '1', id from public.agents where name = 'Agent 1'
"""
SETUP_LINK = f"""
update public.agents set role = 'agent' where role = 'admin';
insert into public.one_time_links (token_hash, purpose, expires_at)
values ('{TOKEN}', 'setup', now() + interval '1 day')
"""
# As many as that however large the desk is.
OLD_CHATS = """
insert into public.desk_settings (name, value) values ('retention_days', '3000');
update public.tickets set closed_at = now() - interval '3001 days' where id in (
    select id from public.tickets where status = 'closed' order by number limit 3
)
"""
ONE_PAGE = f"select public.report_process('{NEW_ID}', 1, array['{NEW_ID}']::uuid[], '{{}}', '{{}}')"
DEVICE = {"endpoint": "https://push.example.com/x", "p256dh": "k", "auth": "a", "origin": "https://desk.example.com"}
HAS_DEVICE = f"""
insert into public.agent_devices (id, agent_id, endpoint, p256dh, auth, origin)
select '{NEW_ID}', id, 'https://push.example.com/x', 'k', 'a', 'https://desk.example.com'
from public.agents where name = 'Agent 1'
"""
HAS_PUSH = f"""
{HAS_DEVICE};
insert into public.agent_pushes (id, device_id, kind, due_at) values ('{NEW_ID}', '{NEW_ID}', 'test', now())
"""


@dataclass
class Act:
    """One call, and how things stand before it."""

    function: str
    arguments: dict[str, Any] = field(default_factory=dict)
    how: str = ""
    given: str = "select"

    @property
    def name(self) -> str:
        """What the call is, for people who read a table."""
        return f"{self.function}, {self.how}" if self.how else self.function


@dataclass
class People:
    """Those of a grown desk who act: the agent with the longest history, and three browsers with many chats each."""

    agent: str
    colleague: str
    process: str
    functions: list[str]
    # Of the last in line, of an open one, and of a closed one: number and conversation. The first two are very long.
    waiting: Any
    open: Any
    closed: Any
    image: str
    repeated: Any
    cursor: str
    here: list[str]
    epoch: str  # of the open one

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> People:
        """Find them."""

        def one(query: str) -> Any:
            return connection.cursor(row_factory=namedtuple_row).execute(query.encode()).fetchone()

        def newest(visitor: str) -> Any:
            return one(
                "select number, session_id::text, last_seq from public.tickets"
                " join public.user_sessions using (session_id) join public.visitors using (visitor_id)"
                f" where token_hash = '{visitor}' order by number desc limit 1"
            )

        def text(query: str) -> str:
            return str(one(query)[0])

        opened, closed = newest(ANSWERED), newest(RETURNING)
        return cls(
            agent=text("select id from public.agents where name = 'Agent 1'"),
            colleague=text("select id from public.agents where name = 'Agent 2'"),
            process=text("select process_id from public.server_processes order by sockets desc limit 1"),
            functions=[name for (name,) in connection.execute("select proname from pg_proc limit 50").fetchall()],
            waiting=newest(LAST_IN_LINE),
            open=opened,
            closed=closed,
            image=text(f"select id from public.chat_images where session_id = '{opened.session_id}'"),
            repeated=one(
                "select client_message_id::text as id, message from public.chat_messages"
                f" where session_id = '{closed.session_id}' and seq = 1"
            ),
            cursor=text("select public.events_after() ->> 'cursor'"),
            epoch=text(f"select _supportchat.epoch_of('{opened.session_id}', public.database_epoch())"),
            here=[
                session
                for (session,) in connection.execute(
                    "select session_id::text from public.tickets where status <> 'closed' order by number desc limit 50"
                ).fetchall()
            ],
        )

    def acts(self) -> list[Act]:
        """Return everything that can be done."""
        return [
            *self._customers(),
            *self._agents(),
            *self._reading(),
            *self._accounts(),
            *self._own(),
            *self._people(),
            *self._privacy(),
            *self._server(),
        ]

    def _customers(self) -> list[Act]:
        def start(visitor: str, how: str, given: str = "select", **repeated: str) -> Act:
            arguments = {
                "visitor": visitor,
                "client_message_id": NEW_ID,
                "message": "Hello",
                "address": "192.0.2.1",
                "limits": LIMITS,
                **repeated,
            }
            return Act("start_chat", arguments, how, given)

        def post(visitor: str, session: str, how: str, given: str = "select", image: Any = None) -> Act:
            arguments = {"visitor": visitor, "session_id": session, "client_message_id": NEW_ID, "message": "One"}
            return Act("post_message", {**arguments, "image": image}, how, given)

        return [
            start("new", "all full"),
            start("new", "one has room", ONE_HAS_ROOM),
            start(RETURNING, "with 1,000 earlier chats"),
            start(RETURNING, "a second time", client_message_id=self.repeated.id, message=self.repeated.message),
            start(LAST_IN_LINE, "while one waits"),
            post(ANSWERED, self.open.session_id, "to the agent"),
            post(ANSWERED, self.open.session_id, "with a picture", image=PICTURE),
            post(LAST_IN_LINE, self.waiting.session_id, "in line"),
            post(RETURNING, self.closed.session_id, "opens again"),
            post(RETURNING, self.closed.session_id, "opens again, one has room", ONE_HAS_ROOM),
            *(
                Act("conversation_of_visitor", {"visitor": visitor}, how)
                for visitor, how in (
                    (LAST_IN_LINE, "in line"),
                    (ANSWERED, "answered"),
                    (RETURNING, "closed"),
                    ("new", "none"),
                )
            ),
            Act("close_chat", {"visitor": ANSWERED, "session_id": self.open.session_id}, "answered"),
            Act("close_chat", {"visitor": LAST_IN_LINE}, "in line"),
            Act("name_customer", {"visitor": ANSWERED, "session_id": self.open.session_id, "name": "Vera"}),
            Act("image_of_session", {"image_id": self.image, "visitor": ANSWERED}),
            Act("signal_typing", {"visitor": ANSWERED}),
            Act(
                "signal_looks",
                {
                    "process_id": self.agent,
                    "looks": [{"session_id": self.open.session_id, "agent_id": self.agent, "does": "looks"}],
                },
            ),
            Act("record_receipt", {"delivered": 9, "read": 9, "visitor": LAST_IN_LINE}, "of a customer"),
            Act("who_is_here"),
        ]

    def _agents(self) -> list[Act]:
        def act(
            function: str, how: str = "", given: str = "select", number: int = self.open.number, **more: Any
        ) -> Act:
            return Act(function, {"agent_id": self.agent, "number": number, **more}, how, given)

        waiting, closed = self.waiting.number, self.closed.number
        return [
            act("ticket_of_agent", "open"),
            act("save_draft", mode="reply", draft="Half an answer"),
            Act("drafts_of_agent", {"agent_id": self.agent}),
            act("ticket_of_agent", "in line", number=waiting),
            act("ticket_of_agent", "closed", number=closed),
            act("show_ticket", "open"),
            act("show_ticket", "in line", number=waiting),
            act("show_ticket", "earlier lines", before=4),
            act("follow_ticket", after=self.open.last_seq - 2, after_note=0),
            act("post_reply", client_message_id=NEW_ID, message="How can I help?"),
            act("add_note", client_message_id=NEW_ID, note="Careful"),
            act("add_note", "mention", client_message_id=NEW_ID, note="@Agent 1 and @Agent 2"),
            act("read_mentions", note_no=9, given=MENTIONED),
            Act("complete_mention", {"agent_id": self.agent, "text": "a"}),
            act("reply_and_act", "close", client_message_id=NEW_ID, message="Goodbye", then="close"),
            act("reply_and_act", "snooze", client_message_id=NEW_ID, message="Wait", then="snooze", tags=["heating"]),
            act("post_reply", "held", given=HELD_REPLIES, client_message_id=NEW_ID, message="Wait", may_hold=True),
            act("held_replies", given=HELD_REPLIES),
            act("picture_of_held", client_message_id=NEW_ID),
            Act("release_replies", {}, given=HELD_REPLIES),
            act("take_back_reply", given=HELD_REPLIES, client_message_id=f"{NEW_ID[:-1]}7"),
            act("forget_reply", given=HELD_REPLIES, client_message_id=f"{NEW_ID[:-1]}7"),
            act("replies_for_ticket", given=REPLY, words=["hello"]),
            Act("list_replies", {"agent_id": self.agent}, given=REPLY),
            Act("save_reply", {"agent_id": self.agent, "values": Jsonb({"name": "Bye", "message": "Goodbye"})}),
            Act("import_replies", {"agent_id": self.agent, "rows": Jsonb([{"name": "Bye", "message": "Goodbye"}])}),
            Act("use_reply", {"agent_id": self.agent, "reply_id": NEW_ID}, given=REPLY),
            Act("picture_of_reply", {"agent_id": self.agent, "reply_id": NEW_ID}, given=REPLY),
            Act("delete_reply", {"agent_id": self.agent, "reply_id": NEW_ID}, given=f"{IS_ADMIN}; {REPLY}"),
            act("record_receipt", "of an agent", delivered=9, read=9, number=waiting),
            act("assign_ticket", "claim", number=waiting, assignee_id=self.agent),
            act("assign_ticket", "hand over", assignee_id=self.colleague, expected_id=self.agent),
            act("unassign_ticket", "all full"),
            act("unassign_ticket", "one has room", ONE_HAS_ROOM),
            act("close_ticket", "all full"),
            act("close_ticket", "one has room", ONE_HAS_ROOM),
            act("reopen_ticket", number=closed),
            *self._sorting(),
            act("release_ticket", given=HELD, number=waiting),
            act("mark_spam"),
            act("mark_spam", "by who may ban", IS_ADMIN),
            act("ban_customer", "a browser", IS_ADMIN, what="browser", days=1),
            act("ban_customer", "a network", f"{IS_ADMIN}; {FROM_ONE_NETWORK}", what="network", days=1),
            Act("list_bans", {"agent_id": self.agent}, given=IS_ADMIN),
            Act("end_ban", {"agent_id": self.agent, "ban_id": NEW_ID}, given=f"{IS_ADMIN}; {BANNED}"),
            *(
                Act("list_tickets", {"agent_id": self.agent, "view": view}, view)
                for view in ("mine", "unassigned", "all")
            ),
            Act("list_agents"),
            Act("queue_changes", {"session_ids": self.here[:2], "agent_ids": [self.agent]}),
            Act("queue_counts"),
            Act(
                "join_conversation",
                {"number": self.open.number, "after": self.open.last_seq, "after_note": 0},
                "an agent",
            ),
            Act("join_conversation", {"visitor": LAST_IN_LINE}, "a customer"),
        ]

    def _sorting(self) -> list[Act]:
        def act(function: str, how: str = "", given: str = "select", **more: Any) -> Act:
            return Act(function, {"agent_id": self.agent, **more}, how, given)

        number, curates = {"number": self.open.number}, f"{IS_ADMIN}; {TAGGED}"
        return [
            act("tag_ticket", **number, add=["Parts"]),
            act("complete_tag", given=TAGGED, text="p"),
            act("list_tags", given=TAGGED),
            act("rename_tag", given=curates, tag_id=1, name="Spare parts"),
            act("delete_tag", given=curates, tag_id=1),
            act("set_priority", **number, priority=1),
            act("set_queue_order", order="newest"),
            act("snooze_ticket", **number),
            act("unsnooze_ticket", given=SNOOZED, **number),
            act("search_tickets", "words that are not there", words="unheard of"),
            act("search_tickets", "snoozed", SNOOZED, states=["snoozed"]),
            act("search_tickets", "a view's count", states=["open"], limit=100),
            act("search_tickets", "closed ones of a customer", author="customer", states=["closed"]),
            Act("index_lines", {"limit": 10}, "what is new", LOG_UNREAD),
            Act("index_lines", {"limit": 10}, "what is older"),
            act("list_views", given=VIEWED),
            act("save_view", name="Open", query="is:open"),
            act("delete_view", given=VIEWED, view_id=NEW_ID),
            act("change_tickets", numbers=[self.open.number], act="priority", value="1"),
            act("undo_tickets", act="priority", changes=Jsonb([{"number": self.open.number, "version": 1}])),
        ]

    def _reading(self) -> list[Act]:
        def read(function: str, how: str = "", **more: Any) -> Act:
            return Act(function, {"session_id": self.open.session_id, **more}, how)

        return [
            read("messages_after", "the first", after=0, limit=4),
            read("messages_after", "the last", after=(1 << 30)),
            read("messages_before", "the last", limit=4),
            read("messages_before", "the first", before=4),
            read("notes_after", after=0),
            Act("waiting_line"),
            Act("conversations", {"session_ids": self.here[:2]}, "two in line"),
        ]

    def _accounts(self) -> list[Act]:
        login = {"email": "agent1@grown.example", "address": "192.0.2.1", "limits": LIMITS}
        return [
            Act("create_agent", {"name": "Dora", "email": "dora@example.com", "password_hash": "x"}),
            Act("reset_password", {"email": "agent1@grown.example", "password_hash": "y"}),
            Act("begin_login", {**login, "browser": "none"}, "anywhere"),
            Act("begin_login", {**login, "browser": "grown-1-1"}, "in a known browser"),
            Act("open_agent_session", {"agent_id": self.agent, "token_hash": "new", "browser": "new"}),
            Act("refuse_login", {"email": "agent1@grown.example", "address": "192.0.2.1"}),
            Act("agent_of_session", {"token_hash": "grown-1-1"}),
            Act("close_agent_session", {"token_hash": "grown-1-1"}),
            Act("set_language", {"agent_id": self.agent, "language": "de"}),
            Act("set_keys", {"agent_id": self.agent, "single_keys": True}),
            Act("set_availability", {"agent_id": self.agent, "availability": "away"}, "away"),
            Act("set_availability", {"agent_id": self.agent, "availability": "available"}, "back", WAS_AWAY),
        ]

    def _own(self) -> list[Act]:
        def act(function: str, given: str = "select", **more: Any) -> Act:
            return Act(function, {"agent_id": self.agent, **more}, given=given)

        session = {"token_hash": "grown-1-1"}
        finish = {"pending": TOKEN, "browser": "", "token_hash": "new", "new_browser": "new", "step": 9}
        return [
            act("account", **session),
            act("change_name", name="Alice"),
            act("change_picture", key="f" * 64),
            Act("is_open_picture", {"key": "f" * 64}),
            act("change_password", HAS_PASSWORD, password_hash="x", browser="", **session),
            act("end_agent_sessions", **session),
            act("turn_on_two_factor", HAS_PASSWORD, secret="A" * 32, step=1, code_hashes=["c"]),
            act("turn_off_two_factor", TWO_FACTOR),
            act("replace_recovery_codes", TWO_FACTOR, code_hashes=["d"]),
            act("begin_code", TWO_FACTOR, browser="", limits=LIMITS),
            act("use_code", TWO_FACTOR, browser="", code_hash="c"),
            Act("pending_login", {"token_hash": TOKEN, "browser": ""}, given=TWO_FACTOR),
            Act("finish_login", finish, given=TWO_FACTOR),
            act("remove_two_factor", TWO_FACTOR, person_id=self.colleague),
            act("change_settings", IS_ADMIN, values={"two_factor_required": "off"}),
        ]

    def _people(self) -> list[Act]:
        def act(function: str, given: str = IS_ADMIN, **more: Any) -> Act:
            return Act(function, {"agent_id": self.agent, **more}, given=given)

        new = {"token_hash": "e" * 64}
        account = {"token_hash": TOKEN, "name": "Eve", "password_hash": "x"}
        return [
            act("list_people"),
            act("invite_person", email="dora@example.com", **new),
            act("renew_invitation", LINK, link_id=NEW_ID, **new),
            act("withdraw_link", LINK, link_id=NEW_ID),
            act("make_password_link", person_id=self.colleague, **new),
            act("change_person", person_id=self.colleague, name="Eve", role="lead", max_tickets=9),
            act("disable_person", HAS_THREE, person_id=self.colleague),
            act("enable_person", person_id=self.colleague),
            Act("close_demo_accounts"),
            Act("show_link", {"token_hash": TOKEN}, given=LINK),
            Act("accept_invitation", account, given=LINK),
            Act("accept_invitation_by_identity", {"token_hash": TOKEN, "name": "Eve", **IDENTITY}, given=LINK),
            Act(
                "begin_provider_flow",
                {
                    **{"state_hash": TOKEN, "browser": "b", "issuer": "i", "nonce": "n", "code_verifier": "v"},
                    **{"purpose": "login", "address": "192.0.2.1", "limits": {"address": [9, 60]}},
                },
            ),
            Act("take_provider_flow", {"state_hash": TOKEN, "browser": "b"}, given=FLOW),
            Act("agent_of_identity", {**IDENTITY, "role": "lead"}, given=BOUND),
            act("connect_identity", **IDENTITY),
            act("disconnect_identity", BOUND, issuer=IDENTITY["issuer"]),
            Act("use_password_link", {"token_hash": TOKEN, "password_hash": "x"}, given=PASSWORD_LINK),
            Act("offer_setup", new, given=NO_ADMIN),
            Act("set_up", {**account, "email": "eve@example.com"}, given=SETUP_LINK),
        ]

    def _privacy(self) -> list[Act]:
        # On a larger desk the same customer has more chats, and an open one is longer.
        one_chat = f"{IS_ADMIN}; update public.user_sessions set visitor_id = null where session_id = '%s'"

        def act(function: str, **more: Any) -> Act:
            return Act(function, {"agent_id": self.agent, **more}, given=one_chat % self.closed.session_id)

        number = self.closed.number
        return [
            act("export_customer", number=number),
            act("preview_erasure", number=number),
            act("erase_customer", number=number, everything=True),
            act("show_privacy"),
            act("show_settings"),
            act("preview_retention", days=3650),
            act("list_sites"),
            act("add_site", key="shop", name="The shop"),
            act("change_site", key="main", values={"name": "The shop"}),
            act("change_logo", key="main", logo="a" * 64),
            act("archive_site", key="main", archived=False),
            Act("sites_in_use"),
            act("show_identity", key="main"),
            act("change_identity", key="main", values={"method": "secret"}),
            act("add_site_secret", key="main", secret="s" * 43),
            act("delete_site_secret", key="main", secret_id=self.agent),
            Act("identity_rules", {"site": "main"}),
            Act("identify_customer", {"visitor": TOKEN, "fresh": "e" * 64, "site": "main", "sub": "vera"}),
            Act("end_visit", {"visitor": TOKEN}),
            act("customer_card", number=number),
            Act("check_card"),
            Act("unread_of_visitor", {"visitor": RETURNING, "site": "main"}),
            Act("record_pages", {"visitor": RETURNING, "visit": {"pages": []}}),
            Act("pages_of_session", {"session_id": self.closed.session_id}),
            Act("make_handover", {"visitor": RETURNING, "token_hash": TOKEN, "sealed_key": "x"}),
            Act("show_handover", {"token_hash": TOKEN}, given=HANDOVER),
            Act("take_handover", {"token_hash": TOKEN}, given=HANDOVER),
            act("show_alerts"),
            act("change_alerts", values={"scope": "all"}),
            act("add_device", **DEVICE),
            Act("delete_device", {"agent_id": self.agent, "device_id": NEW_ID}, given=HAS_DEVICE),
            Act("test_device", {"agent_id": self.agent, "device_id": NEW_ID}, given=HAS_DEVICE),
            Act("push_keys"),
            act("list_audit", kinds=["settings.changed"]),
            act("note_audit_export", format="csv"),
            Act("erase_old_chats", given=OLD_CHATS),
            Act("forget_old_data"),
            Act("take_erasure_files"),
            Act("note_erased_files", {"keys": ["a" * 64]}),
        ]

    def _server(self) -> list[Act]:
        said = {"session_id": self.open.session_id, "epoch": self.epoch, "delivered": 9, "read": 9}
        agent = {"agent_id": self.agent, "token_hash": "grown-1-1"}
        return [
            Act("record_receipts", {"receipts": [{**said, "visitor": ANSWERED}, {**said, **agent}]}),
            Act("sweep_assignment", how="all full"),
            Act("sweep_assignment", how="one has room", given=ONE_HAS_ROOM),
            Act("sweep_assignment", how="all have room", given=ALL_HAVE_ROOM),
            Act("sweep_assignment", how="all have left", given=ALL_HAVE_LEFT),
            Act(
                "report_process",
                {
                    "process_id": self.process,
                    "sockets": 1,
                    "came": [NEW_ID],
                    "left": self.here[:1],
                    "token_hashes": ["grown-1-1"],
                },
            ),
            Act("forget_process", {"process_id": NEW_ID}, "with one page", ONE_PAGE),
            Act("events_after", {"cursor": None}, "the first time"),
            Act("events_after", {"cursor": self.cursor}, "since the last look"),
            Act("send_heartbeat", {"seconds": 0.0}),
            Act("send_ping", {"nonce": "n"}),
            Act("advance_alerts", how="nothing new"),
            Act("take_pushes", given=HAS_PUSH),
            Act("note_pushes", {"results": [{"id": NEW_ID, "kind": "test", "outcome": "sent"}]}, given=HAS_PUSH),
            Act("push_arrived", {"push_id": NEW_ID}, given=HAS_PUSH),
            Act("check_alerts"),
            Act("database_epoch"),
            Act("orphan_images", {"keys": [self.image, "b" * 64]}),
            Act("desk_figures"),
            Act("stuck_tickets", how="all full"),
            Act("stuck_tickets", how="one has room", given=ONE_HAS_ROOM),
            *(
                Act("check_table", {"table": table}, table)
                for table in ("user_sessions", "chat_messages", "tickets", "agents")
            ),
            Act("orphan_rows"),
            Act("verify_chat"),
            Act("applied_scripts"),
            Act("missing_functions", {"names": self.functions}),
            Act("find_exposures", {"names": self.functions}),
        ]


def run_act(connection: psycopg.Connection[Any], act: Act, prefix: str = "") -> Any:
    """Make the call within the transaction of the connection, and give the one value that comes."""
    names = ", ".join(f"p_{name} => %s" for name in act.arguments)
    values = [_adapted(value) for value in act.arguments.values()]
    row = connection.execute(f"{prefix} select public.{act.function}({names})".encode(), values).fetchone()
    return row and row[0]


def _adapted(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
        return Jsonb(value)
    # As a literal, so that Postgres gives it the type of the parameter: text[] or uuid[].
    return "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else value
