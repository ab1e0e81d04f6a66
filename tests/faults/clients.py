"""Customers and agents as their pages behave: over HTTP and websockets, with the page's retries and its resume."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.cast import PASSWORD

from .ledger import TOKEN, Answer, Ledger, Screen, Sent, Shown, text_of

RETRY = (0, 429, 500, 502, 503, 504)
BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)
ANSWER_SECONDS = 10.0
# As in templates/base.html; the page comes back after these.
RECONNECT_CODES = {1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 1014}
POLL_AFTER = 5.0
POLL_EVERY = 3.0
QUEUE_EVERY = 1.0
LINE = re.compile(r'<li id="(message|note)-\d+-(\d+)"(.*?)</li>', re.DOTALL)
MESSAGES_ID = re.compile(r'id="messages-(\d+)"')
EPOCH = re.compile(r'data-epoch="(\w+)"')
SESSION = re.compile(r'name="session" value="([^"]+)"')
LAST_NOTE = re.compile(r'data-note="(\d+)"')
ROW = re.compile(r'data-row="(\d+)"')


class Load:
    """What all clients of one process share."""

    def __init__(self, url: str, rate: float, deadline: float, copies: int = 1) -> None:
        """:param rate: messages a second, of all writers together. :param deadline: on the monotonic clock.
        :param copies: how often each message is posted, all at the same moment.
        """
        self.url = url
        self.rate = rate
        self.deadline = deadline
        self.copies = copies
        self.ledger = Ledger()
        self.pages: list[Page] = []
        self.writers = 0
        self.acked = 0
        self.is_writing = True
        self.writing: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something until it ends, or until the load does."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    def let_write(self, page: Page, kinds: Callable[[], str]) -> None:
        """Have a page write until the load is over."""
        self.writers += 1
        self.writing.append(self.spawn(page.write(kinds)))

    async def pause(self) -> None:
        """Wait as long as a writer waits before the next message."""
        seconds = self.writers / self.rate
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))

    async def stop(self) -> None:
        """End everything that was spawned; raise what has gone wrong in it."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


class Browser:
    """Cookies and retries."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.client = httpx.AsyncClient(
            base_url=load.url,
            timeout=ANSWER_SECONDS,
            limits=httpx.Limits(keepalive_expiry=4.0),  # below the server's, so that it is not used as it closes
            verify=False,  # there is nothing to verify, and a context for each client costs time
            trust_env=False,
        )

    async def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Send one request as htmx does; None when no answer comes."""
        start, wall = time.monotonic(), time.time()
        headers = {"Origin": self.load.url, "HX-Request": "true"}
        response = None
        with contextlib.suppress(httpx.TransportError):
            response = await self.client.request(
                method, path, headers=headers | arguments.pop("headers", {}), **arguments
            )
        status = response.status_code if response is not None else 0
        answer = Answer(f"{method} {path.split('?')[0]}", status, time.monotonic() - start, wall)
        answer.has_retry_after = response is not None and "Retry-After" in response.headers
        self.load.ledger.answers.append(answer)
        return response

    async def insist(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Send a request again and again until it is answered; None when the load has no time left."""
        attempt = 0
        while True:
            response = await self.ask(method, path, **arguments)
            if response is not None and response.status_code not in RETRY:
                return response
            if time.monotonic() > self.load.deadline:
                return None
            await backoff(attempt)
            attempt += 1

    async def load_page(self, path: str) -> str:
        """Load a page."""
        response = await self.insist("GET", path, headers={"HX-Request": ""})
        return response.text if response is not None else ""

    @property
    def cookies(self) -> str:
        """The header that a handshake carries."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookies.jar)


async def backoff(attempt: int) -> None:
    """Wait before the next attempt."""
    await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)] * random.uniform(0.7, 1.3))


