"""How often each action asks the database: docs/architecture.md says it, and a day at the desk shows it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import gevent.socket
import pyotp
import pytest
from flask import Flask
from PIL import Image

from supportchat.alerts.keys import PushKeys
from supportchat.config import ROOT
from supportchat.database import Database
from supportchat.provider.provider import Provider
from supportchat.server.client_socket import ClientSocket
from supportchat.server.connections import Connections
from supportchat.server.turns import Turns
from supportchat.sites.look import look_name
from supportchat.web.cookies import token_hash
from tests.alerts.push_service import Subscriber
from tests.cast import PASSWORD, Agent, agent_id, email_of, new_id
from tests.identity.conftest import SECRET as SITE_SECRET
from tests.identity.conftest import signed
from tests.people.cast import link_for
from tests.provider.conftest import agreed, left_for
from tests.provider.issuer import CLIENT, SECRET, Issuer
from tests.routes import rules, written
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")

# What a process does for all its pages at once.
BY_ITSELF = {"signal_looks", "events_after", "report_process", "sites_in_use"}
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Origin": ORIGIN,
}

SECTION = re.compile(r"\n## Calls of the database\n(.*?)(?=\n## |\Z)", re.DOTALL)
ROW = re.compile(r"^\| `(\w+ [^`]+)`([^|]*)\| (\d+) \| ([^|]*) \|$", re.MULTILINE)

PARTS = (
    "/chat/",
    "/tickets",
    "/people/",
    "/agent/availability",
    "/search/views",
)  # what htmx asks for; a browser asks for the rest


def described() -> dict[str, list[str]]:
    """Return the calls of each action, as the document has them."""
    [section] = SECTION.findall((ROOT / "docs/architecture.md").read_text())
    table = {
        address + more.rstrip(): (int(count), re.findall(r"`(\w+)`", calls))
        for address, more, count, calls in ROW.findall(section)
    }
    assert [action for action, (count, calls) in table.items() if count != len(calls)] == []
    return {action: calls for action, (_, calls) in table.items()}


class Day:
    """A desk at work, and what each action there asks the database."""

    def __init__(self, app: Flask, web: Web) -> None:
        self.seen: dict[str, list[str]] = {}
        self.app = app
        self._web = web
        self._calls: list[str] = []
        self._greenlet = gevent.getcurrent()
        self._is_socket = False  # whose messages have a greenlet of their own
        database = app.extensions["database"]
        self._call = database.call
        database.call = self._noted

    def _noted(self, function: str, /, **arguments: Any) -> Any:
        is_asked = gevent.getcurrent() is self._greenlet or self._is_socket
        if is_asked and function not in BY_ITSELF:
            self._calls.append(function)
        return self._call(function, **arguments)

    def act(self, action: str, browser: Browser, path: str = "", status: int = 200, **fields: Any) -> None:
        """Do something by HTTP: `action` is how the document calls it. Without scripts only where it says so."""
        method, address = action.split(",")[0].split()
        is_htmx = address.startswith(PARTS) and "without scripts" not in action
        self._calls.clear()
        answer = browser.client.open(
            (path or address).replace("<number>", "1001"),
            method=method,
            data=fields if method != "GET" else None,
            headers={"Origin": ORIGIN, **({"HX-Request": "true"} if is_htmx else {})},
        )
        assert answer.status_code == status, (action, answer.get_data(as_text=True))
        answer.close()
        self.seen[action] = list(self._calls)

    def open_socket(self, name: str, browser: Browser, **hello: Any) -> None:
        """Open the socket of a page, and close it once it has caught up."""
        ours, theirs = socket.socketpair()
        theirs.settimeout(30)
        page = threading.Thread(target=_hello, args=(theirs, {"hello": True, "after": 0, **hello}))
        page.start()
        self._calls.clear()
        slot = Connections(1, 0).enter("")
        assert slot is not None
        # One that lets greenlets run while it waits, as it is in a worker.
        client = gevent.socket.socket(ours.family, ours.type, fileno=ours.detach())
        environ = {"gunicorn.socket": ClientSocket(client, slot, Turns(), 5.0)}
        self._is_socket = True
        with contextlib.suppress(StopIteration):  # gunicorn takes it for the end
            browser.client.get(name.split()[1].rstrip(","), headers=SOCKET, environ_overrides=environ)
        while page.is_alive():
            gevent.sleep(0.001)
        self._is_socket = False
        self.seen[name] = list(self._calls)


def _hello(page: socket.socket, hello: dict[str, Any]) -> None:
    def send(opcode: int, data: bytes) -> None:
        page.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data)  # masked with zeros

    received = b""
    send(1, json.dumps(hello).encode())
    while b'"caught_up"' not in received and (data := page.recv(65536)):
        received += data
    send(8, b"")
    while page.recv(65536):
        pass
    page.close()


@pytest.fixture
def day(app: Flask, web: Web, alice: Agent, database: Database) -> Day:
    """A whole day: each action of each route, once."""
    nobody, vera, desk, admin = web.visitor(), web.customer("Help me"), web.agent("alice"), web.agent("carol")
    admin_id = agent_id(database, "carol")
    image = {"key": "f" * 64, "content_type": "image/png", "width": 1, "height": 1, "bytes": 1, "digest": "0" * 64}
    visitor = token_hash(vera.client.get_cookie("c").value)  # type: ignore[union-attr]
    chat = database.call("conversation_of_visitor", visitor=visitor)
    posted = database.call(
        "post_message",
        visitor=visitor,
        session_id=chat["session_id"],
        client_message_id=new_id(),
        message="",
        image=image,
    )
    picture = posted["messages"][0]["image"]["id"]
    day = Day(app, web)
    act = day.act

    act("GET /", nobody, status=303)
    act("GET /chat, first visit", Browser(app))
    act("GET /chat", vera)
    act("POST /chat", nobody, status=303, message="Hello")
    act("POST /chat/messages", vera, message="And", session=chat["session_id"])
    act("GET /chat/messages", vera, "/chat/messages?after=2")
    act("POST /chat/typing", vera, status=204)
    act("POST /chat/receipts", vera, status=204, delivered=2, read=2, epoch=chat["epoch"])
    act("GET /chat/people", vera)
    act("GET /chat/images/<id>", vera, f"/chat/images/{picture}", status=404)
    shown = database.call("conversation_of_visitor", visitor=visitor)["last_seq"]
    day.open_socket("GET /chat/ws, and hello", vera, after=shown)
    day.open_socket("GET /chat/ws, and hello after others have written", vera, after=shown - 1)

    act("GET /agent/login", web.visitor())
    act("POST /agent/login", web.visitor(), status=303, email=email_of("bob"), password=PASSWORD)
    act("GET /agent", desk)
    act("GET /agent, with a ticket", desk, "/agent?ticket=1001")
    act("POST /agent/availability", desk, availability="available")
    act("POST /agent/language", desk, status=303)
    act("POST /account/keys", desk, status=303)
    day.open_socket("GET /agent/ws, and hello", desk, ticket=1001)
    act("GET /tickets", desk)
    act("GET /tickets/<number>", desk)
    act("GET /tickets/<number>/changes", desk)
    act("GET /tickets/<number>/messages", desk, "/tickets/1001/messages?after=2")
    act("GET /tickets/<number>/messages, earlier ones", desk, "/tickets/1001/messages?before=3")
    act("POST /tickets/<number>/messages", desk, message="Of course")
    act("POST /tickets/<number>/notes", desk, message="Careful")
    act("GET /tickets/mentions", desk, "/tickets/mentions?q=al")
    act("POST /tickets/<number>/mentions", desk, status=204, note=1)
    act("GET /tickets/drafts", desk)
    act("POST /tickets/<number>/drafts", desk, mode="reply", message="Of")
    act("POST /tickets/<number>/messages, without scripts", desk, status=303, message="Of course")
    act("POST /tickets/<number>/notes, without scripts", desk, status=303, message="Careful")
    act("POST /tickets/<number>/typing", desk, status=204)
    act("POST /tickets/<number>/receipts", desk, status=204, delivered=2, read=2)
    act("GET /tickets/<number>/images/<id>", desk, f"/tickets/1001/images/{picture}", status=404)
    act("GET /tickets/<number>/assignment", desk)
    act("DELETE /tickets/<number>/assignment", desk)
    act("POST /tickets/<number>/assignment", desk, expected="")
    act("POST /tickets/<number>/assignment, lost to another", admin, status=409, expected="")
    act("POST /tickets/<number>/assignment/delete, without scripts", desk, status=303)
    act("POST /tickets/<number>/assignment, without scripts", desk, status=303, expected="")
    act("POST /tickets/<number>/closure, when another waits", desk)
    act("DELETE /tickets/<number>/closure", desk)
    act("POST /tickets/<number>/closure, without scripts", desk, status=303)
    act("POST /tickets/<number>/closure/delete, without scripts", desk, status=303)
    act("POST /tickets/<number>/closure", desk, "/tickets/1002/closure")
    act("DELETE /tickets/<number>/closure, taken back", desk, "/tickets/1002/closure?show=")
    use_replies(day, desk, database)
    hold_replies(day, desk, admin)
    visit = json.dumps({"pages": [], "referrer": ""})
    database.call("change_site", agent_id=admin_id, key="main", values={"follow_pages": True})
    app.extensions["sites"].forget()
    act("POST /chat/pages", vera, status=204, visit=visit)
    act("GET /chat/unread", vera)
    act("POST /chat/handover", vera)
    path = vera.post("/chat/handover").text
    act("GET /chat/handover/<token>", web.visitor(), path)
    act("POST /chat/handover/<token>", web.visitor(), path, status=303)
    act("GET /widget.js", Browser(app))
    act("GET /demo", Browser(app), status=404)
    act("GET /demo/<chosen>", Browser(app), "/demo/cm-210", status=404)
    act("POST /chat/name", vera, session=chat["session_id"], customer_name="Vera")
    act("POST /chat/closure", vera)
    database.call("change_identity", agent_id=admin_id, key="main", values={"method": "secret"})
    database.call("add_site_secret", agent_id=admin_id, key="main", secret=SITE_SECRET)
    act("GET /chat/identity", vera)
    act("POST /chat/identity", vera, "/chat/identity?site=main", token=signed())
    act("POST /chat/key/delete", vera, status=303)
    look_after_oneself(day, web, desk)
    act("POST /agent/logout", desk, status=303)
    act("GET /people", admin)
    act("POST /people/invitations", admin, email="eve@example.com", role="lead")
    link = database.call("list_people", agent_id=admin_id)["invited"][0]["id"]
    act("POST /people/invitations/<id>", admin, f"/people/invitations/{link}")
    [path] = re.findall(r'data-link="([^"]+)"', admin.post(f"/people/invitations/{link}").text)
    act("GET /links/<token>", Browser(app), path)
    act("POST /links/<token>/strength", Browser(app), f"{path}/strength", password="violet")
    act("POST /links/<token>, an invitation", Browser(app), path, status=303, name="Eve", password=PASSWORD)
    path = link_for(Agent(database, "carol"), "invite_person", email="gil@example.com")
    come_from_the_provider(day, web, web.agent("bob"), path)
    act("POST /people/links/<id>/delete", admin, f"/people/links/{link}/delete")
    person = f"/people/{agent_id(database, 'bob')}"
    act("POST /people/<id>", admin, person, role="lead")
    act("POST /people/<id>/password", admin, f"{person}/password")
    database.call("turn_on_two_factor", agent_id=agent_id(database, "bob"), secret="A" * 32, step=1, code_hashes=[])
    act("POST /people/<id>/two-factor/delete", admin, f"{person}/two-factor/delete")
    act("POST /people/two-factor", admin, required="off")
    act("POST /people/<id>/access/delete", admin, f"{person}/access/delete")
    act("POST /people/<id>/access", admin, f"{person}/access")
    act("POST /tickets/<number>/bans", admin, what="browser", days=1)
    [ban] = re.findall(r'action="(/bans/[^"]+/delete)"', admin.get("/bans").text)
    act("GET /bans", admin)
    act("POST /bans/<id>/delete", admin, ban, status=303)
    act("POST /bans/holding", admin, status=303, hold_links="off")
    sort_out(day, admin)
    act("DELETE /tickets/<number>/hold", admin)
    act("POST /tickets/<number>/hold/delete, without scripts", admin, status=303)
    act("POST /tickets/<number>/spam", admin)
    act("POST /tickets/<number>/export", admin)
    act("GET /tickets/<number>/erasure", admin)
    act("POST /tickets/<number>/erasure", admin, status=303)
    act("GET /privacy", admin)
    act("GET /privacy, with a preview", admin, "/privacy?days=30")
    act("POST /privacy/retention", admin, status=303, days=30)
    act("POST /privacy/retention/delete", admin, status=303)
    act("POST /privacy/audit", admin, status=303, years=3)
    look_after_sites(day, admin)
    be_reached(day, admin)
    act("GET /audit", admin)
    act("POST /audit/export", admin)
    act("GET /status", admin)
    act("GET /healthz", admin)
    act("GET /readyz", admin)
    return day


def sort_out(day: Day, admin: Browser) -> None:
    """Tag, prioritise and snooze a ticket."""
    act = day.act
    admin.delete("/tickets/1001/closure")
    act("POST /tickets/<number>/tags", admin, tag="Parts")
    act("POST /tickets/<number>/tags/delete", admin, tag="1")
    act("POST /tickets/<number>/priority", admin, priority="1")
    act("POST /tickets/<number>/snooze", admin, until="hour")
    act("DELETE /tickets/<number>/snooze", admin)
    act("DELETE /tickets/<number>/snooze, taken back", admin, "/tickets/1001/snooze?show=")
    act("POST /tickets/<number>/snooze/delete, without scripts", admin, status=303)
    act("POST /tickets/order", admin, order="newest")
    act("GET /search", admin)
    act("GET /search, with words", admin, "/search?q=hello")
    act("POST /search/views", admin, status=303, name="Open", query="is:open")
    act("GET /search/views", admin)
    [view] = set(re.findall(r"/search/views/([0-9a-f-]{36})/count", admin.get("/search").text))
    act("GET /search/views/<id>/count", admin, f"/search/views/{view}/count")
    act("POST /search/views/<id>", admin, f"/search/views/{view}", status=303, name="All", query="")
    act("POST /search/views/<id>/delete", admin, f"/search/views/{view}/delete", status=303)
    act("POST /tickets/bulk", admin, act="tag", tag="Parts", number="1001")
    act("GET /tickets/bulk", admin)
    act("GET /tags", admin)
    act("GET /tags/names", admin, "/tags/names?tag=pa")
    act("POST /tags/<tag_id>", admin, "/tags/1", status=303, tag="Spare parts")
    act("POST /tags/<tag_id>/delete", admin, "/tags/1/delete", status=303)


def use_replies(day: Day, desk: Browser, database: Database) -> None:
    """Do what there is with saved replies."""
    act = day.act
    act("GET /replies/new", desk)
    act("GET /replies/new, of a message", desk, "/replies/new?ticket=1001&seq=3")
    act("POST /replies", desk, status=303, name="Hello", message="Hi")
    [reply] = [each["id"] for each in Agent(database, "alice").call("list_replies")]
    act("GET /replies", desk)
    act("GET /replies/<id>", desk, f"/replies/{reply}")
    act("POST /replies/<id>", desk, f"/replies/{reply}", status=303, name="Hello", message="Hello")
    act("GET /tickets/<number>/replies", desk)
    act("POST /tickets/<number>/replies", desk, saved_reply=reply)
    act("GET /replies/<id>/picture", desk, f"/replies/{reply}/picture", status=404)
    act("POST /replies/<id>/uses", desk, f"/replies/{reply}/uses", status=204)
    act("GET /replies/export", desk)
    file = (io.BytesIO(b"name,text\nBye,Goodbye\n"), "replies.csv")
    act("POST /replies/import", desk, file=file)
    act("POST /replies/<id>/delete", desk, f"/replies/{reply}/delete", status=303)
    database.call(
        "assign_ticket", agent_id=agent_id(database, "alice"), number=1001, assignee_id=agent_id(database, "alice")
    )
    act("POST /tickets/<number>/messages, and close it", desk, message="Goodbye", then="close")


def hold_replies(day: Day, desk: Browser, admin: Browser) -> None:
    """Have replies held, take them back, and take back what was done with tickets."""
    act, once = day.act, new_id()
    act("DELETE /tickets/<number>/closure, taken back", desk, "/tickets/1001/closure?show=")
    act("POST /replies/undo", admin, status=303, seconds="30")
    act("GET /replies, by an admin", admin)
    act("POST /tickets/<number>/messages, held", desk, message="Wait", client_message_id=once)
    act("GET /tickets/<number>/held", desk)
    act("GET /tickets/<number>/held/<id>/picture", desk, f"/tickets/1001/held/{once}/picture", status=404)
    act("DELETE /tickets/<number>/held/<id>", desk, f"/tickets/1001/held/{once}")
    act("DELETE /tickets/<number>/held/<id>, from another ticket", desk, f"/tickets/1001/held/{once}?show=")
    act("DELETE /tickets/<number>/unsent/<id>", desk, f"/tickets/1001/unsent/{once}")
    act(
        "POST /tickets/<number>/messages, held, and then close it",
        desk,
        message="Bye",
        then="close",
        client_message_id=new_id(),
    )
    act("POST /replies/undo", admin, status=303, seconds="0")
    act("POST /tickets/undo", desk, act="tag", change=["1001.1", "1002.1"])


def look_after_sites(day: Day, admin: Browser) -> None:
    """Do what there is on the page of the sites."""
    act = day.act
    act("GET /sites", admin)
    act("POST /sites", admin, status=303, name="The shop")
    site = "/sites/the-shop"
    act("GET /sites/<key>", admin, site)
    act("POST /sites/<key>", admin, site, status=303, name="The shop", colour="#8c4126")
    act("POST /sites/<key>/preview", admin, f"{site}/preview", name="The shop", colour="#8c4126")
    identity = f"{site}/identity"
    act("GET /sites/<key>/identity", admin, identity)
    act(
        "POST /sites/<key>/identity", admin, identity, status=303, method="off", longest_minutes="60", algorithm="ES256"
    )
    act("POST /sites/<key>/identity/secrets", admin, f"{identity}/secrets")
    act("POST /sites/<key>/identity/secrets/<id>/delete", admin, f"{identity}/secrets/{new_id()}/delete", status=303)
    act("GET /tickets/<number>/card", admin, "/tickets/1001/card")
    act("GET /sites/<key>/look", admin, f"{site}/look?colour=8c4126")
    act("GET /look/<name>.css", Browser(day.app), f"/look/{look_name('#8c4126')}.css")
    act("POST /sites/<key>/logo", admin, f"{site}/logo", status=303, image=small_picture())
    act("POST /sites/<key>/logo/delete", admin, f"{site}/logo/delete", status=303)
    act("POST /sites/<key>/archive", admin, f"{site}/archive", status=303)
    act("POST /sites/<key>/archive/delete", admin, f"{site}/archive/delete", status=303)


def be_reached(day: Day, admin: Browser) -> None:
    """Do what there is on the page of alerts."""
    act, subscriber = day.act, Subscriber("")
    day.app.extensions["push_keys"] = PushKeys(day.app.extensions["database"])
    PushKeys(day.app.extensions["database"]).make()
    act("GET /alerts, first of a process", admin, "/alerts")
    act("GET /alerts", admin)
    act("POST /alerts/settings", admin, status=303, scope="all")
    act("POST /alerts/sound", admin, status=303, sound="off")
    act("POST /alerts/next", admin, status=303, minutes="5")
    endpoint = "https://push.example.com/1"
    act("POST /alerts/devices", admin, status=204, endpoint=endpoint, **subscriber.keys)
    act("GET /alerts/devices", admin, status=303)
    [device] = set(re.findall("/alerts/devices/([0-9a-f-]{36})/test", admin.get("/alerts").text))
    act("POST /alerts/devices/<id>/test", admin, f"/alerts/devices/{device}/test", status=303)
    act("POST /alerts/arrived", Browser(day.app), status=404, push=new_id())
    act("POST /alerts/devices/<id>/delete", admin, f"/alerts/devices/{device}/delete", status=303)
    act("GET /alerts/worker.js", admin)
    act("GET /manifest.webmanifest", admin)


def look_after_oneself(day: Day, web: Web, desk: Browser) -> None:
    """Do what there is on an agent's own page."""
    act = day.act
    act("GET /account", desk)
    act("POST /account/name", desk, status=303, name="Alice Kern-Ott")
    act("POST /account/picture", desk, status=303, image=small_picture())
    [key] = set(re.findall("/pictures/([0-9a-f]{64})", desk.get("/account").text))
    act("GET /pictures/<key>", Browser(day.app), f"/pictures/{key}")
    act("POST /account/picture/delete", desk, status=303)
    act("GET /account/password", desk)
    act("POST /account/password/strength", desk, password="violet")
    act("POST /account/password", desk, status=303, current=PASSWORD, password="violet tractor sings at noon")
    other = web.visitor()
    other.post("/agent/login", email=email_of("alice"), password="violet tractor sings at noon")
    [session] = re.findall(r"/account/sessions/([0-9a-f-]{36})/", desk.get("/account").text)
    act("POST /account/sessions/<id>/delete", desk, f"/account/sessions/{session}/delete", status=303)
    act("POST /account/sessions/delete", desk, status=303)
    act("GET /account/two-factor", desk)
    secret, current = "A" * 32, "violet tractor sings at noon"
    act("POST /account/two-factor", desk, secret=secret, code=pyotp.TOTP(secret).now(), current=current)
    act("POST /account/recovery-codes", desk, proof=current)
    other = web.visitor()
    act("POST /agent/login, with two-factor", other, status=303, email=email_of("alice"), password=current)
    act("GET /agent/login/code", other)
    code = pyotp.TOTP(secret).at(int(time.time()) + 30)
    act("POST /agent/login/code", other, status=303, code=code)
    act("POST /account/two-factor/delete", desk, status=303, proof=current)


