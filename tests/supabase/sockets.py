"""Realtime's protocol on one websocket: frames of vsn 1.0.0, channels, and the tokens that they were joined with."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import jwt
import psycopg
from aiohttp import WSMsgType, web

from .faults import reset
from .keys import Keys

if TYPE_CHECKING:
    from .realtime import Realtime

PREFIX = "realtime:"
Frame = dict[str, Any]


class Refused(Exception):
    """What Realtime does not grant: the kind of refusal, and the reason in its words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


@dataclasses.dataclass(eq=False)
class Channel:
    """One joined topic of one socket."""

    topic: str
    join_ref: str | None
    private: bool
    config: dict[str, Any]
    claims: dict[str, Any]
    expiry: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """The topic as the database knows it."""
        return self.topic.removeprefix(PREFIX)

    def broadcast_config(self, option: str) -> Any:
        """Return an option of the join's config."""
        return (self.config.get("broadcast") or {}).get(option)


class Socket:
    """One connected client. What it is sent goes through a queue, which one writer empties."""

    def __init__(self, service: Realtime, request: web.Request, token: str) -> None:
        self.channels: dict[str, Channel] = {}
        self._service = service
        self._request = request
        self._token = token
        self._ws = web.WebSocketResponse(compress=False, max_msg_size=10_000_000)
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._queued_bytes = 0
        # Closed while a join is worked on: frames of other channels wait, as they do in the real server's process.
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_frozen = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> web.WebSocketResponse:
        """Serve the client until one side closes."""
        await self._ws.prepare(self._request)
        self._spawn(self._write_for_ever())
        try:
            await self._read_for_ever()
        finally:
            for topic in list(self.channels):
                self._forget(topic)
            for task in self._tasks:
                task.cancel()
        return self._ws

    def push(self, topic: str, event: str, payload: Any) -> None:
        """Send a frame that answers nothing: its ref is there, and null."""
        self.send({"ref": None, "payload": payload, "topic": topic, "event": event})

    def send(self, frame: Frame) -> None:
        """Send a frame."""
        self.send_text(json.dumps(frame))

    def send_text(self, text: str) -> None:
        """Send a text as it is; a client that reads too slowly is cut off."""
        self._queued_bytes += len(text)
        if self._queued_bytes > self._service.max_queued_bytes:
            self.reset()
            return
        self._outbox.put_nowait(text)

    async def close(self, code: int, reason: str = "") -> None:
        """Close it in order, when everything was sent; by force when it is frozen."""
        if self._is_frozen:
            self.reset()
            return
        while self._queued_bytes and not self._ws.closed and self._may_write.is_set():
            await asyncio.sleep(0.001)
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
            await asyncio.wait_for(self._ws.close(code=code, message=reason.encode()), 1)

    def reset(self) -> None:
        """Cut the TCP connection, without a close frame."""
        reset(self._request)

    def freeze(self) -> None:
        """Become half-open: nothing is read, nothing is sent, the TCP connection stays."""
        self._is_frozen = True
        self._may_write.clear()
        if self._request.transport is not None:
            self._request.transport.pause_reading()

    def close_channel(self, topic: str, event: str = "phx_close") -> None:
        """End a channel from this side: `phx_close`, or `phx_error` for a crash."""
        channel = self._forget(topic)
        if channel is not None:
            self.send({"ref": channel.join_ref, "payload": {}, "topic": topic, "event": event})

    def tell(self, channel: Channel, status: str, message: str, extension: str = "system") -> None:
        """Send a system message of a channel."""
        payload = {"channel": channel.name, "extension": extension, "message": message, "status": status}
        self.push(channel.topic, "system", payload)

    def expire(self, channel: Channel) -> None:
        """Do what happens the moment a channel's token expires: a system error, and the end of the channel."""
        ago = max(0, int(time.time() - channel.claims.get("exp", time.time())))
        self.tell(channel, "error", f"Token has expired {ago} seconds ago")
        self.close_channel(channel.topic)

    # The connection

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_for_ever(self) -> None:
        while True:
            text = await self._outbox.get()
            await self._may_write.wait()
            with contextlib.suppress(ConnectionError):
                await self._ws.send_str(text)
            self._queued_bytes -= len(text)

    async def _read_for_ever(self) -> None:
        while not self._ws.closed:
            try:
                message = await self._ws.receive(self._service.heartbeat_seconds)
            except TimeoutError:
                if not self._is_frozen:
                    await self._ws.close(code=1000)
                continue
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                return
            if message.type == WSMsgType.TEXT:
                await self._take(message.data)

    async def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
            topic, event = frame["topic"], frame["event"]
        except (ValueError, KeyError, TypeError):
            return
        if event == "heartbeat" and topic == "phoenix":
            self._reply(frame, "ok", {})
        elif event == "phx_join":
            await self._join(frame)
        elif topic not in self.channels:
            self._reply(frame, "error", {"reason": "unmatched topic"})
        else:
            handler = HANDLERS.get(event)
            if handler is not None:
                await handler(self, self.channels[topic], frame)

    def _reply(self, frame: Frame, status: str, response: Any) -> None:
        payload = {"status": status, "response": response}
        self.send({"ref": frame.get("ref"), "payload": payload, "topic": frame["topic"], "event": "phx_reply"})

    # Joining

    async def _join(self, frame: Frame) -> None:
        if self._service.ignores_joins:
            return
        if not self._is_frozen:
            self._may_write.clear()
        try:
            channel = await self._authorised_channel(frame)
        except Refused as refusal:
            await asyncio.sleep(self._service.refusal_seconds)
            self._reply(frame, "error", {"reason": str(refusal)})
        else:
            await self._welcome(channel, frame)
        finally:
            if not self._is_frozen:
                self._may_write.set()

    async def _authorised_channel(self, frame: Frame) -> Channel:
        payload = frame.get("payload") or {}
        config = payload.get("config") or {}
        claims = checked(self._service.keys, self._token_of(payload))
        channel = Channel(frame["topic"], frame.get("join_ref"), bool(config.get("private")), config, claims)
        try:
            await self._service.replication.ensure()
            if channel.private and not await self._service.may_read(channel.name, claims):
                raise forbidden(channel)
        except psycopg.Error as error:
            raise Refused("UnableToConnectToProject", "Realtime was unable to connect to the database") from error
        if channel.broadcast_config("replay") and not channel.private:
            raise Refused("UnableToReplayMessages", "Replay is not allowed for public channels")
        return channel

    def _token_of(self, payload: dict[str, Any]) -> str:
        token = payload.get("access_token") or self._token
        # New keys are no tokens; Realtime takes the one that the gateway put in their place.
        return self._token if token.startswith("sb_") else str(token)

    async def _welcome(self, channel: Channel, frame: Frame) -> None:
        old = self._forget(channel.topic)
        self.channels[channel.topic] = channel
        changes = channel.config.get("postgres_changes") or []
        numbered = [{**change, "id": uuid.uuid4().int % 2**27} for change in changes]
        self._reply(frame, "ok", {"postgres_changes": numbered})
        if old is not None:
            self.send({"ref": old.join_ref, "payload": {}, "topic": old.topic, "event": "phx_close"})
        self._set_expiry(channel)
        if changes:
            # The publication of the project is empty, and this is told after the join.
            message = "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the"
            self.tell(channel, "error", f"{message} given connect parameters", "postgres_changes")
        if (channel.config.get("presence") or {}).get("enabled"):
            self.push(channel.topic, "presence_state", {})
        if channel.broadcast_config("replay"):
            for payload in await self._service.replayed(channel.name, channel.broadcast_config("replay")):
                self.push(channel.topic, "broadcast", payload)
        if channel.broadcast_config("replication_ready"):
            self._spawn(self._tell_when_ready(channel))

    async def _tell_when_ready(self, channel: Channel) -> None:
        await self._service.replication.is_told.wait()
        if self.channels.get(channel.topic) is channel and not self._service.withholds_ready:
            self.tell(channel, "ok", "Replication connection established")

    def _set_expiry(self, channel: Channel) -> None:
        if channel.expiry is not None:
            channel.expiry.cancel()
        # A timer cannot wait for years.
        seconds = min(channel.claims["exp"] - time.time(), 10**6)
        channel.expiry = asyncio.get_running_loop().call_later(max(0.0, seconds), self.expire, channel)

    def _forget(self, topic: str) -> Channel | None:
        channel = self.channels.pop(topic, None)
        if channel is not None and channel.expiry is not None:
            channel.expiry.cancel()
        return channel

    # What a joined client says

    async def _leave(self, channel: Channel, frame: Frame) -> None:
        self._reply(frame, "ok", {})
        self.close_channel(channel.topic)

    async def _take_token(self, channel: Channel, frame: Frame) -> None:
        token = (frame.get("payload") or {}).get("access_token")
        if token is None:
            return
        try:
            claims = checked(self._service.keys, self._token_of({"access_token": token}))
            if channel.private and not await self._service.may_read(channel.name, claims):
                raise forbidden(channel)
        except Refused as refusal:
            is_signature = refusal.kind == "JwtSignatureError"
            self.tell(channel, "error", ":signature_error" if is_signature else refusal.reason)
            self.close_channel(channel.topic)
            return
        channel.claims = claims
        self._set_expiry(channel)

    async def _broadcast(self, channel: Channel, frame: Frame) -> None:
        if channel.private and not await self._service.may_write(channel.name, channel.claims):
            return
        payload = {key: value for key, value in frame["payload"].items() if key in ("event", "payload", "type")}
        text = json.dumps({"ref": None, "payload": payload, "topic": channel.topic, "event": "broadcast"})
        self._service.fan_out(channel.topic, channel.private, text, but=self)
        if channel.broadcast_config("self"):
            self.send_text(text)
        if channel.broadcast_config("ack"):
            self._reply(frame, "ok", {})

    async def _presence(self, channel: Channel, frame: Frame) -> None:
        self._reply(frame, "ok", {})


HANDLERS = {
    "phx_leave": Socket._leave,
    "access_token": Socket._take_token,
    "broadcast": Socket._broadcast,
    "presence": Socket._presence,
}


def forbidden(channel: Channel) -> Refused:
    """The policies on `realtime.messages` do not let the token's role read the topic."""
    return Refused("Unauthorized", f"You do not have permissions to read from this Channel topic: {channel.name}")


def checked(keys: Keys, token: str) -> dict[str, Any]:
    """Return the claims of a token.

    :raise Refused: with Realtime's words for what is wrong with it.
    """
    try:
        claims = keys.claims(token, check_expiry=False)
    except jwt.InvalidSignatureError as error:
        raise Refused("JwtSignatureError", "Failed to validate JWT signature") from error
    except jwt.InvalidTokenError as error:
        raise Refused("MalformedJWT", "The token provided is not a valid JWT") from error
    if "role" not in claims or "exp" not in claims:
        raise Refused("InvalidJWTToken", "Fields `role` and `exp` are required in JWT")
    ago = time.time() - claims["exp"]
    if ago >= 0:
        raise Refused("InvalidJWTToken", f"Token has expired {int(ago)} seconds ago")
    return claims
