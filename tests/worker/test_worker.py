"""What the worker does with those who send too much, too slowly, or nothing, on a running server."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from supportchat.config import Config
from tests.attacks.browser import Browser, multipart
from tests.server import Server

pytestmark = pytest.mark.mode("postgres")

TINY = b"1\r\nx\r\n"
Start = Callable[..., Browser]


@pytest.fixture
def start(config: Config) -> Iterator[Start]:
    """Start a server with some settings, and give a browser on it."""
    with contextlib.ExitStack() as stack:

        def started(**settings: str) -> Browser:
            server = Server(config, **settings)
            stack.callback(server.kill)
            server.start()
            browser = Browser(server.url)
            browser.request("GET", "/chat")
            return browser

        yield started


def send(browser: Browser, head: bytes, body: bytes = b"") -> socket.socket:
    """Send the beginning of a request."""
    made = browser.connect()
    with contextlib.suppress(ConnectionError):
        made.sendall(head + body)
    return made


def everything(made: socket.socket, seconds: float = 5) -> str:
    """Read until the server closes the connection, as it must do within some time."""
    made.settimeout(seconds)
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := made.recv(65536):
            received += chunk
    made.close()
    return received.decode(errors="replace")


def is_answered(made: socket.socket) -> bool:
    """Read the answer of /healthz on a connection that stays open; whether it comes."""
    received = b""
    while not received.endswith(b'{"status":"ok"}\n'):
        if not (chunk := made.recv(65536)):
            return False
        received += chunk
    return received.startswith(b"HTTP/1.1 200")


def chunked(body: bytes, size: int = 1000) -> bytes:
    """Write a body in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_bodies_of_a_length_that_nobody_says(start: Start) -> None:
    browser = start()
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked"}
    head = browser.head("POST", "/chat", **kind)
    form = urlencode({"message": "\N{GRINNING FACE}" * 5000}).encode()
    assert 60_000 < len(form) < 65_536
    with contextlib.closing(send(browser, head, chunked(form))) as made:
        answer = made.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 303"), answer
        assert "Connection: keep-alive" in answer
        made.sendall(browser.head("GET", "/healthz", Connection="close"))  # where the body has ended
        assert '{"status":"ok"}' in everything(made)

    # All of it may have been read by then, and the connection be kept for as long as we wait here.
    closing = browser.head("POST", "/chat", **kind, Connection="close")
    too_long = everything(send(browser, closing, chunked(b"message=" + b"x" * 65_536)))
    assert too_long.startswith("HTTP/1.1 413")
    assert "Messages can have up to 8,000 characters" in too_long
    picture, kind["Content-Type"] = multipart({}, b"x" * 11_600_000)
    too_long = everything(send(browser, browser.head("POST", "/chat", **kind), chunked(picture, 100_000)), 20)
    assert too_long.startswith("HTTP/1.1 413")
    assert "Pictures can have up to 10 MB" in too_long

    for broken in (b"zz\r\nx\r\n0\r\n\r\n", b"5\r\nx"):
        made = send(browser, head, broken)
        made.shutdown(socket.SHUT_WR)
        assert everything(made).startswith("HTTP/1.1 400"), broken


def test_a_header_counts_only_once_and_under_its_own_name(start: Start) -> None:
    browser = start()
    head = browser.head("POST", "/chat", **{"Content-Length": "0", "Connection": "close"}).decode()
    ours = f"Origin: {browser.url}\r\n"
    assert everything(send(browser, head.encode())).startswith("HTTP/1.1 422")
    for lines in (
        "Sec_Fetch_Site: same-origin\r\n",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n",
        f"{ours}Sec-Fetch-Site: cross-site\r\n",
        f"{ours}Sec-Fetch-Site:\r\n",
        ours + ours,
        f"{ours}Origin: https://evil.example\r\n",
    ):
        answer = everything(send(browser, head.replace(ours, lines).encode()))
        assert answer.startswith("HTTP/1.1 403"), (lines, answer[:100])