class Page:
    """A page that shows one conversation: its list of lines, its socket, its composer."""

    def __init__(self, browser: Browser, name: str, mark: str, audience: str, number: int) -> None:
        self.browser = browser
        self.load = browser.load
        self.number = number
        self.screen = Screen(name, mark, audience, time.time())
        self.contiguous = 0
        self.last_note = 0
        self._lines: dict[int, str] = {}
        self._notes: dict[int, str] = {}
        self._connections = 0
        self._lost_since: float | None = time.monotonic()
        self._is_fetching = False
        self._receipt = 0
        self._websocket: ClientConnection | None = None
        self._has_news = asyncio.Event()
        self.load.ledger.screens.append(self.screen)
        self.load.pages.append(self)

    base = "/chat"
    socket_path = "/chat/ws"

    @property
    def is_live(self) -> bool:
        """Whether the server has told all that was missed, and the socket is open."""
        return self._lost_since is None

    @property
    def last_seq(self) -> int:
        """The highest seq that the page shows."""
        return max(self._lines, default=0)

    def start(self, *, receipts: bool) -> None:
        """Open the socket, and look over HTTP while there is none."""
        self.load.spawn(self._keep_socket())
        self.load.spawn(self._poll())
        if receipts:
            self.load.spawn(self._say_receipts())

    # Lines

    def begin(self, html: str) -> None:
        """Show what the page brings when it is loaded: the last lines, and the notes between them."""
        epoch = EPOCH.search(html)
        assert epoch is not None
        self.epoch = epoch[1]
        self.take(html)
        note = LAST_NOTE.search(html)
        self.last_note = int(note[1]) if note else 0
        self.screen.first_seq = min(self._lines, default=1)
        self.screen.first_note = self.last_note + 1
        self.contiguous = max(self._lines, default=0)

    def take(self, html: str) -> None:
        """Put what an answer or a frame brings into the list: by id, in the order of seq."""
        for cid, mark, kind in TOKEN.findall(html):
            if mark != self.screen.mark or (kind == "note" and self.screen.audience == "customer"):
                self.screen.foreign.append(f"{kind} {cid} of {mark}")
        now = time.time()
        for kind, number, body in LINE.findall(html):
            token = TOKEN.search(body)
            self._put(kind, Shown(int(number), token[1] if token else "", now))
        while self.contiguous + 1 in self._lines:
            self.contiguous += 1
        if 0 < self.contiguous < self.last_seq and not self._is_fetching:
            self._is_fetching = True
            self.load.spawn(self._fill_hole())
        self._has_news.set()

    def _put(self, kind: str, line: Shown) -> None:
        known, shown = (self._lines, self.screen.shown) if kind == "message" else (self._notes, self.screen.notes)
        if known.get(line.seq) == line.cid:
            return  # its twin is there already, and is replaced
        known[line.seq] = line.cid
        shown.append(line)
        if kind == "note":
            while self.last_note + 1 in self._notes:
                self.last_note += 1

    async def _fill_hole(self) -> None:
        await self.fetch()
        self._is_fetching = False

    async def fetch(self) -> bool:
        """Get what is missing over HTTP. Whether it was answered."""
        query = f"after={self.contiguous}&after_note={self.last_note}&epoch={self.epoch}"
        response = await self.browser.ask("GET", f"{self.base}/messages?{query}")
        if response is None or response.status_code != 200:
            return False
        self.take(response.text)
        return True

    # The socket

    def hello(self) -> dict[str, Any]:
        """What the page says on each open."""
        return {"hello": True, "after": self.contiguous, "epoch": self.epoch}

    async def _keep_socket(self) -> None:
        attempt = 0
        while True:
            try:
                websocket = await self._connected()
            except (OSError, TimeoutError, WebSocketException, EOFError) as error:
                self.screen.not_opened.append((time.time(), repr(error)))
            else:
                attempt = 0
                code = await self._use(websocket)
                self._lost_since = self._lost_since or time.monotonic()
                self.screen.closed.append((time.time(), code))
                if code not in RECONNECT_CODES:
                    return
            await backoff(attempt)
            attempt += 1

    async def _use(self, websocket: ClientConnection) -> int:
        """Say hello and read until the socket is closed; give its close code."""
        try:
            await websocket.send(json.dumps(self.hello()))
            self._websocket = websocket
            await self._read(websocket)
        except (OSError, WebSocketException):
            pass
        finally:
            await websocket.close()
        return websocket.close_code or 1006

    def _connected(self) -> connect:
        self._connections += 1
        return connect(
            self.load.url.replace("http", "ws", 1) + self.socket_path,
            origin=self.load.url,  # type: ignore[arg-type]
            additional_headers={"Cookie": self.browser.cookies},
            compression=None,
            ping_interval=None,  # a browser answers pings and sends none
            open_timeout=ANSWER_SECONDS,
            close_timeout=1,
            proxy=None,
        )

    async def _read(self, websocket: ClientConnection) -> None:
        async for data in websocket:
            frame = json.loads(data)
            if frame.get("event") == "caught_up":
                self._lost_since = None
                self.screen.caught_up.append(time.time())
            elif frame.get("event") == "reset":
                await self._load_anew()
                return
            elif frame.get("event") == "queue_changed":
                self.on_queue_changed()
            elif frame.get("target", "").startswith("#messages-"):
                for kind, seq, _ in LINE.findall(frame["content"]):
                    if kind == "message":
                        self.screen.frames.append((self._connections, int(seq)))
                self.take(frame["content"])

    async def _load_anew(self) -> None:
        self.screen.resets += 1
        response = await self.browser.ask("GET", self.base)
        found = EPOCH.search(response.text) if response is not None else None
        self.epoch = found[1] if found else self.epoch
        before = -1
        while before < self.contiguous:
            before = self.contiguous
            await self.fetch()

    def on_queue_changed(self) -> None:
        """Hear that the queue of the desk has changed."""

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_EVERY)
            if self._lost_since is not None and time.monotonic() - self._lost_since > POLL_AFTER:
                await self.fetch()

    async def _say_receipts(self) -> None:
        while True:
            await self._has_news.wait()
            await asyncio.sleep(0.25)
            self._has_news.clear()
            if self._receipt < self.contiguous:
                self._receipt = self.contiguous
                await self._say_receipt({"delivered": self._receipt, "read": self._receipt, "epoch": self.epoch})

    async def _say_receipt(self, receipt: dict[str, Any]) -> None:
        if self.is_live and self._websocket is not None:
            with contextlib.suppress(OSError, WebSocketException):
                await self._websocket.send(json.dumps({"receipt": receipt}))
        else:
            await self.browser.ask("POST", f"{self.base}/receipts", data=receipt)

    # Writing

    async def write(self, kinds: Callable[[], str]) -> None:
        """Write one message after the other, until the load is over."""
        while self.load.is_writing:
            await self.load.pause()
            if self.load.is_writing and not await self.send(kinds()):
                return

    async def send(self, kind: str) -> bool:
        """Send one message, with the same id until it is answered. Whether this page may go on writing."""
        cid = str(uuid.uuid4())
        sent = Sent(cid, self.screen.mark, kind, self.screen.name, time.time())
        self.load.ledger.sent.append(sent)
        response = await self.post(kind, cid)
        if response is None:
            return False
        self.take(response.text)
        if response.status_code == 200:
            self.acknowledge(sent)
            return True
        sent.refused = True
        return await self.recover()

    def acknowledge(self, sent: Sent) -> None:
        """Note that the server has promised to keep a message."""
        numbers = self._notes if sent.kind == "note" else self._lines
        sent.seq = next((seq for seq, cid in reversed(numbers.items()) if cid == sent.cid), None)
        sent.acked_at = time.time()
        self.load.acked += 1

    async def post(self, kind: str, cid: str) -> httpx.Response | None:
        """Post a message until it is answered."""
        values = {"client_message_id": cid, "message": text_of(cid, self.screen.mark, kind)}
        resource = "notes" if kind == "note" else "messages"
        attempts = [
            self.browser.insist("POST", f"{self.base}/{resource}", data=values | self.fields())
            for _ in range(self.load.copies)
        ]
        answers = await asyncio.gather(*attempts)
        for answer in answers[1:]:
            self.take(answer.text if answer is not None else "")
        return answers[0]

    def fields(self) -> dict[str, str]:
        """What the form carries besides."""
        return {}

    async def recover(self) -> bool:
        """Act on a refusal. Whether the page may go on writing."""
        return True


