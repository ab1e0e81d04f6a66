"""HTTP and websockets on plain sockets: the client must cost little, for it shares the machine with the desk."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# What browsers accept by http, and by https.
PLAIN_HTTP, HTTPS = "gzip, deflate", "gzip, deflate, br, zstd"
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0"
    " Safari/537.36\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.9\r\n"
    'sec-ch-ua: "Chromium";v="156", "Not_A Brand";v="24"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
)


class Failed(Exception):
    """A connection that could not be used."""


@dataclass
class Answer:
    """An HTTP answer. `head_bytes` counts its status line and headers as well."""

    status: int
    headers: dict[str, list[str]]
    body: bytes
    head_bytes: int

    def header(self, name: str) -> str:
        """Return the first header of that name, or ''."""
        return self.headers.get(name, [""])[0]

    @property
    def text(self) -> str:
        """The body as text."""
        body = gzip.decompress(self.body) if self.header("content-encoding") == "gzip" else self.body
        return body.decode()


class Connection(asyncio.Protocol):
    """One kept-alive HTTP connection, which carries one request at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self.first_byte_at = 0.0
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._head: Answer | None = None
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; its answer comes as the result."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Collect an answer."""
        if not self._received:
            self.first_byte_at = time.monotonic()
        self._received += data
        if self._head is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = parsed_head(bytes(self._received[:end]))
            del self._received[: end + 4]
        body = whole_body(self._head, self._received)
        if body is not None and self._waiting is not None:
            answer, self._head, waiting, self._waiting = self._head, None, self._waiting, None
            answer.body = body
            self._received.clear()
            self.is_open = answer.header("connection").lower() != "close"
            if not waiting.done():
                waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits for an answer."""
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Failed("closed before the answer"))

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._transport.abort()


def parsed_head(text: bytes) -> Answer:
    """Return an answer without its body."""
    first, *lines = text.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return Answer(int(first.split(" ", 2)[1]), headers, b"", len(text) + 4)


def whole_body(head: Answer, received: bytearray) -> bytes | None:
    """Return the body once all of it is there."""
    if head.status in (101, 204, 304):
        return b""
    if head.header("transfer-encoding").lower() == "chunked":
        return joined_chunks(received)
    length = int(head.header("content-length") or 0)
    return bytes(received[:length]) if len(received) >= length else None


def joined_chunks(received: bytearray) -> bytes | None:
    """Return a chunked body once its last chunk is there."""
    body, at = bytearray(), 0
    while (end := received.find(b"\r\n", at)) >= 0:
        size = int(received[at:end].split(b";")[0], 16)
        if len(received) < end + 2 + size + 2:
            return None
        body += received[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
        if not size:
            return bytes(body)
    return None


class Browser:
    """One browser's cookies and connections to the desk."""

    def __init__(self, host: str, port: int, source: str = "") -> None:
        """:param source: the loopback address that it comes from."""
        self.host, self.port = host, port
        self.cookies: dict[str, str] = {}
        self._source = (source, 0) if source else None
        self._idle: list[Connection] = []

    @property
    def origin(self) -> str:
        """The origin of the desk's pages."""
        return f"http://{self.host}:{self.port}"

    async def get(self, path: str, headers: str = "") -> Answer:
        """Send a GET."""
        return await self.ask("GET", path, headers)

    async def post(self, path: str, values: dict[str, str], headers: str = "") -> Answer:
        """Send a form, urlencoded."""
        kind = f"Content-Type: application/x-www-form-urlencoded\r\n{headers}"
        return await self.ask("POST", path, kind, urlencode(values).encode())

    async def post_parts(
        self, path: str, values: dict[str, str], picture: bytes | None = None, headers: str = ""
    ) -> Answer:
        """Send a form as multipart, as a form with a field for files is."""
        kind, body = multipart(values, picture)
        return await self.ask("POST", path, f"Content-Type: {kind}\r\n{headers}", body)

    async def ask(
        self, method: str, path: str, headers: str = "", body: bytes = b"", encodings: str = PLAIN_HTTP
    ) -> Answer:
        """Send a request; again on a new connection if the desk has just closed an idle one, as browsers do."""
        head = self._head(method, path, f"Accept-Encoding: {encodings}\r\n{headers}")
        if method != "GET":
            head += f"Origin: {self.origin}\r\n"
        if body or method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        request = f"{head}\r\n".encode() + body
        kept = self._kept()
        if kept is not None:
            try:
                return await self._use(kept, request)
            except Failed:
                pass
        return await self._use(await self._connected(), request)

    def _head(self, method: str, path: str, headers: str) -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        said = f"Cookie: {cookies}\r\n" if cookies else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: keep-alive\r\n"
            f"{BROWSER}Sec-Fetch-Site: same-origin\r\n{headers}{said}"
        )

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(Connection, self.host, self.port, local_addr=self._source)
        except OSError as error:
            raise Failed(str(error)) from error
        return made

    async def _use(self, connection: Connection, request: bytes) -> Answer:
        answer = await connection.ask(request)
        for cookie in answer.headers.get("set-cookie", ()):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        if connection.is_open:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close its connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def open_socket(self, path: str, on_text: Callable[[bytes], None]) -> Socket:
        """Open a websocket.

        :raise Failed: if the desk does not accept it.
        """
        loop = asyncio.get_running_loop()
        key = base64.b64encode(os.urandom(16)).decode()
        request = self._head("GET", path, f"Origin: {self.origin}\r\n").replace(
            "Connection: keep-alive\r\n",
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        )
        try:
            _, socket = await loop.create_connection(
                lambda: Socket(f"{request}\r\n".encode(), on_text), self.host, self.port, local_addr=self._source
            )
        except OSError as error:
            raise Failed(str(error)) from error
        await socket.accepted
        return socket


