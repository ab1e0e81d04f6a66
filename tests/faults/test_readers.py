"""A page that stops reading: it is cut off, its frames stay whole, and nobody else waits for it."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable

import psutil

from tests.realtime.test_sockets import frames_of

from .desk import Desk, wait_for
from .people import Customer
from .run import under_load

Contract = Callable[..., None]


def stalled(customer: Customer) -> socket.socket:
    """Open the socket of a customer's page by hand, with a small buffer that nobody empties."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    host, port = customer.url.removeprefix("http://").split(":")
    made.connect((host, int(port)))
    lines = [
        "GET /chat/ws HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
        f"Origin: {customer.url}",
        f"Cookie: {customer.cookies}",
    ]
    made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += made.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return made


def say_hello(made: socket.socket) -> None:
    """Ask for everything from the beginning."""
    hello = json.dumps({"hello": True, "after": 0}).encode()
    made.sendall(b"\x81" + bytes([0x80 | len(hello)]) + bytes(4) + hello)


def rest_of(made: socket.socket) -> bytes:
    """Read what was sent before the server cut the connection."""
    made.settimeout(15)
    stream = b""
    try:
        while chunk := made.recv(65536):
            stream += chunk
    except ConnectionError:
        pass
    return stream


def test_a_page_that_does_not_read_is_cut_off_and_holds_nobody_up(desk: Desk, contract: Contract) -> None:
    with Customer(desk.url) as customer:
        for number in range(60):
            assert customer.send(f"{number} " + "x" * 7900).status_code == 200
        with under_load(desk) as run:
            made = stalled(customer)
            say_hello(made)
            stream = made.recv(65536)
            # Half a megabyte each time; the system takes some of them off the server's hands.
            for _ in range(15):
                with contextlib.suppress(ConnectionError):
                    say_hello(made)
                time.sleep(0.2)
            wait_for(lambda: not is_held(made), 15, "a page that does not read keeps its socket")
            stream += rest_of(made)
            made.close()
    frames = frames_of(stream)
    lines = [json.loads(frame)["content"] for frame in frames if b'data-seq=\\"' in frame]
    assert frames
    assert all("x" * 7900 in line or "message--system" in line or "Hello" in line for line in lines)
    contract("a page that does not read", run, silence=2.5)


def is_held(made: socket.socket) -> bool:
    """Whether the server holds its end. Ours learns of the end only behind what it has not read."""
    ends = {"laddr": made.getpeername(), "raddr": made.getsockname()}
    return any(
        each.status == psutil.CONN_ESTABLISHED and all(getattr(each, end) == address for end, address in ends.items())
        for each in psutil.net_connections("tcp")
    )
