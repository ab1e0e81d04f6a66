"""Pages as static/js makes them behave: what each does about a frame stands in one table per page, at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from .wire import Answer, Browser, Failed, Socket

# As in static/js.
REFRESH_SECONDS = 0.4
RECEIPT_SECONDS = 0.25
BACKOFF_SECONDS, ATTEMPTS = 0.5, 5
OPEN_SECONDS = 30.0

EVENT = b'{"event": "'
SEQ = re.compile(r'data-seq="(\d+)"')
THEIRS = re.compile(r'message--theirs"\s+data-seq="(\d+)"')
TOKEN = re.compile(r"bench-(\d+)-")
NUMBER = re.compile(r'id="messages-(\d+)"')
SESSION = re.compile(r'name="session" value="([^"]+)"')
EPOCH = re.compile(r'data-epoch="(\w+)"')
AGENT = re.compile(r'data-agent="([^"]+)"')
PICTURE = re.compile(r'src="([^"]*/images/[^"]+)"')
HTMX = "HX-Request: true\r\nX-Language: en\r\n"


class Book:
    """When each message was due, when it was at the agent, and how often pages asked for what and said what."""

    def __init__(self) -> None:
        self.due: dict[int, float] = {}
        self.arrived: dict[int, float] = {}
        self.pictures: dict[int, str] = {}
        self.asked: Counter[str] = Counter()
        self.said: Counter[str] = Counter()  # by the socket
        self.failed: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def new(self, due: float) -> int:
        """Return the number of a new message."""
        number = len(self.due)
        self.due[number] = due
        return number

    def arrive(self, content: str, at: float) -> None:
        """Note the messages that an agent's page has been sent."""
        for found in TOKEN.findall(content):
            self.arrived.setdefault(int(found), at)
            if picture := PICTURE.search(content):
                self.pictures[int(found)] = picture[1]
        self._changed.set()

    async def wait_for(self, numbers: list[int], seconds: float) -> None:
        """Wait until these messages have arrived, or that long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(number not in self.arrived for number in numbers):
                    self._changed.clear()
                    await self._changed.wait()

    def latencies(self, numbers: list[int]) -> list[float]:
        """Return the seconds from due to arrived; a message that never came counts as a minute."""
        return [self.arrived.get(number, self.due[number] + 60.0) - self.due[number] for number in numbers]


class Throttle:
    """Calls at once, then at most every `wait` seconds, and once more at the end."""

    def __init__(self, call: Callable[[], None], wait: float) -> None:
        self._call = call
        self._wait = wait
        self._is_waiting = False
        self._is_due = False

    def __call__(self) -> None:
        """Call, now or soon."""
        if self._is_waiting:
            self._is_due = True
            return
        self._is_waiting = True
        self._call()
        asyncio.get_running_loop().call_later(self._wait, self._after)

    def _after(self) -> None:
        self._is_waiting = False
        if self._is_due:
            self._is_due = False
            self()


class Page:
    """A page that shows one conversation."""

    reactions: ClassVar[dict[str, Callable[[Any, dict[str, Any]], None]]]
    socket_path: ClassVar[str]

    def __init__(self, browser: Browser, book: Book, *, reacts: bool = True) -> None:
        """:param reacts: whether it does what scripts do about frames, or only reads them."""
        self.browser = browser
        self.book = book
        self.number = 0
        self.seq = 0
        self.epoch = ""
        self.reacts = reacts
        self.frames: Counter[str] = Counter()
        self.caught_up = asyncio.Event()
        self.socket: Socket | None = None
        self._theirs = 0  # the last line of the other side
        self._receipt = 0
        self._receipt_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    base = "/chat"

    def begin(self, html: str) -> None:
        """Show what a page brings when it is loaded."""
        if found := NUMBER.search(html):
            self.number = int(found[1])
        if found := EPOCH.search(html):
            self.epoch = found[1]
        self.seq = max(map(int, SEQ.findall(html)), default=0)
        self._theirs = max(map(int, THEIRS.findall(html)), default=0)

    def hello(self) -> dict[str, Any]:
        """What the page says on each open."""
        return {"hello": True, "lang": "en", "after": self.seq, "epoch": self.epoch}

    async def open(self) -> None:
        """Open the socket, and wait until the page has caught up."""
        self.caught_up.clear()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self.socket = await self.browser.open_socket(self.socket_path, self._on_text)
                self.socket.on_lost = self.caught_up.set
                self.socket.send(json.dumps(self.hello()))
                await self.caught_up.wait()
        except TimeoutError as error:
            raise Failed(f"the page has not caught up; it was sent {dict(self.frames)}") from error
        if not self.socket.is_open:
            raise Failed(f"closed with {self.socket.close_code} before it had caught up")

    async def close(self) -> None:
        """Close the socket, and forget what was about to be asked."""
        if self._receipt_timer is not None:
            self._receipt_timer.cancel()
        if self.socket is not None:
            await self.socket.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.browser.close()

    def _on_text(self, text: bytes) -> None:
        now = time.monotonic()
        is_event = text.startswith(EVENT)
        name = text[len(EVENT) : text.index(b'"', len(EVENT))].decode() if is_event else "content"
        self.frames[name] += 1
        if name == "caught_up":
            self.caught_up.set()
        if name == "content":
            frame = json.loads(text)
            if frame.get("target") == f"#messages-{self.number}":
                self.show(frame["content"], now)
        elif self.reacts and (reaction := self.reactions.get(name)) is not None:
            reaction(self, json.loads(text))

    def show(self, content: str, now: float) -> None:
        """Show lines."""
        self.seq = max(self.seq, *map(int, SEQ.findall(content)), 0)
        self._theirs = max(self._theirs, *map(int, THEIRS.findall(content)), 0)
        if self.reacts:
            self.say_receipt()

    def say_receipt(self, frame: dict[str, Any] | None = None) -> None:
        """Say how far the page has come, once nothing has come for a moment."""
        if self._receipt_timer is not None:
            self._receipt_timer.cancel()
        self._receipt_timer = asyncio.get_running_loop().call_later(RECEIPT_SECONDS, self._say_receipt)

    def on_caught_up(self, frame: dict[str, Any]) -> None:
        """Say again how far the page has come."""
        self._receipt = 0
        self.say_receipt()

    def _say_receipt(self) -> None:
        if self._theirs == self._receipt or self.socket is None or not self.socket.is_open:
            return
        self._receipt = self._theirs
        self.book.said["receipts"] += 1
        receipt = {"delivered": self._theirs, "read": self._theirs, "epoch": self.epoch}
        self.socket.send(json.dumps({"receipt": receipt}))

    async def ask(self, what: str, request: Coroutine[Any, Any, Answer]) -> Answer | None:
        """Ask the desk, and count it."""
        self.book.asked[what] += 1
        try:
            answer = await request
        except Failed:
            self.book.failed[what] += 1
            return None
        if answer.status >= 400:
            self.book.failed[f"{what} {answer.status}"] += 1
        return answer

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the rest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Customer(Page):
    """The chat of a customer."""

    socket_path = "/chat/ws"
    session = ""

    async def start(self) -> None:
        """Start a chat, and load its page."""
        await self.browser.get("/chat")
        values = {"customer_name": "", "customer_phone": "", "client_message_id": str(uuid.uuid4()), "message": "Hello"}
        answer = await self.browser.post_parts("/chat", values, headers=HTMX)
        assert answer.status < 400, answer.body
        await self.load()

    async def load(self) -> None:
        """Load the page of the chat that this browser has."""
        html = (await self.browser.get("/chat")).text
        self.begin(html)
        found = SESSION.search(html)
        assert found is not None, html[:500]
        self.session = found[1]

    async def send(self, due: float, picture: bytes | None = None) -> int:
        """Send a message, and return its number once it is answered."""
        number = self.book.new(due)
        values = {
            "session": self.session,
            "client_message_id": str(uuid.uuid4()),
            "message": f"bench-{number}- The machine shows error E4 and the water stays cold.",
        }

        def send() -> Coroutine[Any, Any, Answer]:
            if picture is not None:
                return self.browser.post_parts("/chat/messages", values, picture, HTMX)
            return self.browser.post("/chat/messages", values, HTMX)

        for attempt in range(ATTEMPTS):
            answer = await self.ask("messages", send())
            if answer is not None and answer.status == 200:
                self.show(answer.text, time.monotonic())
                break
            await asyncio.sleep(BACKOFF_SECONDS * 2**attempt * random.uniform(0.75, 1.25))
        return number

    reactions: ClassVar = {"caught_up": Page.on_caught_up}


class Desk(Page):
    """An agent's desk, with one ticket open or none."""

    socket_path = "/agent/ws"

    def __init__(self, browser: Browser, book: Book, *, view: str = "mine", reacts: bool = True) -> None:
        super().__init__(browser, book, reacts=reacts)
        self.agent = ""
        self.view = view
        self._refresh = Throttle(self._ask_for_queue, REFRESH_SECONDS)
        self._is_asking = False
        self._is_asked_again = False
        self._is_gap = True

    @property
    def base(self) -> str:  # type: ignore[override]
        """Where the ticket is."""
        return f"/tickets/{self.number}"

    async def load(self, number: int = 0) -> None:
        """Load the desk, with a ticket."""
        query = f"?view={self.view}" + (f"&ticket={number}" if number else "")
        html = (await self.browser.get(f"/agent{query}")).text
        found = AGENT.search(html)
        assert found is not None, html[:500]
        self.agent = found[1]
        self.begin(html)

    def hello(self) -> dict[str, Any]:
        """What the desk says on each open."""
        return {**super().hello(), "agent": self.agent, "view": self.view, "ticket": self.number, "after_note": 0}

    def show(self, content: str, now: float) -> None:
        """Show lines, which the book waits for."""
        super().show(content, now)
        self.book.arrive(content, now)

    async def open(self) -> None:
        """Open the socket; what has come meanwhile is to be read."""
        self._is_gap = True
        await super().open()

    def refresh_queue(self, frame: dict[str, Any]) -> None:
        """Ask for the queue, not at the same moment as all the others."""
        asyncio.get_running_loop().call_later(random.random() * frame.get("within", 0) / 1000, self._refresh)

    def _ask_for_queue(self) -> None:
        if self._is_asking:
            self._is_asked_again = True
        else:
            self._is_asking = True
            self.soon(self._load_queue())

    async def _load_queue(self) -> None:
        query = f"view={self.view}&rows=&ticket={self.number or ''}"
        await self.ask("queue", self.browser.get(f"/tickets?{query}", f"{HTMX}X-Agent: {self.agent}\r\n"))
        self._is_asking = False
        if self._is_asked_again:
            self._is_asked_again = False
            self._ask_for_queue()

    def fetch_changes(self, frame: dict[str, Any]) -> None:
        """Get the head of the ticket, which has changed."""
        if frame.get("number") == self.number:
            self.soon(self._load_changes())

    async def _load_changes(self) -> None:
        await self.ask("changes", self.browser.get(f"{self.base}/changes", f"{HTMX}X-Agent: {self.agent}\r\n"))

    def on_caught_up(self, frame: dict[str, Any]) -> None:
        """Ask for the queue after a gap, and say a receipt."""
        if self._is_gap:
            self._refresh()
        self._is_gap = False
        super().on_caught_up(frame)

    # To change with static/js/behaviours/queue.js and ticket.js.
    reactions: ClassVar = {
        "queue_changed": refresh_queue,
        "ticket_changed": fetch_changes,
        "caught_up": on_caught_up,
    }