def come_from_the_provider(day: Day, web: Web, desk: Browser, invitation: str) -> None:
    """Connect a provider, log in with it, and join with it."""
    app, act = day.app, day.act
    issuer = Issuer().start()
    named = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "oidc_name": "Acme"}
    app.extensions["config"] = replace(app.extensions["config"], **named)
    app.extensions["provider"] = Provider(app.extensions["config"])
    act("GET /account/provider", desk)
    act("POST /account/provider", desk, proof=PASSWORD)
    back = agreed(left_for(desk.post("/account/provider", proof=PASSWORD)))
    act("GET /agent/login/callback, to connect it", desk, back, status=303)
    other = web.visitor()
    act("POST /agent/login/provider", other)
    back = agreed(left_for(other.post("/agent/login/provider")))
    act("GET /agent/login/callback", other, back, status=303)
    act("POST /account/provider/delete", desk, status=303)
    other = web.visitor()
    act("POST /links/<token>/provider", other, f"{invitation}/provider")
    back = agreed(left_for(other.post(f"{invitation}/provider")))
    act("GET /agent/login/callback, with an invitation", other, back, status=303)
    app.extensions["provider"] = None
    issuer.stop()


def small_picture() -> tuple[io.BytesIO, str]:
    """Return a picture as a form sends it."""
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "PNG")
    content.seek(0)
    return content, "a.png"


def test_each_action_asks_the_database_as_often_as_the_document_says(day: Day) -> None:
    assert day.seen == described()


def test_every_route_is_counted(app: Flask) -> None:
    counted = {action.split(",")[0] for action in described()}
    for rule in rules(app):
        path = written(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert f"{method} {path}" in counted or path.startswith("/static/"), (method, path)
