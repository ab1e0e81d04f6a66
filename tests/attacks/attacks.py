"""One attack in a process of its own: `python -m tests.attacks.attacks NAME URL SECONDS [RATE]`.

It prints `running` when it has prepared what it needs, and ends by itself. RATE is how many requests a second it makes
at most; without one, as many as it can. `AGENT` may hold the cookies of an agent, for what only somebody inside can
try, and `SOURCE` the address that it comes from.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import os
import re
import resource
import secrets
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable

from PIL import Image

from .browser import FORM, Browser, frame, hello, multipart

Attack = Callable[[Browser, float], None]
ATTACKS: dict[str, Attack] = {}
MOST_CONNECTIONS = 10_300
# Of two combining classes, in turn: what composes text has to sort them.
MARKS = "a" + "\u0315\u0316" * 13_000
BOMB = "." * 7998 + "a."  # for a search of what ends a link
LONG = "All of this is worth reading again. " * 200


def attack(function: Attack) -> Attack:
    """Give an attack a name to be called by."""
    ATTACKS[function.__name__] = function
    return function


def ready() -> None:
    """Say that it begins."""
    print("running", flush=True)


class Pace:
    """Lets so many through in a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until it is one's turn."""
        if not self._rate:
            return
        with self._lock:
            due = self._next = max(self._next + 1 / self._rate, time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))


pace = Pace(float(sys.argv[4]) if __name__ == "__main__" and len(sys.argv) > 4 else 0)


def again_and_again(seconds: float, act: Callable[[], object]) -> None:
    """Do something until the time is over, also when the desk refuses it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pace.wait()
        try:
            act()
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)


def in_parallel(count: int, seconds: float, act: Callable[[], object]) -> None:
    """Do something many times at once, until the time is over."""
    workers = [threading.Thread(target=again_and_again, args=(seconds, act), daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    end = time.monotonic() + seconds + 1
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))


def flood(opened: Callable[[], socket.socket], data: bytes, seconds: float) -> None:
    """Send the same over and over by one connection, and by another one when it is closed."""
    end = time.monotonic() + seconds

    def send() -> None:
        with contextlib.closing(opened()) as made:
            made.settimeout(0.5)
            threading.Thread(target=_read_off, args=(made,), daemon=True).start()
            while time.monotonic() < end:
                with contextlib.suppress(TimeoutError):
                    made.sendall(data)

    again_and_again(seconds, send)


def _read_off(made: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while time.monotonic():
            try:
                if not made.recv(65536):
                    return
            except TimeoutError:
                continue


def flood_socket(browser: Browser, data: bytes, seconds: float, first: bytes = b"") -> None:
    """Send frames over and over by the socket of a chat."""
    browser.start()
    ready()

    def opened() -> socket.socket:
        made = browser.websocket()
        made.sendall(first)
        return made

    flood(opened, data, seconds)


@attack
def nothing(browser: Browser, seconds: float) -> None:
    """No flood at all: what the machine does by itself."""
    ready()
    time.sleep(seconds)


@attack
def pings(browser: Browser, seconds: float) -> None:
    """Pings without pause."""
    flood_socket(browser, frame(9) * 5000, seconds)


@attack
def empty_fragments(browser: Browser, seconds: float) -> None:
    """A message that never ends and has nothing in it."""
    flood_socket(browser, frame(0, is_last=False) * 5000, seconds, frame(1, is_last=False))


@attack
def fragments(browser: Browser, seconds: float) -> None:
    """A message of one byte after the other."""
    flood_socket(browser, frame(0, b"x", is_last=False) * 5000, seconds, frame(1, b"x", is_last=False))


@attack
def hellos(browser: Browser, seconds: float) -> None:
    """A page that says hello over and over."""
    flood_socket(browser, hello(after=0) * 15, seconds)


@attack
def pipelined_health(browser: Browser, seconds: float) -> None:
    """Requests one after the other, without waiting for an answer."""
    data = browser.head("GET", "/healthz") * 2000
    ready()
    in_parallel(4, seconds, lambda: flood(browser.connect, data, seconds))


@attack
def pipelined_static(browser: Browser, seconds: float) -> None:
    """The same with a file."""
    data = browser.head("GET", script_of(browser)) * 2000
    ready()
    in_parallel(4, seconds, lambda: flood(browser.connect, data, seconds))


def script_of(browser: Browser) -> str:
    """Return the address of a file that every page loads."""
    page = browser.request("GET", "/chat")[1]
    return str(re.findall(r'"(/static/[^"]+\.js)"', page)[0])


@attack
def unfinished_bodies(browser: Browser, seconds: float) -> None:
    """As many connections as there can be, each with a body that never comes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    browser.request("GET", "/chat")
    ready()
    head = browser.head("POST", "/chat", **{"Content-Length": "60000", "Content-Type": "text/plain"}) + b"x"
    held: list[socket.socket] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(held) < min(MOST_CONNECTIONS, hard - 50):
        pace.wait()
        try:
            made = browser.connect()
            held.append(made)
            made.sendall(head)
        except OSError:
            time.sleep(0.01)
    time.sleep(max(0.0, end - time.monotonic()))


