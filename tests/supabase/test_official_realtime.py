"""The official Realtime client meets in the stand-in what it was seen to do with the real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from supabase import AsyncClientOptions, acreate_client

from .server import SupabaseServer

# The client asks websockets for the code of a close in a way that is deprecated; made an error, it never reconnects.
pytestmark = pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")

Send = Callable[..., None]
CONFIG: Any = {
    "config": {
        "private": True,
        "broadcast": {"ack": False, "self": False, "replication_ready": True},
        "presence": {"key": "", "enabled": False},
    }
}


class Listener:
    """A subscription, and what came of it."""

    def __init__(self, client: AsyncRealtimeClient) -> None:
        self.client = client
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.systems: asyncio.Queue[str] = asyncio.Queue()

    async def subscribe(self) -> None:
        """Join, and wait until what commits arrives."""
        channel = self.client.channel("room", CONFIG)
        channel.on_broadcast("*", lambda message: self.messages.put_nowait(message["payload"]))
        channel.on_system(lambda payload: self.systems.put_nowait(payload.message))
        await channel.subscribe(lambda state, error: self.states.put_nowait(state.value))
        assert await soon(self.states) == RealtimeSubscribeStates.SUBSCRIBED
        assert await soon(self.systems) == "Replication connection established"


async def soon(queue: asyncio.Queue[Any]) -> Any:
    """Return what comes next."""
    return await asyncio.wait_for(queue.get(), 8)


@contextlib.asynccontextmanager
async def listening(server: SupabaseServer, key: str | None = None) -> AsyncIterator[Listener]:
    """Subscribe to the private topic `room`."""
    replication = server.realtime.replication
    replication.seconds_until_running = replication.seconds_until_told = 0.0
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
    client = await acreate_client(server.url, key or server.secret_key, options)
    listener = Listener(client.realtime)
    await listener.subscribe()
    try:
        yield listener
    finally:
        await client.realtime.close()


def test_it_receives_with_both_kinds_of_keys(supabase: SupabaseServer, send: Send) -> None:
    async def receive(key: str) -> None:
        async with listening(supabase, key) as listener:
            await asyncio.to_thread(send, '{"a": 1}')
            message = await soon(listener.messages)
            assert message["a"] == 1
            assert message["id"]

    asyncio.run(receive(supabase.secret_key))
    asyncio.run(receive(supabase.secret_key_new))


@pytest.mark.parametrize("act", ["close_sockets", "reset_sockets"])
def test_it_rejoins_when_the_connection_ends(supabase: SupabaseServer, send: Send, act: str) -> None:
    async def follow() -> None:
        async with listening(supabase) as listener:
            await asyncio.to_thread(getattr(supabase.realtime, act))
            assert await soon(listener.states) == RealtimeSubscribeStates.CHANNEL_ERROR
            assert await soon(listener.states) == RealtimeSubscribeStates.SUBSCRIBED
            await soon(listener.systems)
            await asyncio.to_thread(send)
            await soon(listener.messages)

    asyncio.run(follow())


def test_it_never_rejoins_after_phx_close(supabase: SupabaseServer) -> None:
    async def follow() -> None:
        async with listening(supabase) as listener:
            await asyncio.to_thread(supabase.realtime.close_channels)
            assert await soon(listener.states) == RealtimeSubscribeStates.CLOSED
            assert listener.client.is_connected
            assert listener.client.channels == {}

    asyncio.run(follow())


def test_it_drops_a_frame_without_a_ref(supabase: SupabaseServer, send: Send) -> None:
    async def follow() -> None:
        async with listening(supabase) as listener:
            frame = '{"event": "broadcast", "topic": "realtime:room", "payload": {"event": "x", "payload": {"bad": 1}}}'
            await asyncio.to_thread(supabase.realtime.send_text, frame)
            await asyncio.to_thread(send, '{"bad": 0}')
            assert (await soon(listener.messages))["bad"] == 0

    asyncio.run(follow())


def test_a_raised_callback_ends_all_reception_while_it_looks_connected(supabase: SupabaseServer, send: Send) -> None:
    async def follow() -> None:
        async with listening(supabase) as listener:
            channel = next(iter(listener.client.channels.values()))
            channel.on_broadcast("*", lambda message: 1 / 0)  # type: ignore[arg-type]
            await asyncio.to_thread(send)
            task = listener.client._listen_task
            assert task is not None
            await asyncio.wait([task], timeout=8)
            assert isinstance(task.exception(), ZeroDivisionError)
            assert listener.client.is_connected

    asyncio.run(follow())