class CustomerPage(Page):
    """The chat of a customer."""

    session = ""

    def fields(self) -> dict[str, str]:
        """The conversation that the page shows."""
        return {"session": self.session}


class TicketPage(Page):
    """A ticket on an agent's desk."""

    socket_path = "/agent/ws"

    @property
    def base(self) -> str:  # type: ignore[override]
        """Where the ticket is."""
        return f"/tickets/{self.number}"

    def hello(self) -> dict[str, Any]:
        """What the desk says on each open."""
        return {**super().hello(), "ticket": self.number, "after_note": self.last_note}

    async def recover(self) -> bool:
        """Claim a ticket that was returned to the queue meanwhile."""
        answer = await self.browser.insist("POST", f"{self.base}/assignment", data={"agent": "", "expected": ""})
        return answer is not None and answer.status_code == 200


async def start_customer(load: Load, name: str) -> CustomerPage | None:
    """Start a chat with its first message, and open its page."""
    browser = Browser(load)
    await browser.load_page("/chat")
    mark, cid = uuid.uuid4().hex[:12], str(uuid.uuid4())
    sent = Sent(cid, mark, "message", name, time.time())
    load.ledger.sent.append(sent)
    values = {"client_message_id": cid, "message": text_of(cid, mark, "message"), "customer_name": name}
    answer = await browser.insist("POST", "/chat", data=values)
    if answer is None:
        return None
    html = await browser.load_page("/chat")
    number, session = MESSAGES_ID.search(html), SESSION.search(html)
    if number is None or session is None:
        return None
    page = CustomerPage(browser, name, mark, "customer", int(number[1]))
    page.session = session[1]
    page.begin(html)
    page.acknowledge(sent)
    return page


