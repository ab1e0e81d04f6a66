"""Websockets as a browser opens them, on the running server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from supportchat.database import Database
from supportchat.server.worker import MOST_OPENING
from supportchat.web.cookies import token_hash
from tests.attacks.browser import frame
from tests.cast import Agent, Cast, Visitor, new_id
from tests.server import Server
from tests.variants import first, variants

KEY = "k" * 43
Opener = Callable[..., ClientConnection]


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer with a chat, whose browser's cookie is KEY."""
    visitor = cast.visitor()
    visitor.key = token_hash(KEY)
    visitor.start("Line 1")
    return visitor


@pytest.fixture
def opened(server: Server) -> Iterator[Opener]:
    """A function that opens a socket with a cookie."""
    sockets = []

    def open_socket(path: str = "/chat/ws", cookie: str = f"c={KEY}", hello: Any = None, **options: Any) -> Any:
        headers = {"Cookie": cookie} | options.pop("headers", {})
        made = connect(
            server.url.replace("http", "ws") + path,
            origin=options.pop("origin", server.url),
            additional_headers=headers,
            **options,
        )
        sockets.append(made)
        if hello is not None:
            made.send(json.dumps({"hello": True, **hello}))
        return made

    yield open_socket
    for each in sockets:
        each.close()


def until(websocket: ClientConnection, event: str, seconds: float = 5) -> list[dict[str, Any]]:
    """Read frames up to one with this event, and give them all."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1].get("event") != event:
        frames.append(json.loads(websocket.recv(timeout=seconds)))
    return frames


def next_line(websocket: ClientConnection, seconds: float = 5) -> str:
    """Read frames up to one with a line of the conversation, and give its HTML."""
    return next_content(websocket, "#messages", seconds)


def next_content(websocket: ClientConnection, target: str, seconds: float = 5) -> str:
    """Read frames up to one for this part of the page, and give its HTML."""
    while True:
        frame = json.loads(websocket.recv(timeout=seconds))
        if frame.get("target", "").startswith(target):
            return str(frame["content"])


def repeated(websocket: ClientConnection, signal: Callable[[], Any]) -> str:
    """Signal that somebody is typing until it has come, and give its HTML."""
    for _ in range(20):
        signal()
        with contextlib.suppress(TimeoutError):
            return next_content(websocket, "#typing", 0.5)
    pytest.fail("nobody is typing")


def close_code(websocket: ClientConnection, seconds: float = 10) -> int:
    """Read until the server closes, and give its code."""

    def read_on() -> None:
        while True:
            websocket.recv(timeout=seconds)

    with pytest.raises(ConnectionClosed) as closed:
        read_on()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


@pytest.mark.parametrize(
    "origin", first(["https://evil.example", None, "null", "http://127.0.0.1", "http://127.0.0.1.evil.example"])
)
def test_a_handshake_from_elsewhere_is_refused(vera: Visitor, opened: Opener, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(origin=origin)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "cookie", "status"),
    [("/chat/ws", "c=" + "x" * 43, 404), ("/chat/ws", "", 404), ("/agent/ws", "", 401), ("/agent/ws", f"a={KEY}", 401)],
)
def test_a_handshake_needs_a_session(vera: Visitor, opened: Opener, path: str, cookie: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(path, cookie)
    assert refused.value.response.status_code == status


@pytest.mark.mode("postgres")
def test_refused_handshakes_keep_nobody_out(vera: Visitor, opened: Opener) -> None:
    for _ in range(2 * MOST_OPENING):
        with pytest.raises(InvalidStatus):
            opened(cookie="")
    until(opened(hello={"after": 2}), "caught_up")


@pytest.mark.mode("postgres")
def test_who_does_not_read_the_answers_to_handshakes_keeps_nobody_out(
    server: Server, vera: Visitor, opened: Opener
) -> None:
    address = urlsplit(server.url)
    request = f"GET /x/ws HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode() * 100
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_OPENING):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect((address.hostname, address.port))
            client.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    client.sendall(request)
        until(opened(hello={"after": 2}), "caught_up")


@pytest.mark.parametrize("header", [{"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}])
def test_a_handshake_with_a_body_is_refused(opened: Opener, vera: Visitor, header: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus, match="400"):
        opened(headers=header)


@pytest.mark.both_modes
def test_a_message_reaches_an_open_page_within_a_second(vera: Visitor, alice: Agent, opened: Opener) -> None:
    page = opened(hello={"after": 2})
    until(page, "caught_up")
    seconds = []
    for text in ("Right away", "And", "Again"):  # without events each waits for the next sweep, the machine may be busy
        start = time.monotonic()
        alice.reply(1001, text)
        assert text in next_line(page)
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 1


@pytest.mark.both_modes
def test_a_page_that_comes_back_gets_what_it_missed(vera: Visitor, alice: Agent, opened: Opener) -> None:
    opened(hello={"after": 2}).close()
    for n in range(3):
        alice.reply(1001, f"Missed {n}")
    frames = until(opened(hello={"after": 2}), "caught_up")
    lines = "".join(frame["content"] for frame in frames if "messages" in frame.get("target", ""))
    assert re.findall(r"Missed \d", lines) == ["Missed 0", "Missed 1", "Missed 2"]


def test_a_socket_shows_its_own_conversation_whatever_it_says(
    cast: Cast, vera: Visitor, alice: Agent, opened: Opener
) -> None:
    victor = cast.visitor()
    other = victor.start("Private to victor")
    page = opened(hello={"after": 0, "session_id": other["session_id"], "ticket": other["number"]})
    assert "Private to victor" not in json.dumps(until(page, "caught_up"))


def test_nonsense_on_the_socket_is_ignored(vera: Visitor, alice: Agent, opened: Opener) -> None:
    page = opened()
    for message in ("", "null", "[1]", "{", "[" * 8000, '{"hello": "yes"}', '{"hello": true, "after": -1}'):
        page.send(message)
    page.send(json.dumps({"hello": True, "after": True}))
    until(page, "caught_up")


@pytest.mark.both_modes
def test_an_agent_sees_the_queue_change_and_the_ticket_that_is_open(
    cast: Cast, vera: Visitor, alice: Agent, opened: Opener, database: Database
) -> None:
    database.call("open_agent_session", agent_id=alice.id, token_hash=token_hash(KEY))
    desk = opened("/agent/ws", f"a={KEY}", {"ticket": 1001, "after": 2, "after_note": 0})
    until(desk, "caught_up")
    vera.post("Are you there?")
    frames = until(desk, "queue_changed")
    if not any("Are you there?" in frame.get("content", "") for frame in frames):
        assert "Are you there?" in next_line(desk)


@pytest.mark.both_modes
def test_typing_a_note_and_the_end_of_a_chat_reach_the_other_side(
    vera: Visitor, alice: Agent, opened: Opener, database: Database
) -> None:
    database.call("open_agent_session", agent_id=alice.id, token_hash=token_hash(KEY))
    page, desk = opened(hello={"after": 2}), opened("/agent/ws", f"a={KEY}", {"ticket": 1001, "after": 2})
    for each in (page, desk):
        until(each, "caught_up")
    # Typing is not logged: what is said before the process listens is lost.
    assert "Alice</bdi> is typing" in repeated(page, lambda: alice.call("signal_typing", number=1001))
    assert "Visitor 1001</bdi> is typing" in repeated(desk, lambda: database.call("signal_typing", visitor=vera.key))
    alice.call("add_note", number=1001, client_message_id=new_id(), note="Between us")
    assert "Between us" in next_line(desk)
    alice.call("close_ticket", number=1001)
    assert "Alice</bdi> ended the chat" in next_line(page)


@pytest.mark.both_modes
def test_receipts_and_typing_by_the_socket_reach_the_other_side(
    vera: Visitor, alice: Agent, opened: Opener, database: Database
) -> None:
    database.call("open_agent_session", agent_id=alice.id, token_hash=token_hash(KEY))
    page, desk = opened(hello={"after": 2}), opened("/agent/ws", f"a={KEY}", {"ticket": 1001, "after": 2})
    for each in (page, desk):
        until(each, "caught_up")
    epoch = vera.chat["epoch"]
    page.send(json.dumps({"receipt": {"delivered": 2, "read": 1, "epoch": epoch}}))
    assert until(desk, "receipts")[-1] == {"event": "receipts", "number": 1001, "delivered": 2, "read": 1}
    desk.send(json.dumps({"receipt": {"delivered": 2, "read": 2, "epoch": epoch}}))
    assert until(page, "receipts")[-1] == {"event": "receipts", "number": 1001, "delivered": 2, "read": 2}
    assert "Alice</bdi> is typing" in repeated(page, lambda: desk.send(json.dumps({"typing": epoch})))
    assert "Visitor 1001</bdi> is typing" in repeated(desk, lambda: page.send(json.dumps({"typing": epoch})))


def test_many_receipts_are_no_flood(vera: Visitor, alice: Agent, opened: Opener) -> None:
    page, epoch = opened(hello={"after": 2}), vera.chat["epoch"]
    until(page, "caught_up")
    for _ in range(40):
        page.send(json.dumps({"receipt": {"delivered": 2, "read": 2, "epoch": epoch}}))
    page.send(json.dumps({"hello": True, "after": 2}))
    until(page, "caught_up")


def test_a_desk_that_was_made_for_another_agent_is_closed_for_good(
    cast: Cast, opened: Opener, database: Database
) -> None:
    alice, bob = cast.agent("alice"), cast.agent("bob")
    database.call("open_agent_session", agent_id=bob.id, token_hash=token_hash(KEY))
    assert close_code(opened("/agent/ws", f"a={KEY}", {"ticket": 0, "agent": alice.id})) == 4401
    until(opened("/agent/ws", f"a={KEY}", {"ticket": 0, "agent": bob.id}), "caught_up")


@pytest.mark.both_modes
def test_an_open_desk_makes_an_agent_available(cast: Cast, bob: Agent, opened: Opener, database: Database) -> None:
    waiting = cast.visitor()
    assert waiting.start()["status"] == "waiting"
    database.call("open_agent_session", agent_id=bob.id, token_hash=token_hash(KEY))
    desk = opened("/agent/ws", f"a={KEY}", {"ticket": 0})
    until(desk, "queue_changed")
    deadline = time.monotonic() + 3
    while waiting.chat["agent"] is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert waiting.chat["agent"]["id"] == bob.id


@pytest.mark.parametrize("ended_by", ["logout", "another password", "an admin"])
def test_the_end_of_a_login_closes_its_socket_for_good(
    alice: Agent, carol: Agent, opened: Opener, database: Database, ended_by: str
) -> None:
    database.call("open_agent_session", agent_id=alice.id, token_hash=token_hash(KEY))
    desk = opened("/agent/ws", f"a={KEY}", {"ticket": 0})
    until(desk, "caught_up")
    if ended_by == "logout":
        database.call("close_agent_session", token_hash=token_hash(KEY))
    elif ended_by == "an admin":
        carol.call("disable_person", person_id=alice.id)
    else:
        database.call("reset_password", email="alice@example.com", password_hash="x")
    assert close_code(desk) == 4401


def test_a_restart_closes_every_socket_so_that_its_page_comes_back(
    vera: Visitor, opened: Opener, server: Server
) -> None:
    page = opened(hello={"after": 2})
    until(page, "caught_up")
    server.stop()
    assert close_code(page) == 1012


def listeners(rows: Any) -> list[int]:
    """Return the process ids of the backends that listen."""
    return [pid for (pid,) in rows("select pid from pg_stat_activity where query = 'listen supportchat'")]


def once_listening(rows: Any) -> int:
    """Return the process id of the one backend that listens: a server is ready before it does."""
    deadline = time.monotonic() + 5
    while len(found := listeners(rows)) != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0]


@pytest.mark.mode("postgres")
def test_a_lost_listener_is_opened_again_and_nothing_is_missed(
    vera: Visitor, alice: Agent, opened: Opener, rows: Any
) -> None:
    page = opened(hello={"after": 2})
    until(page, "caught_up")
    assert rows("select pg_terminate_backend(%s)", once_listening(rows)) == [(True,)]
    alice.reply(1001, "While nobody listened")
    assert "While nobody listened" in next_line(page)
    once_listening(rows)


@pytest.mark.mode("postgres")
def test_a_listener_that_has_gone_silent_is_replaced_within_ten_seconds(
    vera: Visitor, alice: Agent, opened: Opener, rows: Any
) -> None:
    page = opened(hello={"after": 2})
    until(page, "caught_up")
    frozen = once_listening(rows)
    os.kill(frozen, signal.SIGSTOP)  # its connection stays, and says nothing any more
    try:
        start = time.monotonic()
        alice.reply(1001, "Into the silence")
        assert "Into the silence" in next_line(page)  # by the sweep
        while not set(listeners(rows)) - {frozen}:
            assert time.monotonic() - start < 10
            time.sleep(0.05)
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_a_long_message_is_refused(vera: Visitor, opened: Opener) -> None:
    page = opened()
    page.send("x" * 20_000)
    assert close_code(page) == 1009


def test_a_flood_of_messages_is_refused(vera: Visitor, opened: Opener) -> None:
    page = opened()

    def flood() -> None:
        while True:
            page.send("x" * 1000)

    with pytest.raises(ConnectionClosed):
        flood()


def parts(count: int, text: str) -> Iterator[str]:
    """Return a message in many parts, which do not come at once."""
    for _ in range(count):
        time.sleep(0.001)
        yield text


@pytest.mark.mode("postgres")
def test_who_says_hello_over_and_over_waits(vera: Visitor, opened: Opener) -> None:
    page, start, count = opened(), time.monotonic(), 16
    for _ in range(count):
        page.send(json.dumps({"hello": True, "after": 0}))
    for _ in range(count):
        until(page, "caught_up")
    assert time.monotonic() - start > 2  # ten at once, and two a second


@pytest.mark.mode("postgres")
def test_a_page_may_send_what_a_page_sends(vera: Visitor, opened: Opener) -> None:
    page = opened(hello={"after": 0}, max_size=None)
    page.send(parts(40, json.dumps({"draft": "x" * 300})))
    for _ in range(5):
        page.ping().wait(5)
    until(page, "caught_up")
    assert page.close_code is None


def test_no_compression_is_agreed_on(vera: Visitor, opened: Opener) -> None:
    page = opened(compression="deflate")
    assert page.response is not None
    assert "Sec-WebSocket-Extensions" not in page.response.headers


def raw_socket(server: Server, receive_buffer: int) -> socket.socket:
    """Open a websocket by hand, with a small buffer for what comes in."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(("127.0.0.1", server.port))
    lines = [
        "GET /chat/ws HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {server.url}",
        f"Cookie: c={KEY}",
    ]
    made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += made.recv(1)
    hello = json.dumps({"hello": True, "after": 2}).encode()
    made.sendall(b"\x81" + bytes([0x80 | len(hello)]) + b"\0\0\0\0" + hello)
    return made


