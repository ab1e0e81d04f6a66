"""Realtime: Broadcast from Database on private and public topics, and the ways in which it fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import psycopg
from aiohttp import web

from .faults import gateway_page
from .gateway import TOKEN
from .keys import Keys
from .project import SupabaseProject
from .replication import Replication, Row
from .sockets import PREFIX, Channel, Refused, Socket, checked

if TYPE_CHECKING:
    from .server import SupabaseServer

TICKS = 12
MAY_READ = """
with message as (
  insert into realtime.messages (topic, extension) values (%(topic)s, 'broadcast') returning id
)
select id from message
"""
REPLAYED = """
select id::text, event, payload
from realtime.messages
where topic = %s and private and extension = 'broadcast' and inserted_at >= to_timestamp(%s / 1000.0) at time zone 'UTC'
order by inserted_at desc
limit least(%s, 25)
"""


class Realtime:
    """The service. Its settings are plain attributes; every method may be called from the test's thread."""

    def __init__(self, server: SupabaseServer, project: SupabaseProject, keys: Keys) -> None:
        # Seconds that a refused handshake and a refused join take.
        self.handshake_refusal_seconds = 2.0
        self.refusal_seconds = 5.0
        # A client that says nothing for so long is closed with 1000.
        self.heartbeat_seconds = 66.0
        self.max_payload_bytes = 3_000_000
        self.max_queued_bytes = 50_000_000
        # The limit, as an average over 12 ticks that is reckoned at each tick.
        self.max_events_per_second = 100.0
        self.tick_seconds = 5.0
        self.keys = keys
        self.replication = Replication(project, self._deliver)
        # Faults that stay; see the methods.
        self.ignores_joins = False
        self.withholds_ready = False
        self._drops_broadcasts = False
        self._refusal: int | None = None
        self._server = server
        self._project = project
        self._sockets: set[Socket] = set()
        self._ticks: deque[int] = deque(maxlen=TICKS)
        self._events = 0
        self._ticker: asyncio.Task[None] | None = None

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what it serves."""
        router.add_get("/realtime/v1/websocket", self._connect)

    async def start(self) -> None:
        """Start counting. Nothing is streamed before somebody joins."""
        self._ticks.clear()
        self._events = 0
        self.replication.is_told = asyncio.Event()
        self._ticker = asyncio.create_task(self._tick_for_ever())

    async def stop(self) -> None:
        """Close every socket with 1012, and end the stream."""
        if self._ticker is not None:
            self._ticker.cancel()
        await self._close_sockets(1012, "")
        await self.replication.stop()

    # What a test can see

    @property
    def topics(self) -> list[str]:
        """The joined topics, as the database calls them; one for each channel."""
        return sorted(channel.name for socket in list(self._sockets) for channel in list(socket.channels.values()))

    @property
    def socket_count(self) -> int:
        """How many clients are connected."""
        return len(self._sockets)

    @property
    def is_streaming(self) -> bool:
        """Whether what commits from now on is delivered, and the clients that asked for it know."""
        return self.replication.is_told.is_set()

    @property
    def average(self) -> float:
        """How many events there were a second, as of the last tick."""
        return sum(list(self._ticks)) / (TICKS * self.tick_seconds)

    def wait_for_channels(self, count: int = 1, seconds: float = 10.0) -> None:
        """Wait until so many channels are joined, and the stream runs."""
        deadline = time.monotonic() + seconds
        while len(self.topics) < count or not self.is_streaming:
            assert time.monotonic() < deadline, f"{len(self.topics)} channels, streaming: {self.is_streaming}"
            time.sleep(0.01)

    # What a test can do to it

    def heal(self) -> None:
        """Switch off every fault that stays, and let the stream start again by itself if somebody is joined."""
        self.ignores_joins = self.withholds_ready = self._drops_broadcasts = False
        self._refusal = None
        self.hear_again()

    def close_sockets(self, code: int = 1012, reason: str = "") -> None:
        """Close every websocket with this code, as a restart does (1012)."""
        self._server.run(self._close_sockets(code, reason))

    def reset_sockets(self) -> None:
        """Cut every connection by a TCP reset, as a killed server does (the client sees 1006)."""
        self._server.run(self._on_each_socket(Socket.reset))

    def freeze_sockets(self) -> None:
        """Make every connection half-open: nothing is read or sent any more, and TCP says nothing. New ones work."""
        self._server.run(self._on_each_socket(Socket.freeze))

    def go_deaf(self, seconds: float | None = None, *, join_helps: bool = True) -> None:
        """Lose the stream: what commits is not delivered and lost, while channels stay joined and heartbeats answered.

        :param seconds: after which it comes back by itself; never, if there is none.
        :param join_helps: whether a new join brings it back.
        """
        self._server.run(self._go_deaf(seconds, join_helps))

    def hear_again(self) -> None:
        """End what `go_deaf` began."""
        self._server.run(self._hear_again())

    def close_channels(self) -> None:
        """Send `phx_close` to every channel; the sockets stay."""
        self._server.run(self._on_each_channel(lambda socket, channel: socket.close_channel(channel.topic)))

    def crash_channels(self) -> None:
        """Send `phx_error` to every channel; the sockets stay, and a new join is needed."""
        self._server.run(
            self._on_each_channel(lambda socket, channel: socket.close_channel(channel.topic, "phx_error"))
        )

    def tell_error(self, message: str = "Unable to subscribe to changes") -> None:
        """Send a system message with status error to every channel."""
        self._server.run(self._on_each_channel(lambda socket, channel: socket.tell(channel, "error", message)))

    def expire_tokens(self) -> None:
        """Let every channel's token expire now: a system error, then `phx_close`."""
        self._server.run(self._on_each_channel(Socket.expire))

    def send_text(self, text: str) -> None:
        """Send a frame as it is to every client: a malformed one, say."""
        self._server.run(self._on_each_socket(lambda socket: socket.send_text(text)))

    def request_disconnect(self) -> None:
        """Do what an admin's reload does: a system message without `channel`, then close 1012."""
        self._server.run(self._request_disconnect())

    def ignore_joins(self) -> None:
        """Answer no join any more. Until `heal`."""
        self.ignores_joins = True

    def withhold_ready(self) -> None:
        """Never say that the replication connection is established. Until `heal`."""
        self.withholds_ready = True

    def refuse_sockets(self, status: int = 503) -> None:
        """Answer handshakes with the gateway's page; open sockets stay. Until `heal`."""
        self._refusal = status

    def drop_broadcasts(self) -> None:
        """Drop everything that is broadcast from the database, as over the limit: no frame tells. Until `heal`."""
        self._drops_broadcasts = True

    # For the sockets

    async def may_read(self, topic: str, claims: dict[str, Any]) -> bool:
        """Whether the policies on `realtime.messages` let this token's role read the topic.

        :raise psycopg.Error: when the database does not answer.
        """
        return await self._is_allowed(topic, claims, "select exists (select from realtime.messages where id = %s)")

    async def may_write(self, topic: str, claims: dict[str, Any]) -> bool:
        """Whether they let it write there. See `may_read`."""
        try:
            insert = "insert into realtime.messages (topic, extension) values (%s, 'broadcast') returning true"
            return await self._is_allowed(topic, claims, insert)
        except psycopg.errors.InsufficientPrivilege:
            return False

    async def replayed(self, topic: str, wish: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the payloads of the newest messages of a private topic since a moment, oldest first."""
        async with await psycopg.AsyncConnection.connect(self._project.superuser_conninfo) as connection:
            cursor = await connection.execute(REPLAYED, [topic, wish.get("since", 0), wish.get("limit", 25)])
            rows = await cursor.fetchall()
        return [_broadcast(event, payload, {"replayed": True, "id": id}) for id, event, payload in reversed(rows)]

    def fan_out(self, topic: str, private: bool, text: str, but: Socket | None = None) -> None:
        """Send a frame to every channel of that address: the flag is part of it."""
        for socket in list(self._sockets):
            channel = socket.channels.get(topic)
            if socket is not but and channel is not None and channel.private == private:
                self._events += 1
                socket.send_text(text)

    async def _is_allowed(self, topic: str, claims: dict[str, Any], question: str) -> bool:
        async with await psycopg.AsyncConnection.connect(self._project.superuser_conninfo) as connection:
            cursor = await connection.execute(MAY_READ, {"topic": topic})
            message = await cursor.fetchone()
            assert message is not None
            subject = topic if question.startswith("insert") else message[0]
            await connection.execute(
                "select set_config('request.jwt.claims', %s, true), set_config('realtime.topic', %s, true),"
                " set_config('role', %s, true)",
                [json.dumps(claims), topic, claims["role"]],
            )
            allowed = await (await connection.execute(question.encode(), [subject])).fetchone()
            await connection.rollback()
            return allowed == (True,)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._refusal is not None:
            return gateway_page(self._refusal)
        if request.query.get("vsn", "1.0.0") != "1.0.0":
            return web.Response(status=403)
        token = request.get(TOKEN)
        error = "API key is missing" if not token else self._refusal_of(token)
        if error is not None or token is None:
            await asyncio.sleep(self.handshake_refusal_seconds)
            return web.json_response({"error": error}, status=401)
        socket = Socket(self, request, token)
        self._sockets.add(socket)
        try:
            return await socket.run()
        finally:
            self._sockets.discard(socket)

    def _refusal_of(self, token: str) -> str | None:
        try:
            checked(self.keys, token)
        except Refused as refusal:
            return "Token has expired" if refusal.reason.startswith("Token has expired") else refusal.reason
        return None

    # The stream

    def _deliver(self, row: Row) -> None:
        if row.event is None or row.payload is None or len(row.payload) > self.max_payload_bytes:
            return
        self._events += 1
        if self._drops_broadcasts or self.average > self.max_events_per_second:
            return
        payload = _broadcast(row.event, json.loads(row.payload), {"id": row.id})
        topic = PREFIX + row.topic
        text = json.dumps({"ref": None, "payload": payload, "topic": topic, "event": "broadcast"})
        self.fan_out(topic, bool(row.private), text)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.tick_seconds)
            self._ticks.append(self._events)
            self._events = 0

    async def _go_deaf(self, seconds: float | None, join_helps: bool) -> None:
        self.replication.may_start = join_helps
        await self.replication.stop()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, lambda: asyncio.ensure_future(self._hear_again()))

    async def _hear_again(self) -> None:
        self.replication.may_start = True
        if any(socket.channels for socket in self._sockets):
            await self.replication.ensure()

    # All sockets

    async def _on_each_socket(self, act: Any) -> None:
        for socket in list(self._sockets):
            act(socket)

    async def _on_each_channel(self, act: Any) -> None:
        for socket in list(self._sockets):
            for channel in list[Channel](socket.channels.values()):
                act(socket, channel)

    async def _close_sockets(self, code: int, reason: str) -> None:
        await asyncio.gather(*(socket.close(code, reason) for socket in list(self._sockets)))

    async def _request_disconnect(self) -> None:
        payload = {"message": "Server requested disconnect", "status": "ok", "extension": "system"}
        await self._on_each_channel(lambda socket, channel: socket.push(channel.topic, "system", payload))
        await self._close_sockets(1012, "")


def _broadcast(event: str, payload: Any, meta: dict[str, Any]) -> dict[str, Any]:
    return {"event": event, "meta": meta, "payload": payload, "type": "broadcast"}
