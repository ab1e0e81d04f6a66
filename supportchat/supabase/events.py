"""Events of a Supabase project: Realtime, Broadcast from Database, on one private topic.

The official client speaks Realtime in asyncio only, so it lives in a native thread with a loop of its own and hands
events over to the greenlets. It reconnects by itself in some cases, gives up for ever in others, and goes deaf without
a word in the rest; so a subscription is used once here, thrown away at the first sign of trouble, and made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import cast

import gevent
import gevent.monkey
import supabase
from flask_babel import lazy_gettext
from gevent.event import Event as Flag
from realtime import RealtimeSubscribeStates
from realtime.types import BroadcastPayload

from ..realtime.events import Event

TOPIC = "supportchat"
JOIN_SECONDS = 10  # a refused join is answered after 5 s
LOOK_SECONDS = 0.5
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
# A subscription that has lasted this long was a good one: the next trouble is a new one.
GOOD_SECONDS = 30.0

log = logging.getLogger(__name__)
# At DEBUG it tells the address that it connects to, and the key is in there.
logging.getLogger("websockets").setLevel(logging.WARNING)


class SupabaseEvents:
    """One subscription for the whole process."""

    advice: str = lazy_gettext(
        "Check the project’s Realtime page: is it on, and within its limit of messages per second?"
    )

    def __init__(self, url: str, secret_key: str) -> None:
        self.is_connected = False
        self._is_stopping = False
        self._url = url
        self._key = secret_key
        # From the thread to the greenlets: an event, or None when what was missed has to be looked for.
        self._inbox: deque[Event | None] = deque()
        self._wake: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._give_up: asyncio.Event | None = None

    def run(self, on_event: Callable[[Event], None], on_connected: Callable[[], None]) -> None:
        """Hand over what the subscription receives, until the process ends; see `Events.run`."""
        arrived = Flag()
        watcher = gevent.get_hub().loop.async_()
        watcher.start(arrived.set)
        self._wake = watcher.send
        start_thread = gevent.monkey.get_original("_thread", "start_new_thread")
        start_thread(self._run_thread, ())
        while True:
            arrived.wait()
            arrived.clear()
            while self._inbox:
                event = self._inbox.popleft()
                if event is None:
                    on_connected()
                else:
                    on_event(event)

    def restart(self) -> None:
        """Throw the subscription away and make another; see `Events.restart`."""
        loop, give_up = self._loop, self._give_up
        if loop is not None and give_up is not None:
            loop.call_soon_threadsafe(give_up.set)

    def stop(self) -> None:
        """Have the thread close the subscription and end; see `Events.stop`."""
        self._is_stopping = True
        self.restart()

    # In the thread

    def _run_thread(self) -> None:
        threading.current_thread().name = "realtime"
        asyncio.run(self._subscribe_for_ever())

    async def _subscribe_for_ever(self) -> None:
        self._loop = asyncio.get_running_loop()
        failures = 0
        while not self._is_stopping:
            began = self._loop.time()
            try:
                reason = await self._subscription()
            except Exception as error:
                # Whatever it was, the answer is another subscription: an end of this loop would be the silence itself.
                reason = f"{type(error).__name__}: {error}"
            self.is_connected = False
            if self._is_stopping:
                return
            failures = 0 if self._loop.time() - began > GOOD_SECONDS else failures + 1
            log.warning("events are lost until Realtime works again: %s", reason.replace(self._key, "***"))
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else 0.0
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads attempts over time

    async def _subscription(self) -> str:
        """Subscribe, receive for as long as all is well, and give why it is not any more."""
        self._give_up = give_up = asyncio.Event()
        trouble: list[str] = []

        def on_state(state: RealtimeSubscribeStates, error: Exception | None) -> None:
            if state == RealtimeSubscribeStates.SUBSCRIBED:
                self.is_connected = True
                self._hand_over(None)
            else:
                trouble.append(f"{state.value} {error or ''}".strip())
                give_up.set()

        options = supabase.AsyncClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            realtime={"auto_reconnect": False, "timeout": JOIN_SECONDS},  # type: ignore[arg-type]  # its type lacks timeout
        )
        client = (await supabase.acreate_client(self._url, self._key, options)).realtime
        try:
            await client.connect()
            channel = client.channel(TOPIC, {"config": CONFIG})  # type: ignore[arg-type]  # its type lacks replication_ready
            channel.on_broadcast("*", self._on_broadcast)
            # Only from this word on are changes of the database streamed; what came before it is lost.
            channel.on_system(lambda payload: self._hand_over(None))
            join = asyncio.create_task(channel.subscribe(on_state))
            while not give_up.is_set():
                listening = client._listen_task
                if listening is None or listening.done():
                    trouble.append("the connection is gone")
                    break
                await _wait(give_up, LOOK_SECONDS)
            join.cancel()
            return ", ".join(trouble) or "it has gone silent"
        finally:
            # The connection may be the very thing that hangs: its close must not keep the next one waiting.
            await asyncio.wait([asyncio.create_task(client.close())], timeout=1.0)

    def _on_broadcast(self, message: BroadcastPayload) -> None:
        # Nothing may be raised here: an exception would end all reception, without a word.
        payload = message.get("payload")
        if isinstance(payload, dict) and isinstance(payload.get("event"), str):
            self._hand_over(cast(Event, payload))

    def _hand_over(self, event: Event | None) -> None:
        self._inbox.append(event)
        self._wake()


CONFIG = {
    "broadcast": {"ack": False, "self": False, "replication_ready": True},
    "presence": {"key": "", "enabled": False},
    "private": True,
}


async def _wait(flag: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(flag.wait(), seconds)
