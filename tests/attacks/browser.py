"""The least of a browser that an attack needs, without a library: it should cost less than what it does to the desk."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import uuid
from typing import Any
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"
TIMEOUT = 30.0


class Browser:
    """A browser with a cookie or two. Each request has a connection of its own."""

    def __init__(self, url: str, source: str = os.environ.get("SOURCE", "127.0.0.1")) -> None:
        self.url = url
        self.place = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
        self.cookies: dict[str, str] = {}
        self._source = (source, 0)

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = FORM, **headers: str
    ) -> tuple[int, str]:
        """Send one request; give status and text."""
        connection = http.client.HTTPConnection(*self.place, timeout=TIMEOUT, source_address=self._source)
        try:
            connection.request(method, path, body, {**self.headers, "Content-Type": kind, **headers})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, text

    @property
    def headers(self) -> dict[str, str]:
        """What every request of a page of ours carries."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Origin": self.url} | ({"Cookie": cookies} if cookies else {})

    def post(self, path: str, **fields: str) -> int:
        """Post a form; give the status."""
        return self.request("POST", path, urlencode(fields).encode())[0]

    def start(self, message: str = "Hello") -> Browser:
        """Begin a chat."""
        self.request("GET", "/chat")
        status = self.post("/chat", message=message, client_message_id=str(uuid.uuid4()))
        self.request("GET", "/chat")
        assert status in (303, 400, 422, 429, 503), status
        return self

    def say(self, message: str) -> int:
        """Write a message; give the status."""
        return self.post("/chat/messages", message=message, client_message_id=str(uuid.uuid4()))

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """Return the head of a request, to be sent by hand."""
        lines = {"Host": f"{self.place[0]}:{self.place[1]}", **self.headers, **headers}
        return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items()), "", ""]).encode()

    def connect(self) -> socket.socket:
        """Open a connection, to send by hand."""
        return socket.create_connection(self.place, timeout=TIMEOUT, source_address=self._source)

    def websocket(self) -> socket.socket:
        """Open the socket of the chat, after its handshake."""
        made = self.connect()
        made.sendall(
            self.head(
                "GET",
                "/chat/ws",
                **{
                    "Upgrade": "websocket",
                    "Connection": "Upgrade",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                },
            )
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += made.recv(1) or b"\r\n\r\n"
        if b" 101 " not in head.partition(b"\r\n")[0]:
            made.close()
            raise ConnectionError(head.decode(errors="replace"))
        return made


def frame(opcode: int, payload: bytes = b"", *, is_last: bool = True) -> bytes:
    """Write a frame of a client; its mask of zeros leaves the payload as it is."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
    return bytes([(0x80 if is_last else 0) | opcode]) + size + bytes(4) + payload


def hello(**said: Any) -> bytes:
    """Write the frame by which a page says what it shows."""
    return frame(1, json.dumps({"hello": True, **said}).encode())


def multipart(fields: dict[str, str], picture: bytes) -> tuple[bytes, str]:
    """Write a form with a picture; give it with its type."""
    boundary = secrets.token_hex(8)
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    body = "".join([*parts, file]).encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"
