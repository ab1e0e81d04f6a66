"""A Realtime client that is nothing but the wire: one websocket, one JSON object a frame."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .server import SupabaseServer

Frame = dict[str, Any]


class RawClient:
    """Speaks vsn 1.0.0. Frames that nobody has asked for yet are kept in the order in which they came."""

    def __init__(self, server: SupabaseServer, key: str | None = None, *, vsn: str = "1.0.0") -> None:
        self._key = server.secret_key if key is None else key
        url = f"{server.url.replace('http', 'ws')}/realtime/v1/websocket?apikey={self._key}&vsn={vsn}"
        self._ws = connect(url, compression=None, max_size=None, ping_interval=None, open_timeout=10, close_timeout=1)
        self._ref = 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; at once, for whoever is half-open does not answer."""
        with contextlib.suppress(OSError):
            self._ws.socket.shutdown(socket.SHUT_RDWR)
        self._ws.close()

    def send(self, topic: str, event: str, payload: Any, **more: Any) -> str:
        """Send a frame, and give its ref."""
        self._ref += 1
        frame = {"topic": topic, "event": event, "payload": payload, "ref": str(self._ref), **more}
        self._ws.send(json.dumps(frame))
        return str(self._ref)

    def send_text(self, text: str) -> None:
        """Send something else."""
        self._ws.send(text)

    def join(self, room: str = "room", *, private: bool = True, token: str | None = None, **config: Any) -> Frame:
        """Join a topic, and give what the reply says. `config` goes into the join's config."""
        broadcast = {"ack": False, "self": False, **config.pop("broadcast", {})}
        wanted = {"broadcast": broadcast, "presence": {"key": "", "enabled": False}, "private": private, **config}
        payload = {"config": wanted, "access_token": token or self._key}
        ref = self.send(f"realtime:{room}", "phx_join", payload, join_ref=str(self._ref + 1))
        return self.reply(ref)

    def join_and_wait(self, room: str = "room", **config: Any) -> None:
        """Join a topic, and wait until what commits is delivered."""
        broadcast = {**config.pop("broadcast", {}), "replication_ready": True}
        assert self.join(room, broadcast=broadcast, **config)["status"] == "ok"
        assert self.next("system")["payload"]["message"] == "Replication connection established"

    def reply(self, ref: str) -> Frame:
        """Wait for the reply to a ref, and give its payload."""
        frame = self.next("phx_reply")
        assert frame["ref"] == ref
        payload: Frame = frame["payload"]
        return payload

    def next(self, event: str | None = None, seconds: float = 5.0) -> Frame:
        """Return the next frame; fail when it is of another kind."""
        frame: Frame = json.loads(self._ws.recv(seconds))
        assert event in (None, frame["event"]), frame
        return frame

    def is_silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        try:
            self._ws.recv(seconds)
        except TimeoutError:
            return True
        return False

    def closed_with(self, seconds: float = 5.0) -> int:
        """Wait until the server closes the socket, and give the code; 1006 when it just cut it."""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self._ws.recv(deadline - time.monotonic())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        raise AssertionError("not closed")
