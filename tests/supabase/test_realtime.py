"""Realtime's protocol on the wire, as observed on the real server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from .keys import Keys
from .project import SupabaseProject
from .raw import RawClient
from .server import SupabaseServer

Send = Callable[..., None]
READ_POLICY = """
create policy readers on realtime.messages for select to authenticated
using (realtime.topic() = 'room' and extension = 'broadcast')
"""


@pytest.fixture
def raw(supabase: SupabaseServer) -> Iterator[RawClient]:
    """A client with the secret key; the server is quick to refuse and to start."""
    make_quick(supabase)
    with RawClient(supabase) as client:
        yield client


def make_quick(supabase: SupabaseServer) -> None:
    """Let nothing take its real time."""
    supabase.realtime.refusal_seconds = supabase.realtime.handshake_refusal_seconds = 0.0
    supabase.realtime.replication.seconds_until_running = supabase.realtime.replication.seconds_until_told = 0.0


# Frames


def test_a_heartbeat_is_answered_with_its_ref_even_null(raw: RawClient) -> None:
    raw.send_text('{"event": "heartbeat", "payload": {}, "topic": "phoenix", "ref": null, "join_ref": null}')
    assert raw.next() == {
        "ref": None,
        "payload": {"status": "ok", "response": {}},
        "topic": "phoenix",
        "event": "phx_reply",
    }


def test_a_join_is_answered_without_a_join_ref(raw: RawClient) -> None:
    raw.send("realtime:room", "phx_join", {"config": {"private": True}}, join_ref="1")
    assert raw.next() == {
        "ref": "1",
        "payload": {"status": "ok", "response": {"postgres_changes": []}},
        "topic": "realtime:room",
        "event": "phx_reply",
    }


def test_a_message_of_the_database_arrives_with_its_id_and_a_null_ref(
    raw: RawClient, send: Send, project: SupabaseProject
) -> None:
    raw.join_and_wait()
    send('{"a": 1}')
    [(id,)] = project.run("select id::text from realtime.messages")
    assert raw.next() == {
        "ref": None,
        "payload": {"event": "news", "meta": {"id": id}, "payload": {"a": 1, "id": id}, "type": "broadcast"},
        "topic": "realtime:room",
        "event": "broadcast",
    }


def test_the_system_message_says_that_replication_runs(raw: RawClient) -> None:
    raw.join(broadcast={"replication_ready": True})
    assert raw.next() == {
        "ref": None,
        "payload": {
            "channel": "room",
            "extension": "system",
            "message": "Replication connection established",
            "status": "ok",
        },
        "topic": "realtime:room",
        "event": "system",
    }


def test_it_is_said_to_those_alone_who_asked(raw: RawClient) -> None:
    raw.join()
    assert raw.is_silent()


def test_a_topic_that_is_not_joined_is_unmatched(raw: RawClient) -> None:
    ref = raw.send("realtime:other", "broadcast", {"event": "x", "payload": {}, "type": "broadcast"})
    assert raw.reply(ref) == {"status": "error", "response": {"reason": "unmatched topic"}}


@pytest.mark.parametrize(
    "text", ["not json", "[]", "{}", '{"topic": "realtime:room", "event": "no_such", "payload": {}}']
)
def test_nonsense_is_ignored(raw: RawClient, text: str) -> None:
    raw.join()
    raw.send_text(text)
    ref = raw.send("phoenix", "heartbeat", {})
    assert raw.reply(ref)["status"] == "ok"


def test_leaving_is_answered_and_then_the_channel_closes(raw: RawClient) -> None:
    raw.join()
    ref = raw.send("realtime:room", "phx_leave", {})
    assert raw.reply(ref) == {"status": "ok", "response": {}}
    assert raw.next() == {"ref": "1", "payload": {}, "topic": "realtime:room", "event": "phx_close"}


def test_a_second_join_is_answered_before_the_first_one_closes(raw: RawClient, send: Send) -> None:
    raw.join_and_wait()
    assert raw.join()["status"] == "ok"
    assert raw.next("phx_close")["ref"] == "1"
    send()
    assert raw.next("broadcast")["topic"] == "realtime:room"


def test_a_change_feed_is_refused_after_the_join(raw: RawClient) -> None:
    changes = [{"event": "INSERT", "schema": "public", "table": "none"}]
    [answered] = raw.join(postgres_changes=changes)["response"]["postgres_changes"]
    assert isinstance(answered.pop("id"), int)
    assert answered == changes[0]
    assert raw.next("system")["payload"]["status"] == "error"


def test_clients_broadcast_to_others_and_hear_themselves_only_if_they_ask(
    supabase: SupabaseServer, raw: RawClient
) -> None:
    with RawClient(supabase) as other:
        raw.join("room", private=False)
        other.join("room", private=False, broadcast={"ack": True, "self": True})
        message = {"event": "typing", "payload": {"a": 1}, "type": "broadcast"}
        ref = other.send("realtime:room", "broadcast", message)
        assert raw.next("broadcast")["payload"] == message
        assert other.next("broadcast")["payload"] == message
        assert other.reply(ref)["status"] == "ok"
        raw.send("realtime:room", "broadcast", message)
        assert other.next("broadcast")["payload"] == message
        assert raw.is_silent()


# What is delivered


def test_a_rolled_back_message_never_arrives(raw: RawClient, send: Send, project: SupabaseProject) -> None:
    raw.join_and_wait()
    project.run("begin; select realtime.send('{}', 'gone', 'room'); rollback")
    send()
    assert raw.next("broadcast")["payload"]["event"] == "news"


def test_the_order_inside_a_transaction_is_kept(raw: RawClient, project: SupabaseProject) -> None:
    raw.join_and_wait()
    project.run("select realtime.send(jsonb_build_object('n', n), 'news', 'room') from generate_series(1, 1000) as n")
    assert [raw.next("broadcast")["payload"]["payload"]["n"] for _ in range(1000)] == list(range(1, 1001))


@pytest.mark.parametrize("private", [True, False])
def test_the_private_flag_is_part_of_the_address(raw: RawClient, send: Send, private: bool) -> None:
    raw.join_and_wait(private=private)
    send(private=not private)
    send('{"mine": true}', private=private)
    assert raw.next("broadcast")["payload"]["payload"]["mine"] is True


def test_what_commits_while_nobody_streams_is_lost(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    raw.join_and_wait()
    supabase.realtime.go_deaf()
    send('{"lost": true}')
    supabase.realtime.hear_again()
    supabase.realtime.wait_for_channels()
    send('{"lost": false}')
    assert raw.next("broadcast")["payload"]["payload"]["lost"] is False


def test_a_cold_start_takes_its_time_and_loses_what_commits_meanwhile(
    supabase: SupabaseServer, raw: RawClient, send: Send
) -> None:
    supabase.realtime.replication.seconds_until_running = supabase.realtime.replication.seconds_until_told = 0.3
    began = time.monotonic()
    raw.join(broadcast={"replication_ready": True})
    send('{"lost": true}')
    raw.next("system")
    assert time.monotonic() - began >= 0.3
    send('{"lost": false}')
    assert raw.next("broadcast")["payload"]["payload"]["lost"] is False


def test_a_warm_start_is_told_at_once(supabase: SupabaseServer, raw: RawClient) -> None:
    raw.join_and_wait()
    supabase.realtime.replication.seconds_until_told = 60
    raw.join_and_wait("other")


def test_a_message_before_the_first_join_has_no_partition(raw: RawClient, send: Send, project: SupabaseProject) -> None:
    send()
    assert project.run("select * from realtime.messages") == []
    raw.join()
    send()
    assert len(project.run("select * from realtime.messages")) == 1
    days = project.run("select count(*) from pg_inherits where inhparent = 'realtime.messages'::regclass")
    assert days == [(5,)]


def test_nulls_and_too_large_payloads_are_dropped_silently(
    supabase: SupabaseServer, raw: RawClient, send: Send, project: SupabaseProject
) -> None:
    raw.join_and_wait()
    supabase.realtime.max_payload_bytes = 100_000
    project.run("select realtime.send('{}', null, 'room'), realtime.send(null, 'news', 'room')")
    send(json.dumps({"large": "x" * 100_001}))
    send('{"small": true}')
    assert raw.next("broadcast")["payload"]["payload"]["small"] is True


def test_a_payload_of_two_megabytes_arrives(raw: RawClient, send: Send) -> None:
    raw.join_and_wait()
    send(json.dumps({"large": "x" * 2_000_000}))
    assert len(raw.next("broadcast")["payload"]["payload"]["large"]) == 2_000_000


def test_above_the_limit_of_events_messages_are_dropped_until_the_average_has_sunk(
    supabase: SupabaseServer, raw: RawClient, project: SupabaseProject, send: Send
) -> None:
    raw.join_and_wait()
    realtime = supabase.realtime
    realtime.max_events_per_second, realtime.tick_seconds = 1.0, 0.05
    supabase.restart()
    with RawClient(supabase) as client:
        client.join_and_wait()
        project.run(
            "select realtime.send(jsonb_build_object('n', n), 'flood', 'room') from generate_series(1, 50) as n"
        )
        assert [client.next("broadcast")["payload"]["payload"]["n"] for _ in range(50)] == list(range(1, 51))
        deadline = time.monotonic() + 5
        while realtime.average < 1.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        send('{"dropped": true}')
        while realtime.average >= 1.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        send('{"dropped": false}')
        assert client.next("broadcast")["payload"]["payload"]["dropped"] is False


def test_the_newest_messages_are_replayed_to_private_channels(raw: RawClient, send: Send) -> None:
    raw.join_and_wait()
    for number in range(3):
        send(json.dumps({"n": number}))
        raw.next("broadcast")
    raw.join(broadcast={"replay": {"since": 0, "limit": 2}})
    raw.next("phx_close")
    replayed = [raw.next("broadcast")["payload"] for _ in range(2)]
    assert [message["payload"]["n"] for message in replayed] == [1, 2]
    assert all(message["meta"]["replayed"] for message in replayed)
    assert raw.join("other", private=False, broadcast={"replay": {"since": 0}})["status"] == "error"


# Who may


def test_a_stranger_needs_a_policy_for_a_private_topic(
    supabase: SupabaseServer, raw: RawClient, project: SupabaseProject
) -> None:
    token = supabase.keys.sign("authenticated")
    reason = "Unauthorized: You do not have permissions to read from this Channel topic: room"
    assert raw.join(token=token) == {"status": "error", "response": {"reason": reason}}
    project.run(READ_POLICY)
    assert raw.join(token=token)["status"] == "ok"
    assert raw.join("other", token=token)["status"] == "error"
    assert raw.join("other", token=token, private=False)["status"] == "ok"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("nonsense", "MalformedJWT: The token provided is not a valid JWT"),
        (Keys().service_role, "JwtSignatureError: Failed to validate JWT signature"),
    ],
)
def test_a_bad_token_refuses_the_join(raw: RawClient, token: str, reason: str) -> None:
    assert raw.join(token=token) == {"status": "error", "response": {"reason": reason}}


def test_an_expired_token_refuses_the_join(supabase: SupabaseServer, raw: RawClient) -> None:
    reason = raw.join(token=supabase.keys.sign("service_role", -16))["response"]["reason"]
    assert reason.startswith("InvalidJWTToken: Token has expired 1")


def test_a_refused_join_takes_its_time_and_holds_back_the_other_frames(
    supabase: SupabaseServer, raw: RawClient, send: Send
) -> None:
    raw.join_and_wait()
    supabase.realtime.refusal_seconds = 0.5
    payload = {"config": {"private": True}, "access_token": supabase.keys.sign("authenticated")}
    began = time.monotonic()
    raw.send("realtime:other", "phx_join", payload, join_ref="9")
    send()
    frames = [raw.next() for _ in range(2)]
    assert time.monotonic() - began >= 0.5
    assert {frame["event"] for frame in frames} == {"phx_reply", "broadcast"}


def test_a_new_key_in_the_join_stands_for_the_token_of_the_socket(supabase: SupabaseServer) -> None:
    make_quick(supabase)
    with RawClient(supabase, supabase.secret_key_new) as client:
        assert client.join()["status"] == "ok"
    with RawClient(supabase, supabase.publishable_key) as client:
        assert client.join()["status"] == "error"


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", "API key is missing"),
        ("nonsense", "The token provided is not a valid JWT"),
        (Keys().service_role, "Failed to validate JWT signature"),
    ],
)
def test_a_bad_key_refuses_the_handshake(supabase: SupabaseServer, key: str, error: str) -> None:
    make_quick(supabase)
    with pytest.raises(InvalidStatus) as caught:
        RawClient(supabase, key).close()
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body) == {"error": error}


def test_an_expired_key_refuses_the_handshake(supabase: SupabaseServer) -> None:
    make_quick(supabase)
    with pytest.raises(InvalidStatus) as caught:
        RawClient(supabase, supabase.keys.sign("service_role", -5)).close()
    assert json.loads(caught.value.response.body) == {"error": "Token has expired"}


def test_a_token_that_expires_while_joined_ends_the_channel_but_not_the_socket(
    supabase: SupabaseServer, raw: RawClient
) -> None:
    assert raw.join(token=supabase.keys.sign("service_role", 2))["status"] == "ok"
    system = raw.next("system")["payload"]
    assert (system["status"], system["extension"]) == ("error", "system")
    assert system["message"].startswith("Token has expired")
    assert raw.next("phx_close")["ref"] == "1"
    assert raw.reply(raw.send("phoenix", "heartbeat", {}))["status"] == "ok"


def test_a_fresh_token_keeps_the_channel(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    raw.join_and_wait(token=supabase.keys.sign("service_role", 2))
    raw.send("realtime:room", "access_token", {"access_token": supabase.keys.sign("service_role", 60)})
    raw.send("realtime:room", "access_token", {"access_token": None})
    assert raw.is_silent(2.1)
    send()
    raw.next("broadcast")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (lambda server: server.keys.sign("authenticated"), "You do not have permissions to read .* topic: room"),
        (lambda server: server.keys.sign("service_role", -11), "Token has expired 1[0-9] seconds ago"),
        (lambda server: Keys().service_role, ":signature_error"),
        (lambda server: "nonsense", "The token provided is not a valid JWT"),
    ],
)
def test_a_bad_token_pushed_later_ends_the_channel(
    supabase: SupabaseServer, raw: RawClient, token: Callable[[SupabaseServer], str], message: str
) -> None:
    raw.join()
    raw.send("realtime:room", "access_token", {"access_token": token(supabase)})
    assert re.fullmatch(message, raw.next("system")["payload"]["message"])
    assert raw.next("phx_close")["ref"] == "1"


def test_a_client_that_says_nothing_is_closed_with_1000(supabase: SupabaseServer) -> None:
    supabase.realtime.heartbeat_seconds = 0.2
    with RawClient(supabase) as client:
        assert client.closed_with() == 1000


def test_a_client_that_reads_too_slowly_is_cut_off(supabase: SupabaseServer, raw: RawClient, send: Any) -> None:
    raw.join_and_wait()
    supabase.realtime.max_queued_bytes = 1000
    send(json.dumps({"large": "x" * 1001}))
    assert raw.closed_with() == 1006