@attack
def chunked_slowly(browser: Browser, seconds: float) -> None:
    """Bodies in chunks of one byte."""
    browser.request("GET", "/chat")
    head = browser.head("POST", "/chat", **{"Transfer-Encoding": "chunked", "Content-Type": "multipart/form-data"})
    ready()

    def opened() -> socket.socket:
        made = browser.connect()
        made.sendall(head)
        return made

    in_parallel(8, seconds, lambda: flood(opened, b"1\r\nx\r\n" * 3000, seconds))


@attack
def refused_sender(browser: Browser, seconds: float) -> None:
    """A body without end, of a request that is refused for its origin."""
    head = browser.head("POST", "/chat", **{"Transfer-Encoding": "chunked", "Origin": "http://elsewhere.example"})
    ready()

    def opened() -> socket.socket:
        made = browser.connect()
        made.sendall(head)
        return made

    flood(opened, b"400\r\n" + b"x" * 1024 + b"\r\n", seconds)


@attack
def many_fields(browser: Browser, seconds: float) -> None:
    """Forms of 200,000 fields, refused for their origin and not."""
    body = b"&".join(b"%x=" % n for n in range(200_000))[:1_000_000]
    ready()
    in_parallel(2, seconds, lambda: browser.request("POST", "/chat", body))
    browser.request("POST", "/chat", body, Origin="http://elsewhere.example")


@attack
def unread_answers(browser: Browser, seconds: float) -> None:
    """Asks for files over and over, and reads nothing."""
    data = browser.head("GET", script_of(browser)) * 300
    ready()
    held = []

    def ask() -> None:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(browser.place)
        made.sendall(data)
        held.append(made)
        time.sleep(0.05)

    again_and_again(seconds, ask)


@attack
def logins(browser: Browser, seconds: float) -> None:
    """Wrong passwords for one account, thirty at once."""
    email = f"{uuid.uuid4()}@example.com"
    browser.request("GET", "/agent/login")
    ready()
    in_parallel(30, seconds, lambda: browser.post("/agent/login", email=email, password="wrong"))


@attack
def starts(browser: Browser, seconds: float) -> None:
    """Chats begun by browser after browser."""
    ready()
    in_parallel(8, seconds, lambda: Browser(browser.url).start("Again"))


@attack
def marks(browser: Browser, seconds: float) -> None:
    """Text that takes long to compose."""
    browser.start()
    ready()
    body, kind = multipart({"message": MARKS}, b"")
    in_parallel(2, seconds, lambda: browser.request("POST", "/chat/messages", body, kind))


@attack
def links(browser: Browser, seconds: float) -> None:
    """Messages in which links are hard to find, shown over and over."""
    browser.start()
    ready()
    for _ in range(5):
        browser.say(BOMB)
    in_parallel(2, seconds, lambda: browser.request("GET", "/chat"))


