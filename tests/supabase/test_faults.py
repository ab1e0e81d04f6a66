"""Every fault of the stand-in does what its name says, and ends when it is healed."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import Client
from websockets.exceptions import InvalidStatus

from .conftest import Connect, Define
from .project import SupabaseProject
from .raw import RawClient
from .server import HOST, SupabaseServer

Send = Callable[..., None]
IMAGE: Any = {"content-type": "image/png"}
ADD = """
create table public.things (id int);
create function public.add() returns int language sql security definer
as 'insert into public.things values (1) returning id';
"""


@pytest.fixture
def things(define: Define, supabase: SupabaseServer) -> Callable[[], int]:
    """A function `add` that leaves a row, and the number of rows."""
    define(ADD)
    return lambda: len(supabase.project.run("select * from public.things"))


@pytest.fixture
def impatient(connect: Connect) -> Client:
    """A client that waits 0.3 s."""
    return connect(timeout=0.3)


# PostgREST


@pytest.mark.parametrize("status", [502, 503, 520])
def test_rest_answers_with_the_gateways_page(
    supabase: SupabaseServer, client: Client, things: Any, status: int
) -> None:
    supabase.rest.answer_with_page(status)
    with pytest.raises(APIError) as caught:
        client.rpc("add").execute()
    assert caught.value.code == str(status)
    assert "<html>" in str(caught.value.details)
    supabase.rest.heal()
    client.rpc("add").execute()
    assert things() == 1


def test_rest_hangs(supabase: SupabaseServer, impatient: Client, things: Any) -> None:
    supabase.rest.hang()
    with pytest.raises(httpx.ReadTimeout):
        impatient.rpc("add").execute()
    supabase.rest.heal()
    assert things() == 0


def test_rest_is_slow(supabase: SupabaseServer, client: Client, things: Any) -> None:
    supabase.rest.slow_down(0.3)
    began = time.monotonic()
    client.rpc("add").execute()
    assert time.monotonic() - began >= 0.3


def test_rest_cuts_the_connection_before_the_function_ran(
    supabase: SupabaseServer, client: Client, things: Any
) -> None:
    supabase.rest.cut_before()
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.rpc("add").execute()
    assert things() == 0


def test_rest_cuts_the_connection_after_the_commit(supabase: SupabaseServer, client: Client, things: Any) -> None:
    supabase.rest.cut_after(times=1)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.rpc("add").execute()
    assert things() == 1
    client.rpc("add").execute()
    assert things() == 2


def test_a_fault_can_be_about_one_function(supabase: SupabaseServer, client: Client, things: Any) -> None:
    supabase.rest.answer_with_page(502, only="other")
    client.rpc("add").execute()
    assert supabase.rest.calls == ["add"]


def test_rest_answers_what_it_is_told(supabase: SupabaseServer, client: Client, things: Any) -> None:
    supabase.rest.answer_with(503, {"code": "PGRST002", "message": "no cache", "details": None, "hint": None})
    with pytest.raises(APIError) as caught:
        client.rpc("add").execute()
    assert caught.value.code == "PGRST002"


def test_nobody_is_there(supabase: SupabaseServer, client: Client, things: Any) -> None:
    supabase.refuse_connections()
    with pytest.raises(httpx.ConnectError):
        client.rpc("add").execute()
    supabase.accept_connections()
    client.rpc("add").execute()
    assert things() == 1


def test_a_restart_keeps_the_address(supabase: SupabaseServer, client: Client, things: Any) -> None:
    url = supabase.url
    supabase.restart()
    assert supabase.url == url
    client.rpc("add").execute()
    assert things() == 1


def test_a_database_that_ends_its_connections_comes_back(supabase: SupabaseServer, client: Client, things: Any) -> None:
    client.rpc("add").execute()
    supabase.project.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'postgrest'")
    with pytest.raises(APIError) as caught:
        client.rpc("add").execute()
    assert caught.value.code in ("57P01", "PGRST001")
    client.rpc("add").execute()


# Realtime


@pytest.fixture
def raw(supabase: SupabaseServer) -> Iterator[RawClient]:
    """A client that has joined, and is streamed to."""
    replication = supabase.realtime.replication
    supabase.realtime.refusal_seconds = 0.0
    replication.seconds_until_running = replication.seconds_until_told = 0.0
    with RawClient(supabase) as client:
        client.join_and_wait()
        yield client


def is_alive(raw: RawClient) -> bool:
    """Whether heartbeats are answered."""
    return bool(raw.reply(raw.send("phoenix", "heartbeat", {}))["status"] == "ok")


@pytest.mark.parametrize("code", [1000, 1001, 1012])
def test_sockets_are_closed_with_a_code(supabase: SupabaseServer, raw: RawClient, code: int) -> None:
    supabase.realtime.close_sockets(code)
    assert raw.closed_with() == code
    assert supabase.realtime.topics == []


def test_sockets_are_reset(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.reset_sockets()
    assert raw.closed_with() == 1006


def test_a_restart_closes_sockets_with_1012(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.restart()
    assert raw.closed_with() == 1012


def test_sockets_become_half_open(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.freeze_sockets()
    raw.send("phoenix", "heartbeat", {})
    send()
    assert raw.is_silent()
    assert supabase.realtime.socket_count == 1
    with RawClient(supabase) as other:
        other.join_and_wait()
        send()
        other.next("broadcast")


def test_realtime_goes_deaf_without_a_word(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.go_deaf()
    send()
    assert raw.is_silent()
    assert is_alive(raw)
    assert supabase.realtime.topics == ["room"]


def test_a_new_join_makes_it_hear_again(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.go_deaf()
    raw.join_and_wait("other")
    send()
    assert raw.next("broadcast")["topic"] == "realtime:room"


def test_a_new_join_does_not_help_when_it_shall_not(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.go_deaf(join_helps=False)
    raw.join("other", broadcast={"replication_ready": True})
    send()
    assert raw.is_silent()
    supabase.realtime.heal()
    raw.next("system")
    send()
    raw.next("broadcast")


def test_it_hears_again_by_itself_after_a_while(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.go_deaf(0.2)
    supabase.realtime.wait_for_channels()
    send()
    raw.next("broadcast")


def test_a_database_that_ends_the_stream_leaves_it_deaf_until_somebody_looks(
    supabase: SupabaseServer, raw: RawClient, send: Send
) -> None:
    supabase.realtime.replication.seconds_until_looked_after = 0.3
    supabase.project.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen realtime_replication'"
    )
    deadline = time.monotonic() + 5
    while supabase.realtime.is_streaming:
        assert time.monotonic() < deadline
    send()
    supabase.realtime.wait_for_channels()
    send('{"second": true}')
    assert raw.next("broadcast")["payload"]["payload"]["second"] is True


@pytest.mark.parametrize(("act", "event"), [("close_channels", "phx_close"), ("crash_channels", "phx_error")])
def test_channels_end_and_the_socket_stays(supabase: SupabaseServer, raw: RawClient, act: str, event: str) -> None:
    getattr(supabase.realtime, act)()
    assert raw.next() == {"ref": "1", "payload": {}, "topic": "realtime:room", "event": event}
    assert is_alive(raw)
    assert supabase.realtime.topics == []


def test_channels_are_told_an_error(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.tell_error("Something")
    payload = raw.next("system")["payload"]
    assert (payload["status"], payload["message"], payload["channel"]) == ("error", "Something", "room")


def test_tokens_expire(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.expire_tokens()
    assert raw.next("system")["payload"]["message"].startswith("Token has expired")
    raw.next("phx_close")
    assert is_alive(raw)


def test_joins_are_not_answered(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.ignore_joins()
    raw.send("realtime:other", "phx_join", {"config": {}}, join_ref="9")
    assert raw.is_silent()
    supabase.realtime.heal()
    assert raw.join("other")["status"] == "ok"


def test_replication_is_never_ready(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.withhold_ready()
    assert raw.join("other", broadcast={"replication_ready": True})["status"] == "ok"
    assert raw.is_silent()


def test_new_sockets_are_refused(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.refuse_sockets(502)
    with pytest.raises(InvalidStatus) as caught:
        RawClient(supabase).close()
    assert caught.value.response.status_code == 502
    assert is_alive(raw)
    supabase.realtime.heal()
    RawClient(supabase).close()


def test_a_malformed_frame_is_sent(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.send_text('{"event": "broadcast", "topic": "realtime:room", "payload": {}}')
    assert "ref" not in raw.next("broadcast")


def test_a_disconnect_is_requested_without_a_channel(supabase: SupabaseServer, raw: RawClient) -> None:
    supabase.realtime.request_disconnect()
    assert raw.next("system")["payload"] == {
        "message": "Server requested disconnect",
        "status": "ok",
        "extension": "system",
    }
    assert raw.closed_with() == 1012


def test_broadcasts_are_dropped_as_over_the_limit(supabase: SupabaseServer, raw: RawClient, send: Send) -> None:
    supabase.realtime.drop_broadcasts()
    send('{"dropped": true}')
    assert raw.is_silent()
    supabase.realtime.heal()
    send('{"dropped": false}')
    assert raw.next("broadcast")["payload"]["payload"]["dropped"] is False


# Storage


@pytest.fixture
def bucket(client: Client) -> Any:
    """A bucket with a picture."""
    client.storage.create_bucket("pictures")
    client.storage.from_("pictures").upload("a.png", b"picture", IMAGE)
    return client.storage.from_("pictures")


def test_the_bucket_is_lost(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.lose_bucket("pictures")
    with pytest.raises(StorageApiError, match="Bucket not found"):
        bucket.upload("b.png", b"", IMAGE)


def test_storage_fails(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.fail()
    with pytest.raises(StorageApiError) as caught:
        bucket.download("a.png")
    assert (caught.value.status, caught.value.code) == ("500", "Internal")
    supabase.storage.heal()
    assert bucket.download("a.png") == b"picture"


def test_storage_is_away(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.answer_with_page(502)
    with pytest.raises(StorageApiError) as caught:
        bucket.download("a.png")
    assert caught.value.status == 502


def test_storage_hangs_for_uploads_alone(supabase: SupabaseServer, bucket: Any, impatient: Client) -> None:
    supabase.storage.hang(only="upload")
    with pytest.raises(httpx.ReadTimeout):
        impatient.storage.from_("pictures").upload("b.png", b"", IMAGE)
    assert bucket.download("a.png") == b"picture"


def test_storage_is_slow(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.slow_down(0.3)
    began = time.monotonic()
    bucket.download("a.png")
    assert time.monotonic() - began >= 0.3


def test_storage_refuses_early(supabase: SupabaseServer, bucket: Any, impatient: Client) -> None:
    supabase.storage.refuse_early()
    with pytest.raises(StorageApiError, match="409"):
        bucket.upload("b.png", b"small", IMAGE)
    with pytest.raises(httpx.WriteTimeout):
        impatient.storage.from_("pictures").upload("b.png", b"x" * 18_000_000, IMAGE)


def test_the_bucket_gets_smaller_limits(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.limit_bucket("pictures", 3)
    with pytest.raises(StorageApiError, match="413"):
        bucket.upload("b.png", b"four", IMAGE)


def test_an_upload_is_cut(supabase: SupabaseServer, bucket: Any) -> None:
    supabase.storage.cut_uploads(1000)
    with pytest.raises(httpx.NetworkError):
        bucket.upload("b.png", b"x" * 1_000_000, IMAGE)
    supabase.storage.heal()
    assert [entry["name"] for entry in bucket.list()] == ["a.png"]


def test_who_is_let_in_while_it_stops_leaves_no_open_socket(project: SupabaseProject, tmp_path: Path) -> None:
    customers: list[socket.socket] = []

    def come(port: int, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                customers.append(socket.create_connection((HOST, port), timeout=1))

    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        for number in range(5):
            server, stopped = SupabaseServer(project, tmp_path / str(number)), threading.Event()
            server.start()
            threads = [threading.Thread(target=come, args=(server.port, stopped)) for _ in range(3)]
            for thread in threads:
                thread.start()
            before = len(customers)
            while len(customers) == before:
                time.sleep(0.001)
            server.stop()
            stopped.set()
            for thread in threads:
                thread.join()
        for customer in customers:
            customer.close()
        gc.collect()
    assert [str(warning.message) for warning in left] == []