def multipart(values: dict[str, str], picture: bytes | None = None) -> tuple[str, bytes]:
    """Return the type and the body of a form."""
    boundary = f"----WebKitFormBoundary{os.urandom(8).hex()}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in values.items()
    ]
    if picture is not None:
        parts += [
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode(),
            picture,
            b"\r\n",
        ]
    # A photo is copied once: texts that are due wait meanwhile.
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


class Socket(asyncio.Protocol):
    """A websocket: hands on texts, answers pings."""

    def __init__(self, request: bytes, on_text: Callable[[bytes], None]) -> None:
        self.is_open = False
        self.close_code = 0
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.accepted.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for it
        self.on_lost: Callable[[], None] | None = None
        self._closed = asyncio.Event()
        self._request = request
        self._on_text = on_text
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the upgrade, then frames."""
        if not self.is_open:
            self._received += data
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._received.startswith(b"HTTP/1.1 101"):
                self._fail(f"refused: {bytes(self._received[:200])!r}")
                return
            self.is_open = True
            self.accepted.set_result(None)
            data = bytes(self._received[end + 4 :])
            self._received.clear()
        if self._received:
            self._received += data
            data = bytes(self._received)
            self._received.clear()
        self._received += data[self._read_frames(data) :]

    def _read_frames(self, data: bytes) -> int:
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = struct.unpack_from(">H", data, start)[0], start + 2
            elif length == 127:
                if size - at < 10:
                    break
                length, start = struct.unpack_from(">Q", data, start)[0], start + 8
            if size - start < length:
                break
            self._take(data[at] & 15, data[start : start + length])
            at = start + length
        return at

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            self._on_text(payload)
        elif kind == PING:
            self._send(PONG, payload)
        elif kind == CLOSE:
            self.close_code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
            self._send(CLOSE, payload[:2])
            self._transport.close()

    def send(self, text: str) -> None:
        """Send a text."""
        self._send(TEXT, text.encode())

    def _send(self, kind: int, payload: bytes) -> None:
        # With a mask of zeros, which is one as well.
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        self._transport.write(bytes([128 | kind]) + length + b"\0\0\0\0" + payload)

    async def close(self) -> None:
        """Say goodbye, as a tab that is closed does."""
        if self.is_open:
            self._send(CLOSE, struct.pack(">H", 1001))
        self._transport.close()
        await self._closed.wait()

    def abort(self) -> None:
        """Cut it without a word."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that it is gone."""
        self.is_open = False
        self._fail("closed")
        self._closed.set()
        if self.on_lost is not None:
            self.on_lost()

    def _fail(self, reason: str) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(Failed(reason))
            self._transport.abort()