@attack
def fake_pictures(browser: Browser, seconds: float) -> None:
    """Files that begin like a picture."""
    browser.start()
    ready()

    def send() -> None:
        fields = {"client_message_id": str(uuid.uuid4()), "message": ""}
        browser.request("POST", "/chat/messages", *multipart(fields, b"\x89PNG\r\n\x1a\n"))

    in_parallel(8, seconds, send)


@attack
def looks(browser: Browser, seconds: float) -> None:
    """Pages that cost the database something, by many who have no chat."""
    ready()
    paths = itertools.cycle(("/chat", "/chat/people", "/readyz", "/agent/login"))
    in_parallel(8, seconds, lambda: Browser(browser.url).request("GET", next(paths)))


@attack
def handshakes(browser: Browser, seconds: float) -> None:
    """Sockets opened and left, over and over."""
    browser.start()
    ready()
    in_parallel(4, seconds, lambda: browser.websocket().close())


@attack
def connections(browser: Browser, seconds: float) -> None:
    """Connections opened and closed at once."""
    ready()
    in_parallel(4, seconds, lambda: browser.connect().close())


@attack
def slow_headers(browser: Browser, seconds: float) -> None:
    """Headers that never end, by as many connections as there may be."""
    ready()
    head, held = browser.head("GET", "/chat")[:-2], []

    def ask() -> None:
        held.append(browser.connect())
        held[-1].sendall(head)

    in_parallel(4, seconds, ask)


@attack
def not_found(browser: Browser, seconds: float) -> None:
    """Addresses where there is nothing."""
    ready()
    in_parallel(8, seconds, lambda: browser.request("GET", f"/{uuid.uuid4()}"))


def many(browser: Browser) -> Callable[[], Browser]:
    """Return what gives a new browser, each at the next one of 250 addresses."""
    sources = itertools.cycle(f"127.0.2.{number}" for number in range(1, 251))
    return lambda: Browser(browser.url, next(sources))


@attack
def looks_of_many(browser: Browser, seconds: float) -> None:
    """Pages for people at 250 addresses."""
    ready()
    someone = many(browser)
    in_parallel(16, seconds, lambda: someone().request("GET", "/chat"))


@attack
def starts_of_many(browser: Browser, seconds: float) -> None:
    """Chats begun at 250 addresses."""
    ready()
    someone = many(browser)
    in_parallel(16, seconds, lambda: someone().start("Again"))


@attack
def logins_of_many(browser: Browser, seconds: float) -> None:
    """One password, tried with account after account, from 250 addresses."""
    ready()
    someone = many(browser)
    in_parallel(16, seconds, lambda: someone().post("/agent/login", email=f"{uuid.uuid4()}@example.com", password="x"))


@attack
def unknown_links(browser: Browser, seconds: float) -> None:
    """One-time links that nobody has made."""
    ready()
    in_parallel(8, seconds, lambda: browser.request("GET", f"/links/{secrets.token_urlsafe(32)}"))


@attack
def redirects(browser: Browser, seconds: float) -> None:
    """Pages of agents, asked for by nobody, and by somebody with a key that was made up."""
    ready()
    stranger = Browser(browser.url)
    stranger.cookies[f"a-{browser.place[1]}"] = secrets.token_urlsafe(32)
    who = itertools.cycle((browser, stranger))
    in_parallel(8, seconds, lambda: next(who).request("GET", "/agent"))


@attack
def statics(browser: Browser, seconds: float) -> None:
    """The largest file, over and over."""
    script = script_of(browser)
    ready()
    in_parallel(8, seconds, lambda: browser.request("GET", script))


@attack
def large_headers(browser: Browser, seconds: float) -> None:
    """As many cookies and languages as a header may have."""
    headers = {"Cookie": "; ".join(f"c{n}={n}" for n in range(700)), "Accept-Language": "de;q=0.1, " * 700}
    ready()
    in_parallel(8, seconds, lambda: browser.request("GET", "/chat", None, FORM, **headers))