class Desk:
    """An agent: logs in, and opens a page for each ticket that comes."""

    def __init__(self, load: Load, email: str, note_share: float) -> None:
        self._load = load
        self._email = email
        self._note_share = note_share
        self._browser = Browser(load)
        self._opened: set[int] = set()

    async def start(self) -> None:
        """Log in, open the desk and be available."""
        browser = self._browser
        await browser.load_page("/agent/login")
        await browser.insist("POST", "/agent/login", data={"email": self._email, "password": PASSWORD})
        await browser.load_page("/agent")
        desk = QueuePage(browser, self._email, "", "agent", 0)
        self._load.ledger.screens.remove(desk.screen)
        self._load.pages.remove(desk)
        desk.start(receipts=False)
        await until(lambda: desk.is_live, self._load.deadline)
        self._load.spawn(self._follow_queue(desk))

    async def _follow_queue(self, desk: QueuePage) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(desk.changed.wait(), POLL_EVERY)
            desk.changed.clear()
            response = await self._browser.ask("GET", "/tickets?view=mine")
            if response is not None and response.status_code == 200:
                for number in sorted({int(number) for number in ROW.findall(response.text)} - self._opened):
                    self._opened.add(number)
                    self._load.spawn(self._open(number))
            await asyncio.sleep(QUEUE_EVERY)

    async def _open(self, number: int) -> None:
        answer = await self._browser.insist("GET", f"/tickets/{number}")
        token = TOKEN.search(answer.text) if answer is not None else None
        if answer is None or token is None:
            return  # not a ticket of this load
        page = TicketPage(self._browser, f"{self._email} on {number}", token[2], "agent", number)
        page.begin(answer.text)
        page.start(receipts=number % 4 == 0)
        self._load.let_write(page, lambda: "note" if random.random() < self._note_share else "reply")


class QueuePage(Page):
    """The desk without a ticket: only the queue."""

    socket_path = "/agent/ws"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.changed = asyncio.Event()

    def hello(self) -> dict[str, Any]:
        """Ask for no conversation."""
        return {"hello": True, "ticket": 0}

    def on_queue_changed(self) -> None:
        """Have the queue read."""
        self.changed.set()

    async def fetch(self) -> bool:
        """Have the queue read, as the page does while it has no socket."""
        self.changed.set()
        return True


async def until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait for a condition, no longer than the monotonic clock says. Whether it has come."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
