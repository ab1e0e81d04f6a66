"""The access matrix of the sockets: their handshakes, and everything that a page can say by them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from supportchat.config import ROOT
from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.cast import Agent, Cast, Visitor
from tests.realtime import test_sockets
from tests.realtime.test_sockets import Opener, close_code, until
from tests.server import Server

from .access import rows_about

pytestmark = pytest.mark.mode("postgres")

opened = test_sockets.opened
KEYS = {name: name.ljust(43, "k") for name in ("vera", "victor", "alice", "carol", "disabled", "returned")}
SECRET, ANSWER = "My secret", "Only for her"


@pytest.fixture
def vera(cast: Cast, alice: Agent) -> Visitor:
    """A customer whose chat alice has."""
    visitor = cast.visitor()
    visitor.key = token_hash(KEYS["vera"])
    visitor.start(SECRET)
    alice.reply(1001, ANSWER)
    return visitor


@pytest.fixture
def everybody(cast: Cast, vera: Visitor, alice: Agent, database: Database, rows: Any) -> Visitor:
    """Victor, a customer with a chat of his own; everybody else has a cookie."""
    victor = cast.visitor()
    victor.key = token_hash(KEYS["victor"])
    victor.start("I am victor")
    for name in ("alice", "carol", "disabled", "returned"):
        agent = cast.agent({"disabled": "bob", "returned": "alice"}.get(name, name))
        database.call("open_agent_session", agent_id=agent.id, token_hash=token_hash(KEYS[name]))
    database.call("close_agent_session", token_hash=token_hash(KEYS["returned"]))
    rows("update agents set is_active = false where name = 'Bob Ortiz'")
    return victor


HANDSHAKES = {  # the path, and by cookie the status
    "/chat/ws": {"": 404, "vera": 101, "victor": 101, "alice": 404, "disabled": 404},
    "/agent/ws": {"": 401, "vera": 401, "alice": 101, "carol": 101, "disabled": 401, "returned": 401},
}


def test_row_09_a_socket_opens_for_whom_its_pages_are_and_for_nobody_else(
    server: Server, everybody: Visitor, opened: Opener
) -> None:
    for path, statuses in HANDSHAKES.items():
        for name, expected in statuses.items():
            for cookie in ("c", "a") if name else ("",):
                is_theirs = cookie == ("c" if path == "/chat/ws" else "a")
                got = handshake(opened, path, f"{cookie}={KEYS[name]}" if name else "")
                refused = 404 if path == "/chat/ws" else 401
                assert got == (expected if is_theirs or not name else refused), (path, name, cookie)


def handshake(opened: Opener, path: str, cookie: str) -> int:
    try:
        opened(path, cookie)
    except InvalidStatus as refused:
        return int(refused.response.status_code)
    return 101


def said_by_pages() -> set[str]:
    """Return the kinds of messages that our scripts send."""
    scripts = "".join(path.read_text() for path in Path(ROOT / "static/js").rglob("*.js"))
    return {*re.findall(r"(?<!function )\bsay\(\{ (\w+)", scripts), *re.findall(r"\b(hello): true", scripts)}


def heard_by_the_desk() -> set[str]:
    """Return the kinds of messages that are looked for in what a page says."""
    sources = [*ROOT.glob("supportchat/*/routes/socket.py"), ROOT / "supportchat/agents/routes.py"]
    sources.append(ROOT / "supportchat/realtime/page_socket.py")
    code = "".join(source.read_text() for source in sources)
    heard = {*re.findall(r'"(\w+)" in (?:message|said)', code), *re.findall(r'message\.get\("(\w+)"\)', code)}
    return heard - {"mode"}  # a part of "typing"


# Everything that a page can say, each with what belongs to others in every place.
Said = Callable[[str, int, str], dict[str, Any]]
KINDS: dict[str, Said] = {
    "hello": lambda epoch, number, session: {
        "hello": True,
        "after": 0,
        "after_note": 0,
        "ticket": number,
        "session_id": session,
        "session": session,
        "number": number,
    },
    "view": lambda epoch, number, session: {"view": "all", "session_id": session, "agent": session},
    "typing": lambda epoch, number, session: {
        "typing": epoch,
        "mode": "note",
        "number": number,
        "session_id": session,
    },
    "receipt": lambda epoch, number, session: {
        "receipt": {
            "delivered": 3,
            "read": 3,
            "epoch": epoch,
            "session_id": session,
            "visitor": token_hash(KEYS["vera"]),
        }
    },
}


def test_row_09_every_kind_of_message_is_tried_here() -> None:
    assert said_by_pages() == heard_by_the_desk() == set(KINDS)


def say(page: ClientConnection, message: dict[str, Any]) -> None:
    page.send(json.dumps(message))


def test_row_09_no_message_of_another_customer_shows_or_changes_anything_of_hers(
    server: Server, everybody: Visitor, vera: Visitor, opened: Opener, rows: Any
) -> None:
    hers, his = vera.chat, everybody.chat
    hers_page = opened("/chat/ws", f"c={KEYS['vera']}", {"after": hers["last_seq"]})
    desk = opened("/agent/ws", f"a={KEYS['alice']}", {"ticket": 1001, "after": hers["last_seq"], "view": "mine"})
    page = opened("/chat/ws", f"c={KEYS['victor']}", {"after": his["last_seq"]})
    for each in (hers_page, desk, page):
        until(each, "caught_up")
    before = about(rows, hers["session_id"])
    for make in KINDS.values():
        say(page, make(hers["epoch"], hers["number"], hers["session_id"]))

    def is_heard() -> bool:  # a page that is just saying hello again shows nothing meanwhile
        say(page, {"receipt": {"delivered": 2, "read": 2, "epoch": his["epoch"]}})
        return bool(everybody.chat["customer_read_seq"] == 2)

    wait_for(is_heard)  # what was said before has been heard by then
    everybody.post("A marker", session_id=his["session_id"])
    frames = [json.loads(page.recv(timeout=10))]
    while "A marker" not in frames[-1].get("content", ""):
        frames.append(json.loads(page.recv(timeout=10)))
    assert [frame for frame in frames if SECRET in str(frame) or ANSWER in str(frame)] == []
    # What she and her agent are told next is what they are told anyway: nobody typed, nobody read.
    vera.post("Still me", session_id=hers["session_id"])
    for each in (hers_page, desk):
        told = [json.loads(each.recv(timeout=10))]
        while "Still me" not in told[-1].get("content", ""):
            told.append(json.loads(each.recv(timeout=10)))
        assert [
            frame for frame in told if "typing" in frame.get("target", "") or frame.get("event") == "receipts"
        ] == []
    assert about(rows, hers["session_id"])["marks"] == before["marks"]


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def about(rows: Any, session_id: str) -> dict[str, Any]:
    marks = (
        "select customer_delivered_seq, customer_read_seq, agent_delivered_seq, agent_read_seq"
        " from user_sessions where session_id = %s"
    )
    return {"marks": rows(marks, session_id), **rows_about(rows, session_id)}


@pytest.mark.parametrize("ended_by", ["disabled", "deleted"])
def test_row_11_the_socket_of_who_may_not_log_in_any_more_is_closed_within_2_seconds(
    server: Server, everybody: Visitor, vera: Visitor, opened: Opener, rows: Any, ended_by: str
) -> None:
    desk = opened("/agent/ws", f"a={KEYS['carol']}", {"ticket": 1001, "after": 0, "view": "all"})
    until(desk, "caught_up")
    # By hand, as another process or a table editor would.
    if ended_by == "disabled":
        rows("update agents set is_active = false where role = 'admin'")
    else:
        rows("delete from agent_sessions where token_hash = %s", token_hash(KEYS["carol"]))
    assert close_code(desk, seconds=2) == 4401
    assert handshake(opened, "/agent/ws", f"a={KEYS['carol']}") == 401


def test_row_09_a_desk_says_nothing_in_the_name_of_a_colleague(
    server: Server, everybody: Visitor, vera: Visitor, cast: Cast, alice: Agent, opened: Opener, rows: Any
) -> None:
    chat = vera.chat
    desk = opened("/agent/ws", f"a={KEYS['carol']}", {"ticket": 1001, "after": chat["last_seq"], "view": "all"})
    until(desk, "caught_up")
    marks = "select read_seq from ticket_reads where agent_id = %s"
    before = rows(marks, alice.id)
    vera.post("Not read yet")
    receipt = {"delivered": 3, "read": 3, "epoch": chat["epoch"], "agent_id": alice.id, "agent": alice.id}
    say(desk, {"receipt": receipt, "agent_id": alice.id})
    say(desk, {"view": "mine", "agent": alice.id})
    wait_for(lambda: rows(marks, cast.agent("carol").id) == [(3,)])
    assert rows(marks, alice.id) == before
    say(desk, {"hello": True, "ticket": 1001, "agent": alice.id, "view": "mine"})
    assert close_code(desk) == 4401
