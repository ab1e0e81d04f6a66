"""What the log holds: one line for each event, and nothing that is nobody's business."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from supportchat.server.logs import OneLine, clean
from tests.cast import PASSWORD
from tests.routes import calls
from tests.security.conftest import People
from tests.server import Server
from tests.variants import variants
from tests.web import ORIGIN

SECRET = "Zq7xVw1pL0sKd93jHfTg5RbNmYc8uEiAoX2W4Q6vB3k"  # as long as a key of ours
TEXT = "canarytext"
PHONE = "+49 170 9876543"
ODD = f"{TEXT}\r\nforged line\x1b[31m\x00\u2028\u202e\u200f {PHONE}"
FIELDS = (
    *("message", "note", "customer_name", "q", "name", "password", "current_password", "code", "client_message_id"),
    *("after", "before", "show", "lang", "email", "customer_phone", "reason", "days", "person", "group"),
)
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) \d+ [\w.]+: .+")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the whole program logs meanwhile, our own loggers in full."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(OneLine("json"))
    root, ours = logging.getLogger(), logging.getLogger("supportchat")
    root.addHandler(handler)
    ours.setLevel("DEBUG")
    yield output
    ours.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def events(output: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines, each of which is an event."""
    text = output.getvalue()
    assert text.isascii() or all(c.isprintable() or c == "\n" for c in text)
    return [json.loads(line) for line in text.splitlines()]


def send_everything(app: Flask, people: People) -> None:
    """Call every route with what is nobody's business, in every place that a request has."""
    headers = {"Origin": ORIGIN, "User-Agent": TEXT, "Referer": f"{ORIGIN}/chat?q={TEXT}", "X-Request-Id": SECRET}
    for name in ("nobody", "vera", "alice", "carol"):
        client = people.browsers[name].client
        client.set_cookie("other", SECRET)
        for _, method, path in calls(app, people.hers.image_id, token=SECRET, key="f" * 64):
            if "logout" in path or "key/delete" in path:
                continue
            sent: dict[str, Any] = {"query_string": {"q": TEXT, "token": SECRET}, "headers": headers}
            if method != "GET":
                sent["data"] = dict.fromkeys(FIELDS, ODD)
            client.open(path, method=method, buffered=True, **sent)
        client.post(f"/links/{SECRET}?token={SECRET}", headers={"Origin": "https://evil.example"})
        client.get("/chat", headers={"Host": "evil.example", **headers})
        client.post("/agent/login", data={"email": f"{TEXT}@", "password": TEXT}, headers={"Origin": ORIGIN})


def assert_nothing_of_it(text: str) -> None:
    """Look for everything that was sent, and for parts of it."""
    digits = re.sub(r"\D", "", text)
    for canary in (TEXT, SECRET, SECRET[8:], PASSWORD, PHONE, "forged line\n"):
        assert canary not in text, canary
    assert "1709876543" not in digits


@pytest.mark.mode("postgres")
def test_no_route_writes_what_was_sent_into_the_log(app: Flask, people: People, written: io.StringIO) -> None:
    send_everything(app, people)
    kinds = {event["message"].split(":")[0] for event in events(written)}
    assert {"refused host", "refused origin"} <= kinds
    assert_nothing_of_it(written.getvalue())


@pytest.mark.mode("postgres")
@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError,
        psycopg.errors.CheckViolation,
        *variants([KeyError, ValueError, OSError, psycopg.errors.InvalidTextRepresentation]),
    ],
)
def test_no_fault_of_any_route_quotes_what_was_sent(
    app: Flask, people: People, written: io.StringIO, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        try:
            raise ValueError(f"invalid: {ODD} {SECRET}")
        except ValueError as error:
            raise fault(f"Failing row contains ({ODD}, {SECRET})") from error

    monkeypatch.setattr(app.extensions["database"], "call", fail)
    send_everything(app, people)
    faults = [event for event in events(written) if event["message"].startswith("fault")]
    assert faults
    assert [event for event in faults if not event["error"].startswith(fault.__name__)] == []
    assert all("test_log.py" in event["error"] and "; after ValueError at " in event["error"] for event in faults)
    assert_nothing_of_it(written.getvalue())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc", r"a\nb\r\nc"),
        ("\x1b[2J\x00\x7f\x85", r"\x1b[2J\x00\x7f\x85"),
        ("a\u2028b\u2029c\u202ed\u2066e\u200ff", r"a\u2028b\u2029c\u202ed\u2066e\u200ff"),
        ("half \ud800", r"half \ud800"),
        (f"GET /links/{SECRET} HTTP", "GET /links/*** HTTP"),
        ("GET /chat?q=text&x=1 from", "GET /chat?*** from"),
        (f"key {SECRET}", "key Zq7xVw***"),
        ("eyJhbGciOiJIUzI1NiJ9aaaaaaaa.eyJyb2xlIjoic2VydmljZSJ9.c2lnbmF0dXJl", "eyJhbG***"),
        ("sb_secret_abc-DEF", "sb_secret_***"),
        ("postgresql://desk:hunter2@db/desk", "postgresql://desk:***@db/desk"),
        ("password=hunter2 user=x", "password=*** user=x"),
        ("Authorization: Bearer", "Authorization: ***"),
        ("call +49 (170) 987-6543.", "call ***43."),
        ("call 0170 9876543", "call ***43"),
        ("call 030/123456-7", "call ***67"),
    ],
)
def test_what_is_nobodys_business_is_shortened_and_what_breaks_lines_escaped(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert clean(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "refused length: got '12000123', expected at most 11534336 bytes",
        "login of 'alice@example.com' from 192.168.100.123",
        "refused host from 2001:db8:1234:5678::1 at 2026-11-27 07:30:00",
        "supportchat/chat/routes/messages.py:123 post_message",
        "chat 6f1d8b3a-3c5e-4d8e-9b1f-0123456789ab has ended",
        "could not_reach_this_function_with_a_very_long_name",
        "Grüße, 日本語, שלום",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert clean(text) == text


def test_a_line_is_no_longer_than_what_a_pipe_takes_at_once_and_cleaning_takes_no_time() -> None:
    start = time.process_time()
    for text in ("x" * 10**6, "1 " * 10**6, "+1" * 10**6, "a." * 10**6, "\n" * 10**6, "?" * 10**6, "-_" * 10**6):
        assert len(clean(text)) <= 4000
    assert time.process_time() - start < 3


def test_a_running_desk_writes_one_line_for_each_event_whatever_comes(config: Any, tmp_path: Path) -> None:
    server = Server(config)
    server.start()
    for path in ("/chat\x1b[31m", f"/links/{SECRET}", f"/nowhere?q={TEXT}", f"/chat\n{TEXT}"):
        for head in ("", f"{TEXT}\x1b[2J: {PHONE}\r\n", "Host: evil.example\r\n", "Content-Length: x\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as made:
                made.sendall(f"GET {path} HTTP/1.1\r\n{head}Cookie: c={SECRET}\r\nConnection: close\r\n\r\n".encode())
                while made.recv(65536):
                    pass
    server.stop()
    lines = server.log.read_text().split("\n")[:-1]
    assert any("Invalid" in line for line in lines)
    assert [line for line in lines if not LINE.fullmatch(line) or not line.isprintable()] == []
    assert_nothing_of_it(server.log.read_text())
