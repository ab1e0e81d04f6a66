"""What customers may ask for: a copy of what we have of them, or its end; and how long things are kept."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from supportchat.database import Conflict, Database, Forbidden, Invalid, NotFound
from tests.cast import Agent, Cast, Visitor, new_id
from tests.privacy.cast import OF_CONVERSATIONS, end, picture, talk

pytestmark = pytest.mark.mode("postgres")

# What may be left of a conversation that was erased.
KEPT = {"user_sessions", "tickets", "events", "customers_here"}
SECRETS = ("My secret", "Vera", "1234567", "Berlin", "An answer", "upset")


@pytest.fixture
def vera(cast: Cast) -> Visitor:
    return cast.visitor()


@pytest.fixture
def number(database: Database, vera: Visitor, alice: Agent) -> int:
    return talk(database, vera, alice)


def whole_database(rows: Any) -> str:
    """Return every row of every table, as text."""
    tables = [name for (name,) in rows("select _supportchat.declared_tables()")]
    return "\n".join(str(rows(f"select to_jsonb(t) from public.{name} t")) for name in tables)


def test_nothing_that_was_said_or_typed_is_left_of_an_erased_chat(rows: Any, carol: Agent, number: int) -> None:
    before = whole_database(rows)
    assert [secret for secret in SECRETS if secret not in before] == []
    carol.call("erase_customer", number=number)
    after = whole_database(rows)
    assert [secret for secret in SECRETS if secret in after] == []


def test_an_erased_customer_has_no_browser_any_more(rows: Any, carol: Agent, vera: Visitor, number: int) -> None:
    rows("insert into throttle_buckets (key, full_at) values (%s, now() + '1 hour')", f"starts/browser/{vera.key}")
    carol.call("erase_customer", number=number)
    assert vera.chat is None
    assert vera.key not in whole_database(rows)


def test_every_table_with_rows_of_a_conversation_is_thought_of(rows: Any, carol: Agent, number: int) -> None:
    declared = rows(
        "select distinct table_name from _supportchat.declared_columns()"
        " where column_name in ('session_id', 'ticket_id')"
    )
    assert {name for (name,) in declared} == OF_CONVERSATIONS
    [(session_id,)] = rows("select session_id from tickets where number = %s", number)
    carol.call("erase_customer", number=number)
    for name in OF_CONVERSATIONS - KEPT:
        assert rows(f"select count(*) from {name} where session_id = %s", session_id) == [(0,)], name


def test_the_figures_of_the_desk_stay_as_they_were(rows: Any, carol: Agent, vera: Visitor, number: int) -> None:
    figures = "select number, created_at, first_reply_at, assigned_agent_id from tickets"
    lines = "select customer_lines from user_sessions"
    before = rows(figures), rows(lines)
    carol.call("erase_customer", number=number)
    assert (rows(figures), rows(lines)) == before


def test_erasing_everything_of_a_customer_takes_each_of_their_chats_and_nobody_elses(
    database: Database, rows: Any, cast: Cast, alice: Agent, carol: Agent, vera: Visitor, number: int
) -> None:
    database.call("close_chat", visitor=vera.key)
    vera.start("Again")
    victor = cast.visitor()
    victor.start("Another secret")
    receipt = carol.call("erase_customer", number=number, everything=True)
    assert {key: receipt[key] for key in ("conversations", "messages", "notes", "pictures")} == {
        "conversations": 2,
        "messages": 4,
        "notes": 1,
        "pictures": 1,
    }
    assert rows("select count(*) from visitors") == [(1,)]
    assert [line["message"] for line in victor.lines if line["sender"] == "user"] == ["Another secret"]


def test_erasing_one_chat_leaves_the_customer_their_others(
    database: Database, carol: Agent, vera: Visitor, number: int
) -> None:
    database.call("close_chat", visitor=vera.key)
    vera.start("Again")
    preview = carol.call("preview_erasure", number=number)
    assert (preview["conversation"]["conversations"], preview["customer"]["conversations"]) == (1, 2)
    carol.call("erase_customer", number=number)
    assert [line["message"] for line in vera.lines if line["sender"] == "user"] == ["Again"]


def test_an_open_ticket_ends_with_its_erasure_and_makes_room_for_who_waits(
    rows: Any, cast: Cast, alice: Agent, carol: Agent, number: int
) -> None:
    rows("update agents set max_tickets = 1")
    waiting = cast.visitor()
    assert waiting.start("Me too")["status"] == "waiting"
    carol.call("erase_customer", number=number)
    assert alice.call("ticket_of_agent", number=number)["status"] == "closed"
    assert waiting.chat["status"] == "open"


def test_nobody_can_write_into_an_erased_chat(
    database: Database, alice: Agent, carol: Agent, vera: Visitor, number: int
) -> None:
    session_id = vera.chat["session_id"]
    carol.call("erase_customer", number=number)
    with pytest.raises(NotFound):
        vera.post("Hello?", session_id=session_id)
    for function in ("post_reply", "add_note"):
        text = "message" if function == "post_reply" else "note"
        with pytest.raises(Conflict):
            alice.call(function, number=number, client_message_id=new_id(), **{text: "Hello?"})
    for function in ("reopen_ticket", "erase_customer"):
        with pytest.raises(Conflict, match="ticket_erased"):
            carol.call(function, number=number)


def test_a_receipt_closes_when_the_store_has_no_picture_of_it_any_more(
    database: Database, vera: Visitor, carol: Agent, number: int
) -> None:
    vera.post("", image=picture(2))
    receipt = carol.call("erase_customer", number=number)
    keys = database.call("take_erasure_files")
    assert sorted(keys) == sorted(picture(place)["key"] for place in (number, 2))
    assert (receipt["files"], receipt["closed_at"]) == (2, None)
    database.call("note_erased_files", keys=keys[:1])
    [receipt] = carol.call("show_privacy")["receipts"]
    assert (receipt["files"], receipt["closed_at"]) == (1, None)
    database.call("note_erased_files", keys=keys[1:])
    [receipt] = carol.call("show_privacy")["receipts"]
    assert receipt["files"] == 0
    assert receipt["closed_at"]


def test_a_chat_without_pictures_has_a_closed_receipt_at_once(carol: Agent, vera: Visitor) -> None:
    assert carol.call("erase_customer", number=vera.start()["number"])["closed_at"]


def test_a_picture_that_could_not_be_deleted_is_handed_out_again_after_a_minute(
    database: Database, rows: Any, carol: Agent, number: int
) -> None:
    carol.call("erase_customer", number=number)
    [key] = database.call("take_erasure_files")
    assert database.call("take_erasure_files") == []
    rows("update erasure_files set tried_at = tried_at - interval '2 minutes'")
    assert database.call("take_erasure_files") == [key]


def test_only_who_has_the_right_exports_erases_and_decides_how_long(alice: Agent, number: int) -> None:
    for function, arguments in (
        ("export_customer", {"number": number}),
        ("preview_erasure", {"number": number}),
        ("erase_customer", {"number": number}),
        ("show_privacy", {}),
        ("preview_retention", {"days": 30}),
        ("list_audit", {}),
        ("note_audit_export", {"format": "csv"}),
    ):
        with pytest.raises(Forbidden):
            alice.call(function, **arguments)


def test_the_audit_log_says_who_exported_and_erased_whom_and_no_more(rows: Any, carol: Agent, number: int) -> None:
    carol.call("export_customer", number=number)
    carol.call("erase_customer", number=number, everything=True)
    found = rows("select kind, agent_id::text, about from audit_log where starts_with(kind, 'customer.') order by id")
    assert [(kind, agent) for kind, agent, _ in found] == [
        ("customer.exported", carol.id),
        ("customer.erased", carol.id),
    ]
    assert [set(about) for _, _, about in found] == [
        {"number", "conversations", "notes"},
        {"number", "conversations", "erasure"},
    ]


def test_a_copy_lists_the_chats_of_the_customer_and_nobody_elses(
    database: Database, cast: Cast, carol: Agent, vera: Visitor, number: int
) -> None:
    cast.visitor().start("Another secret")
    database.call("close_chat", visitor=vera.key)
    again = vera.start("Again")["number"]
    found = carol.call("export_customer", number=again)
    assert [chat["number"] for chat in found] == [number, again]
    assert found[0]["customer_phone"] == "+49 30 1234567"


# How long chats are kept


def keep(carol: Agent, days: int | None) -> None:
    carol.call("change_settings", values={"retention_days": days})


def test_chats_are_kept_until_somebody_says_otherwise(
    database: Database, rows: Any, vera: Visitor, number: int
) -> None:
    end(database, rows, vera, days=3000)
    assert database.call("erase_old_chats")["erased"] == 0
    assert vera.chat["number"] == number


def test_a_preview_counts_what_is_then_erased(database: Database, rows: Any, cast: Cast, carol: Agent) -> None:
    for days in (10, 31, 200):
        visitor = cast.visitor()
        visitor.start()
        end(database, rows, visitor, days)
    cast.visitor().start("Still open")
    preview = carol.call("preview_retention", days=30)
    [(oldest,)] = rows("select to_jsonb(min(closed_at)) #>> '{}' from tickets")
    assert (preview["chats"], preview["oldest_at"]) == (2, oldest)
    keep(carol, 30)
    assert database.call("erase_old_chats")["erased"] == 2
    assert rows("select count(*) from visitors") == [(2,)]
    assert carol.call("preview_retention", days=30)["chats"] == 0


def test_old_chats_go_in_small_steps_with_one_receipt_and_one_line_in_the_audit_log_a_day(
    database: Database, rows: Any, cast: Cast, carol: Agent
) -> None:
    for days in (40, 50, 60):
        visitor = cast.visitor()
        visitor.start(image=picture(days))
        end(database, rows, visitor, days)
    keep(carol, 30)
    steps = [database.call("erase_old_chats", limit=2) for _ in range(3)]
    assert [(step["erased"], step["more"], step["today"]) for step in steps] == [
        (2, True, 2),
        (1, False, 3),
        (0, False, None),
    ]
    [receipt] = carol.call("show_privacy")["receipts"]
    assert (receipt["kind"], receipt["conversations"], receipt["files"], receipt["closed_at"]) == (
        "retention",
        3,
        3,
        None,
    )
    assert rows("select about ->> 'days' from audit_log where kind = 'retention.began'") == [("30",)]


def test_a_step_ends_with_a_very_long_chat(database: Database, rows: Any, cast: Cast, carol: Agent) -> None:
    for days in (60, 50):
        visitor = cast.visitor()
        visitor.start()
        end(database, rows, visitor, days)
    rows("update user_sessions set last_seq = 2000")
    keep(carol, 30)
    assert database.call("erase_old_chats")["erased"] == 1


def test_a_chat_that_somebody_is_at_waits_and_holds_nobody_up(
    database: Database, database_url: str, rows: Any, cast: Cast, carol: Agent
) -> None:
    visitors = [cast.visitor() for _ in range(2)]
    for visitor in visitors:
        visitor.start()
        end(database, rows, visitor, days=40)
    keep(carol, 30)
    with psycopg.connect(database_url) as other:
        other.execute("select from user_sessions where session_id = %s for update", [visitors[0].chat["session_id"]])
        assert database.call("erase_old_chats")["erased"] == 1
    assert visitors[1].chat is None
    assert database.call("erase_old_chats")["erased"] == 1
    assert visitors[0].chat is None


def test_a_chat_that_goes_on_is_not_old(database: Database, rows: Any, carol: Agent, vera: Visitor) -> None:
    vera.start()
    end(database, rows, vera, days=40)
    vera.post("One more thing")
    keep(carol, 30)
    assert database.call("erase_old_chats")["erased"] == 0
    assert vera.chat["status"] != "closed"


def test_an_older_ticket_without_a_conversation_stops_no_step(
    database: Database, rows: Any, carol: Agent, vera: Visitor
) -> None:
    vera.start()
    end(database, rows, vera, days=40)
    rows("insert into tickets (status, closed_at) values ('closed', now() - interval '90 days')")
    keep(carol, 30)
    assert database.call("erase_old_chats")["erased"] == 1
    assert rows("select count(*) from tickets where erased_at is null") == [(0,)]


def test_customers_who_write_again_while_they_are_erased_get_a_chat_or_are_told_so(
    database: Database, rows: Any, cast: Cast, carol: Agent
) -> None:
    """Those who start again, and the retention, meet in every order; nobody waits in a circle."""
    visitors = [cast.visitor() for _ in range(12)]
    for visitor in visitors:
        visitor.start("Once")
        end(database, rows, visitor, days=40)
    keep(carol, 30)
    failures: list[Exception] = []

    def write(visitor: Visitor) -> None:
        try:
            visitor.start("Again")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    while database.call("erase_old_chats", limit=1)["more"]:
        pass
    for thread in threads:
        thread.join()
    assert failures == []
    assert [visitor.chat["status"] for visitor in visitors].count("closed") == 0
    assert {line["message"] for visitor in visitors for line in visitor.lines if line["sender"] == "user"} == {"Again"}


@pytest.mark.parametrize("days", [0, -1, 3651, "30", True, 1.5, [30]])
def test_a_number_of_days_that_makes_no_sense_is_refused(carol: Agent, days: Any) -> None:
    with pytest.raises(Invalid):
        keep(carol, days)


def test_a_preview_of_no_number_of_days_is_refused(carol: Agent) -> None:
    for days in (0, 3651):
        with pytest.raises(Invalid, match="days_out_of_range"):
            carol.call("preview_retention", days=days)


# What else is forgotten


def test_the_audit_log_is_kept_as_long_as_admins_say_and_as_long_as_the_chats(
    database: Database, rows: Any, carol: Agent
) -> None:
    def kinds() -> set[str]:
        return {kind for (kind,) in rows("select kind from audit_log where starts_with(kind, 'day.')")}

    rows("alter table audit_log disable trigger guard_audit")
    for days in (300, 500, 1000):
        rows(
            "insert into audit_log (kind, created_at) values (%s, now() - make_interval(days => %s))",
            f"day.{days}",
            days,
        )
    rows("alter table audit_log enable trigger guard_audit")
    database.call("forget_old_data")
    assert kinds() == {"day.300", "day.500"}
    carol.call("change_settings", values={"audit_days": 365, "retention_days": 600})
    database.call("forget_old_data")
    assert kinds() == {"day.300", "day.500"}
    keep(carol, 30)
    database.call("forget_old_data")
    assert kinds() == {"day.300"}


def test_what_nobody_needs_any_more_is_forgotten_without_anybody_logging_in(
    database: Database, rows: Any, alice: Agent
) -> None:
    tables = (
        "agent_sessions",
        "agent_browsers",
        "one_time_links",
        "throttle_buckets",
        "refused_logins",
        "pending_logins",
        "provider_flows",
    )
    database.call("open_agent_session", agent_id=alice.id, token_hash="t", browser="b")
    rows("update agent_sessions set created_at = now() - interval '13 hours'")
    rows("update agent_browsers set seen_at = now() - interval '181 days'")
    rows(
        "insert into one_time_links (token_hash, purpose, expires_at)"
        " values (%s, 'invitation', now() - interval '31 days')",
        "a" * 64,
    )
    rows("insert into throttle_buckets (key, full_at) values ('starts/address/192.0.2.1', now() - interval '1 second')")
    rows("insert into refused_logins (key, began_at) values ('address/192.0.2.1', now() - interval '2 hours')")
    rows(
        "insert into pending_logins (token_hash, agent_id, created_at) values ('p', %s, now() - interval '1 hour')",
        alice.id,
    )
    rows(
        "insert into provider_flows (state_hash, browser, issuer, nonce, code_verifier, purpose, address, created_at)"
        " values (%s, 'b', 'i', 'n', 'v', 'login', '192.0.2.1', now() - interval '11 minutes')",
        "a" * 64,
    )
    assert [name for name in tables if rows(f"select count(*) from {name}") == [(0,)]] == []
    database.call("forget_old_data")
    assert [name for name in tables if rows(f"select count(*) from {name}") != [(0,)]] == []


# The audit log


def test_the_audit_log_is_read_newest_first_by_kind_person_and_page(
    database: Database, carol: Agent, bob: Agent
) -> None:
    carol.call("change_person", person_id=bob.id, role="lead")
    bob.call("change_name", name="Bobby")
    keep(carol, 30)
    found = carol.call("list_audit", kinds=["person.role_changed", "name.changed", "settings.changed"])
    assert [row["kind"] for row in found["rows"]] == ["settings.changed", "name.changed", "person.role_changed"]
    of_bob = carol.call(
        "list_audit", person_id=bob.id, kinds=["person.role_changed", "name.changed", "settings.changed"]
    )
    assert [row["kind"] for row in of_bob["rows"]] == ["name.changed", "person.role_changed"]
    page = carol.call(
        "list_audit", kinds=["person.role_changed", "name.changed"], before=of_bob["rows"][0]["id"], limit=1
    )
    assert [row["kind"] for row in page["rows"]] == ["person.role_changed"]
    assert page["rows"][0]["person"] == {
        "id": bob.id, "name": "Bobby", "picture": None, "email": "bob@example.com",
    }  # fmt: skip
    assert found["rows"][1]["about"] == {"from": "Bob Ortiz", "to": "Bobby"}


def test_who_is_erased_can_be_neither_banned_nor_called_spam(database: Database, carol: Agent, number: int) -> None:
    carol.call("erase_customer", number=number, everything=True)
    with pytest.raises(Conflict, match="ticket_erased"):
        carol.call("mark_spam", number=number)
    with pytest.raises(Conflict, match="nothing_to_ban"):
        carol.call("ban_customer", number=number, what="network")


def test_erasing_a_customer_erases_their_network_and_ends_their_ban(
    cast: Cast, carol: Agent, rows: Any, database: Database
) -> None:
    victor = cast.visitor()
    number = victor.start("Hello", address="192.0.2.7")["number"]
    carol.call("ban_customer", number=number, what="browser")
    carol.call("erase_customer", number=number, everything=True)
    assert (
        rows("select count(*) from bans")
        == rows("select count(*) from visitors where banned_until is not null")
        == [(0,)]
    )
    assert rows("select address from user_sessions where address is not null") == []


def test_erasing_a_customer_leaves_of_a_ban_of_their_network_only_the_network(
    cast: Cast, carol: Agent, rows: Any
) -> None:
    victor = cast.visitor()
    number = victor.start("Hello", address="192.0.2.7")["number"]
    carol.call("ban_customer", number=number, what="network", days=7, reason="Victor swears")
    carol.call("erase_customer", number=number, everything=True)
    assert rows("select network, reason, session_id from bans where expires_at > now()") == [("192.0.2.7", "", None)]
    [listed] = carol.call("list_bans")["bans"]
    assert (listed["number"], listed["customer_name"]) == (None, None)
    carol.call("end_ban", ban_id=listed["id"])


def test_a_copy_has_the_bans_that_were_made_from_its_chats(cast: Cast, carol: Agent) -> None:
    number = cast.visitor().start("Hello", address="192.0.2.7")["number"]
    carol.call("ban_customer", number=number, what="network", reason="Swears")
    carol.call("ban_customer", number=number, what="browser", days=7)
    [chat] = carol.call("export_customer", number=number)
    assert [(ban["what"], ban["reason"], ban["until"] is None) for ban in chat["bans"]] == [
        ("network", "Swears", True), ("browser", "", False),
    ]  # fmt: skip


def test_a_ban_outlives_the_chats_of_its_browser_and_both_are_forgotten_when_it_ends(
    cast: Cast, carol: Agent, rows: Any, database: Database
) -> None:
    victor = cast.visitor()
    number = victor.start("Hello", address="192.0.2.7")["number"]
    carol.call("ban_customer", number=number, what="browser", days=7)
    carol.call("erase_customer", number=number)
    with pytest.raises(Forbidden, match="banned"):
        victor.start("Hello again")
    rows("update bans set expires_at = now() - interval '1 second'")
    database.call("forget_old_data")
    assert rows("select count(*) from bans") == [(0,)]
    assert rows("select count(*) from visitors where banned_until is not null") == [(0,)]


def test_networks_are_forgotten_after_30_days(cast: Cast, rows: Any, database: Database) -> None:
    cast.visitor().start("Old", address="192.0.2.7")
    rows("update user_sessions set created_at = now() - interval '31 days'")
    cast.visitor().start("New", address="192.0.2.8")
    database.call("forget_old_data")
    assert rows("select address from user_sessions where address is not null") == [("192.0.2.8",)]