def frames_of(data: bytes) -> list[bytes]:
    """Take a stream of the server apart into whole frames; fail where one does not begin."""
    frames = []
    while data:
        assert data[0] in (0x81, 0x88, 0x89, 0x8A), f"no frame begins with {data[:20]!r}"
        length, start = data[1], 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + length:
            break  # cut off in the middle: the connection was closed
        frames.append(data[start : start + length])
        data = data[start + length :]
    return frames


@pytest.mark.mode("postgres")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", frame(9)),
        (b"", frame(1, b"x" * 4000)),
        (frame(1, b"x", is_last=False), frame(0, b"x", is_last=False)),
        *variants(
            [
                (b"", frame(10)),
                (b"", frame(1)),
                (b"", frame(2, b"x")),
                (frame(1, is_last=False), frame(0, is_last=False)),
            ]
        ),
    ],
)
def test_no_kind_of_frame_may_come_without_pause(vera: Visitor, server: Server, first: bytes, then: bytes) -> None:
    flood = raw_socket(server, 65536)
    with contextlib.suppress(ConnectionError):
        flood.sendall(first + then * 200)
    flood.settimeout(10)
    received = b""
    while chunk := flood.recv(65536):
        received += chunk
    flood.close()
    assert int.from_bytes(frames_of(received)[-1][:2], "big") == 1008


def test_a_slow_reader_gets_whole_frames_and_holds_nobody_up(
    vera: Visitor, alice: Agent, opened: Opener, server: Server
) -> None:
    """simple_websocket sends without looking how much went out: a reader that stalls would get broken frames."""
    slow = raw_socket(server, 4096)
    quick = opened(hello={"after": 2})
    until(quick, "caught_up")
    big = "x" * 7900
    for n in range(60):
        vera.post(f"{n} {big}")
        assert f"{n} x" in next_line(quick)
    time.sleep(1)
    stream = b""
    slow.settimeout(2)
    try:
        while chunk := slow.recv(65536):
            stream += chunk
    except (TimeoutError, ConnectionError):
        pass
    slow.close()
    frames = frames_of(stream)
    lines = [json.loads(f)["content"] for f in frames if f.startswith(b'{"content"') and b"messages" in f]
    assert len(lines) >= 5
    assert all(f"{n} x" in line for n, line in enumerate(lines))