def test_what_is_refused_is_not_read(start: Start) -> None:
    browser = start()
    for method, path, length, status, headers in (
        ("POST", "/chat", 100_000, 403, {"Origin": "http://elsewhere.example"}),
        ("POST", "/chat", 100_000, 400, {"Host": "elsewhere.example"}),
        ("POST", "/nowhere", 100_000, 404, {}),
        ("POST", "/chat", 200_000, 413, {}),
        ("GET", "/healthz", 100_000, 200, {}),
    ):
        head = browser.head(method, path, **{"Content-Length": str(length), **headers})
        answer = everything(send(browser, head, b"message=typed&"), 12)  # the rest never comes
        assert answer.startswith(f"HTTP/1.1 {status}"), (path, answer[:200])
        assert "Connection: close" in answer
        assert "typed" not in answer
    static = re.findall(r'"(/static/[^"]+\.js)"', browser.request("GET", "/chat")[1])[0]
    head = browser.head("GET", static, **{"Transfer-Encoding": "chunked"})
    assert "Connection: close" in everything(send(browser, head, TINY), 12)


def test_who_is_too_slow_is_not_waited_for(start: Start) -> None:
    browser = start(HEADER_SECONDS="1", BODY_SECONDS="1", ANSWER_SECONDS="1")
    assert everything(send(browser, b"GET /healthz HTTP/1.1\r\nHost: ")) == ""
    assert everything(send(browser, b"")) == ""
    for headers in ({"Content-Length": "1000"}, {"Transfer-Encoding": "chunked"}):
        answer = everything(send(browser, browser.head("POST", "/chat", **headers), TINY), 15)
        assert answer.startswith("HTTP/1.1 408"), answer[:200]
        assert "took too long" in answer

    static = re.findall(r'"(/static/[^"]+\.js)"', browser.request("GET", "/chat")[1])[0]
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(browser.place)
    asked = browser.head("GET", static)
    end = time.monotonic() + 20
    with made, contextlib.suppress(ConnectionError):
        while time.monotonic() < end:  # and reads nothing
            made.sendall(asked * 50)
            time.sleep(0.05)
    assert time.monotonic() < end


def test_a_connection_is_kept_for_the_next_request(start: Start) -> None:
    browser = start(HEADER_SECONDS="1")
    asked = browser.head("GET", "/healthz")
    with contextlib.closing(send(browser, asked)) as kept:
        assert is_answered(kept)
        # For longer than a new one may take to send its headers, and the second request more.
        for _ in range(2):
            assert everything(send(browser, b"GET /healthz HTTP/1.1\r\n")) == ""
        kept.sendall(asked[:20])
        kept.sendall(asked[20:])
        assert is_answered(kept)
        kept.sendall(asked + browser.head("GET", "/healthz", Connection="close"))  # both at once
        assert everything(kept).count("HTTP/1.1 200") == 2

    with contextlib.closing(send(browser, asked)) as kept:
        assert is_answered(kept)
        kept.sendall(asked[:20])
        assert everything(kept) == ""  # it has begun, and may not take longer than any


def test_one_address_does_not_fill_the_desk(start: Start) -> None:
    browser = start(CONNECTIONS_PER_ADDRESS="5")
    browser.start()
    sockets = [browser.websocket() for _ in range(8)]  # those are counted by the hub
    head = browser.head("POST", "/chat", **{"Content-Length": "1000"})
    held = [send(browser, head) for _ in range(5)]
    try:
        answer = everything(send(browser, browser.head("GET", "/healthz")))
        assert answer.startswith("HTTP/1.1 503")
        assert "Too many connections" in answer
        assert Browser(browser.url, "127.0.0.2").request("GET", "/healthz")[0] == 200
        held.pop().close()
        end = time.monotonic() + 5
        while browser.request("GET", "/healthz")[0] != 200:
            assert time.monotonic() < end
    finally:
        for made in (*held, *sockets):
            made.close()


def test_behind_a_proxy_its_address_is_nobodys(start: Start) -> None:
    browser = start(CONNECTIONS_PER_ADDRESS="2", TRUSTED_PROXIES="1")
    held = [send(browser, browser.head("POST", "/chat", **{"Content-Length": "1000"})) for _ in range(5)]
    assert browser.request("GET", "/healthz")[0] == 200
    for made in held:
        made.close()