@attack
def made_up_keys(browser: Browser, seconds: float) -> None:
    """Messages, typing and read marks by browsers that nobody knows."""
    ready()
    paths = itertools.cycle(("messages", "typing", "receipts"))

    def send() -> None:
        stranger = Browser(browser.url)
        stranger.cookies[f"c-{browser.place[1]}"] = secrets.token_urlsafe(32)
        stranger.post(f"/chat/{next(paths)}", message="x", client_message_id=str(uuid.uuid4()))

    in_parallel(8, seconds, send)


@attack
def typing(browser: Browser, seconds: float) -> None:
    """Typing and read marks without end, by a customer."""
    browser.start()
    ready()
    paths = itertools.cycle(("typing", "receipts"))
    in_parallel(8, seconds, lambda: browser.post(f"/chat/{next(paths)}", read="1"))


@attack
def reading(browser: Browser, seconds: float) -> None:
    """A customer who loads the chat over and over."""
    browser.start()
    ready()
    paths = itertools.cycle(("/chat", "/chat/messages?after=0"))
    in_parallel(8, seconds, lambda: browser.request("GET", next(paths), None, FORM, **{"Accept-Encoding": "gzip"}))


@attack
def many_parts(browser: Browser, seconds: float) -> None:
    """Forms in 100,000 parts, and in as many as there may be."""
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'
    bodies = itertools.cycle((part * 100_000 + b"--b--\r\n", part * 19 + b"--b--\r\n"))
    browser.request("GET", "/chat")
    ready()
    kind = "multipart/form-data; boundary=b"
    in_parallel(4, seconds, lambda: browser.request("POST", "/chat", next(bodies), kind))


@attack
def long_forms(browser: Browser, seconds: float) -> None:
    """Texts as long as a form may be."""
    browser.start()
    ready()
    body = b"message=" + b"%F0%9F%98%80" * 5000
    in_parallel(8, seconds, lambda: browser.request("POST", "/chat/messages", body))


@attack
def large_pictures(browser: Browser, seconds: float) -> None:
    """Pictures of 40 megapixels, whole and cut off, by browser after browser."""
    drawn = io.BytesIO()
    Image.new("RGB", (8000, 5000), "red").save(drawn, "PNG")
    pictures = itertools.cycle((drawn.getvalue(), drawn.getvalue()[: drawn.tell() // 2]))
    browsers = itertools.cycle([Browser(browser.url).start() for _ in range(8)])
    ready()

    def send() -> None:
        fields = {"client_message_id": str(uuid.uuid4()), "message": ""}
        next(browsers).request("POST", "/chat/messages", *multipart(fields, next(pictures)))

    in_parallel(8, seconds, send)


@attack
def accounts(browser: Browser, seconds: float) -> None:
    """One password, tried with account after account."""
    browser.request("GET", "/agent/login")
    ready()
    in_parallel(
        8, seconds, lambda: browser.post("/agent/login", email=f"{uuid.uuid4()}@example.com", password="Password1")
    )


def as_agent(browser: Browser) -> Browser:
    """Return a browser in which an agent has logged in."""
    browser.cookies |= json.loads(os.environ["AGENT"])
    return browser


@attack
def strengths(browser: Browser, seconds: float) -> None:
    """Passwords that are hard to judge, by an agent."""
    as_agent(browser)
    ready()
    password = "4bcde6!7(|" * 100
    in_parallel(8, seconds, lambda: browser.post("/account/password/strength", password=password))


@attack
def searches(browser: Browser, seconds: float) -> None:
    """The pages of an agent that cost most, over and over."""
    as_agent(browser)
    ready()
    paths = itertools.cycle(("/agent?view=all", "/audit?kind=login", "/account", "/tickets?view=all"))
    in_parallel(8, seconds, lambda: browser.request("GET", next(paths)))


@attack
def catching_up(browser: Browser, seconds: float) -> None:
    """Two clients that ask for a long conversation from its beginning."""
    browser.start()
    for _ in range(150):
        browser.say(LONG)
    ready()
    in_parallel(2, seconds, lambda: browser.request("GET", "/chat/messages?after=0"))


def main() -> None:
    """Run the attack that was named."""
    name, url, seconds = sys.argv[1:4]
    ATTACKS[name](Browser(url), float(seconds))


if __name__ == "__main__":
    main()
