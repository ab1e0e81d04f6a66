"""While everything happens at once, nothing keeps the event loop from the others."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from websockets.sync.client import connect

from supportchat.agents.passwords import hash_password
from supportchat.config import ROOT, Config
from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.attacks.browser import Browser, multipart
from tests.cast import PASSWORD, Agent, Cast, Visitor
from tests.server import Server

pytestmark = pytest.mark.mode("postgres")

ROUNDS = 3
LINES = 80
LONG = "Order 4711 is at https://shop.example/orders/4711, \u0416\u65e5\u672c \U0001f600 see you. " * 100
KEY = "k" * 43


@pytest.fixture
def stalls(tmp_path: Path) -> Path:
    """The file of what kept the loop for too long."""
    return tmp_path / "stalls"


@pytest.fixture
def desk(config: Config, stalls: Path) -> Iterator[Server]:
    """A desk whose event loop is watched, without limits for those who come again and again."""
    limits = {f"LIMIT_{name}": "0" for name in ("LOGINS", "MESSAGES", "PICTURES", "STARTS", "STARTS_PER_ADDRESS")}
    server = Server(config, STALLS=str(stalls), **limits)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer with a chat, whose browser's cookie is KEY."""
    visitor = cast.visitor()
    visitor.key = token_hash(KEY)
    visitor.start("Hello")
    return visitor


def logged_in(url: str) -> Browser:
    """Log in as the admin."""
    browser = Browser(url)
    assert browser.post("/agent/login", email="dora@example.com", password=PASSWORD) == 303
    return browser


def photo() -> bytes:
    """Return a picture of a megabyte."""
    out = io.BytesIO()
    Image.effect_noise((1600, 1200), 90).convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def catch_up(browser: Browser, path: str, **hello: int) -> None:
    """Open a socket, and get everything."""
    url = browser.url.replace("http", "ws") + path
    with connect(url, additional_headers=browser.headers, max_size=None) as websocket:
        websocket.send(json.dumps({"hello": True, **hello}))
        while json.loads(websocket.recv(timeout=60)).get("event") != "caught_up":
            pass


def test_nothing_keeps_the_event_loop_from_the_others(
    desk: Server, database: Database, vera: Visitor, stalls: Path
) -> None:
    database.call(
        "create_agent", name="Dora", email="dora@example.com", role="admin", password_hash=hash_password(PASSWORD)
    )
    customer, reader, agent, picture = Browser(desk.url).start(), Browser(desk.url), logged_in(desk.url), photo()
    reader.cookies["c"], ticket = KEY, vera.chat["number"]

    def send_picture() -> None:
        body, kind = multipart({"message": "", "client_message_id": str(uuid.uuid4())}, picture)
        # The second when the machine is too busy.
        assert customer.request("POST", "/chat/messages", body, kind)[0] in (303, 503)

    acts: list[Callable[[], object]] = [
        lambda: customer.say("Hi"),
        lambda: reader.say(f"{uuid.uuid4()} {LONG}"),
        send_picture,
        lambda: logged_in(desk.url),
        lambda: agent.request("GET", "/status"),
        lambda: reader.request("GET", "/chat"),
        lambda: agent.request("GET", f"/agent?ticket={ticket}"),
        lambda: catch_up(reader, "/chat/ws", after=1),
        lambda: catch_up(agent, "/agent/ws", ticket=ticket, after=1),
    ]
    for act in acts:  # a process does some things only once
        act()
    for n in range(LINES):
        vera.post(f"{n} {LONG}")
    stalls.unlink(missing_ok=True)
    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(lambda act: [act() for _ in range(ROUNDS)], acts))
    assert not stalls.exists(), stalls.read_text()


def test_the_watch_finds_a_stall_and_says_where(stalls: Path) -> None:
    program = f"""
import gevent, time
from pathlib import Path
from tests.worker.stalls import ALLOWED_SECONDS, Watch

def work():
    ends = time.thread_time() + 2 * ALLOWED_SECONDS
    while time.thread_time() < ends:
        pass

watch = Watch(Path({str(stalls)!r}))
gevent.spawn(work).join()
gevent.sleep(0.01)
watch.stop()
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert "in work" in stalls.read_text()
