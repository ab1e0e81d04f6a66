"""The customers of a day: what they write goes over HTTP, what they see comes by a websocket, as on their pages."""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.faults.clients import EPOCH, LINE, MESSAGES_ID, SESSION
from tests.faults.people import Person

WAIT_SECONDS = 20.0
IS_AGENTS = re.compile(r'class="message message--theirs"')


class Customer(Person):
    """Somebody who writes, and notes what their page shows."""

    def __init__(self, url: str, name: str = "", answers: Iterable[str] = (), pause: float = 0.0) -> None:
        """:param answers: what they write, one after each line of an agent, `pause` seconds later at most."""
        super().__init__(url)
        self.name = name
        self.wrote: list[str] = []
        self.shown: dict[int, str] = {}
        self.frames: list[int] = []
        self.number = 0
        self._answers = list(answers)
        self._pause = pause
        self._change = threading.Condition()

    @property
    def is_done(self) -> bool:
        """Whether they have nothing to add."""
        return not self._answers

    def start(self, message: str) -> Customer:
        """Start a chat, and open its page."""
        self.look("/chat")
        self.wrote.append(message)
        self._post("/chat", message=message, customer_name=self.name)
        html = self.look("/chat")
        found = [pattern.search(html) for pattern in (MESSAGES_ID, SESSION, EPOCH)]
        number, self._session, self._epoch = (match[1] for match in found if match)
        self.number = int(number)
        self._take(html)
        headers: dict[str, Any] = {"Cookie": self.cookies}
        address = self.url.replace("http", "ws", 1) + "/chat/ws"
        self._socket = connect(address, origin=self.url, additional_headers=headers, proxy=None)  # type: ignore[arg-type]
        self._socket.send(json.dumps({"hello": True, "after": max(self.shown), "epoch": self._epoch}))
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def leave(self) -> None:
        """Close the page."""
        self._socket.close()
        self._reader.join()
        self.client.close()

    def write(self, message: str) -> None:
        """Send a message."""
        self.wrote.append(message)
        self._take(self._post("/chat/messages", message=message, session=self._session))

    def sees(self, html: str) -> None:
        """Assert that a line of the page has this, or comes to have it."""
        assert self._comes(lambda: any(html in line for line in self.shown.values())), (html, self.shown)

    def has_caught_up(self, seq: int) -> bool:
        """Whether the page comes to show all lines up to one."""
        return self._comes(lambda: len(self.shown) >= seq)

    @property
    def disordered(self) -> list[tuple[int, int]]:
        """Lines that came by the socket after one that stands below them, or twice."""
        return [pair for pair in pairwise(self.frames) if pair[1] <= pair[0]]

    def _post(self, path: str, **fields: str) -> str:
        answer = self.ask("POST", path, data={"client_message_id": str(uuid.uuid4()), **fields})
        assert answer.status_code == 200, answer.text
        return answer.text

    def _comes(self, condition: Callable[[], bool]) -> bool:
        with self._change:
            return self._change.wait_for(condition, WAIT_SECONDS)

    def _take(self, html: str) -> list[tuple[int, str]]:
        """Put lines into the page, in place of their twins, and return those that are new."""
        lines = [(int(seq), body) for kind, seq, body in LINE.findall(html) if kind == "message"]
        with self._change:
            new = [(seq, body) for seq, body in lines if seq not in self.shown]
            self.shown.update(lines)
            self._change.notify_all()
        return new

    def _read(self) -> None:
        with contextlib.suppress(OSError, WebSocketException):  # the day is over
            for data in self._socket:
                self._hear(json.loads(data))

    def _hear(self, frame: dict[str, Any]) -> None:
        if not frame.get("target", "").startswith("#messages-"):
            return
        self.frames += [int(seq) for kind, seq, _ in LINE.findall(frame["content"]) if kind == "message"]
        for _, body in self._take(frame["content"]):
            if IS_AGENTS.search(body) and self._answers:
                time.sleep(random.uniform(0, self._pause))
                self.write(self._answers.pop(0))
