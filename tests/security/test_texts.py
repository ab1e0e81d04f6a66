"""What somebody types is shown as text, decides nothing else, and leads nowhere."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import re
from collections.abc import Container, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from supportchat.config import ROOT
from supportchat.database import Database
from supportchat.web.text import clean_line, clean_text
from tests.cast import Agent, Cast, Visitor, new_id
from tests.languages.reading import read
from tests.routes import calls
from tests.variants import variants
from tests.web import ORIGIN, Browser, Web

from .access import POLICIES
from .corpus import EVERYTHING, HTMX, LINES, MARKER, SCRIPTS, SQL, TEMPLATES, UNICODE

pytestmark = pytest.mark.mode("postgres")

ADDRESS = "https://example.com/a"
FORMATTED = "**a** *b* `c` [d](https://example.com)\n- e\n\n1. f\n\n> g\n\n```h\ni\n```"
HARMLESS = ["Hello", f"See {ADDRESS} or write to a@example.com", f"One\nTwo\n{FORMATTED}"]
NAME, MESSAGE = 80, 8000


class Elements(HTMLParser):
    """The elements of a page by their attributes, and where they lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, ...]] = set()
        self.addresses: set[str] = set()
        self.quoting: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.kinds.add((tag, *sorted(name for name, _ in attrs)))
        for name, value in attrs:
            if name in ("href", "src", "action", "formaction"):
                self.addresses.add(value or "")
            elif MARKER in (value or ""):
                self.quoting.add(name)

    handle_startendtag = handle_starttag


class Desk:
    """Twenty conversations, in which everything is said, and all who look at them."""

    def __init__(self, web: Web, cast: Cast, alice: Agent, rows: Any) -> None:
        self.browsers = {"alice": web.agent("alice"), "carol": web.agent("carol"), "vera": web.customer("Hello")}
        alice.reply(1001, "Hello")
        self.rows, self.numbers = rows, [cast.visitor().start("Hello")["number"] for _ in range(CHATS)]
        for number in self.numbers:
            alice.reply(number, "Hello")
            alice.call("add_note", number=number, client_message_id=new_id(), note="Hello")

    def say(self, texts: list[str]) -> None:
        """Have everybody have said this, some of it in each place."""
        for place, number in enumerate(self.numbers):
            said = clean_text("\n\n".join(texts[place::CHATS])[:MESSAGE])
            self.rows(f"update chat_messages set message = %s {OF_TICKET} and sender <> 'system'", said, number)
            self.rows(f"update ticket_notes set note = %s {OF_TICKET}", said[:4000], number)

        everything = clean_text("\n\n".join(text[:100] for text in texts)[:MESSAGE])
        self.rows(f"update chat_messages set message = %s {OF_TICKET} and sender <> 'system'", everything, 1001)

    def pages(self, names: list[str]) -> dict[str, str]:
        """Everything that shows any of it, by what it is."""
        shown: dict[str, str] = {}

        def add(kind: str, who: str, path: str) -> None:
            answer = self.browsers[who].get(path, headers={"HX-Request": "true"} if kind in FRAGMENTS else {})
            assert answer.status_code == 200, (path, answer.status_code)
            shown[kind] = shown.get(kind, "") + answer.get_data(as_text=True)

        for start in range(0, len(names), CHATS):
            for number, name in zip(self.numbers, names[start : start + CHATS], strict=False):
                said = clean_line(name[:NAME])[:NAME] or "x"
                self.rows(
                    f"update user_sessions set customer_name = %s, customer_phone = %s {OF_TICKET}",
                    said,
                    said[:32],
                    number,
                )
            add("queue", "alice", "/tickets?view=all&rows=2000")
        first = self.numbers[0]
        for number in self.numbers:
            add("ticket", "alice", f"/tickets/{number}")
        for kind in ("changes", "messages", "assignment"):
            add(kind, "alice", f"/tickets/{first}/{kind}")
        add("chat", "vera", "/chat")
        add("lines", "vera", "/chat/messages?after=0")
        add("desk", "alice", f"/agent?view=mine&ticket={first}")
        add("status", "carol", "/status")
        return shown


CHATS = 20
OF_TICKET = "where session_id = (select session_id from tickets where number = %s)"
FRAGMENTS = ("lines", "queue", "ticket", "changes", "messages", "assignment")


def test_rows_13_15_16_and_51_what_is_said_is_shown_as_text_in_every_view(
    web: Web, cast: Cast, alice: Agent, rows: Any
) -> None:
    rows("update agents set max_tickets = 1000")
    desk = Desk(web, cast, alice, rows)
    desk.say(HARMLESS * CHATS)
    plain = {kind: Elements(page) for kind, page in desk.pages(HARMLESS * CHATS).items()}
    desk.say(EVERYTHING)
    shown = desk.pages(EVERYTHING)
    assert shown.keys() == plain.keys()
    for kind, page in shown.items():
        elements = Elements(page)
        assert elements.kinds - plain[kind].kinds == set(), kind
        assert elements.quoting <= {"data-copy", "title", "aria-label", "placeholder"}, kind
        for address in elements.addresses:
            assert re.match(r"https?://|mailto:|tel:|/|#|$|\+?[\d -]+$", address), (kind, address)
    for text in (*TEMPLATES, *SCRIPTS[:3], *HTMX[:3]):
        assert visible(text) in visible_page(shown["ticket"]), text
    assert "49zqxv" not in shown["ticket"]


def visible(text: str) -> str:
    return re.sub(r"\s+", "", text)


def visible_page(html: str) -> str:
    return re.sub(r"\s+", "", "".join(read(html).texts))


def test_row_17_no_text_decides_a_field_of_a_frame(app: Flask, cast: Cast, alice: Agent, database: Database) -> None:
    vera: Visitor = cast.visitor()
    vera.start("Hello", customer_name='{"target":"body"}')
    for text in EVERYTHING:
        vera.post(clean_text(text[:MESSAGE]))
    fragments = app.extensions["fragments"]
    for audience in ("customer", "agent"):
        for line in vera.lines:
            frame = json.loads(fragments.messages_frame(audience, 1001, [line]))
            assert set(frame) == {"content", "target", "swap"}
            assert frame["target"] == "#messages-1001"
            assert frame["content"].count('data-seq="') == 1
            kinds = Elements(frame["content"]).kinds
            assert not [
                kind for kind in kinds if any(name.startswith(("hx-", "data-hx-", "template")) for name in kind)
            ]


# What comes back at once

FIELDS: tuple[str, ...] = (
    "message",
    "customer_name",
    "customer_phone",
    "email",
    "password",
    "next",
    "epoch",
    "session",
    "view",
)
FIELDS += ("client_message_id", "page_of", "availability", "language", "agent", "expected", "before", "new")
BREAKOUT = "".join(
    ('"', "'", "><img src=x onerror=zqxv()>", "{{7*7}}", "<hx-partial hx-target=body>", "javascript:zqxv()")
)


def reflected(
    app: Flask, browser: Browser, policies: Container[str], text: str, both: bool
) -> Iterator[tuple[str, TestResponse]]:
    """Send a text in every field and header of every route of some policies, by htmx and without, or one of `both`."""
    fields = dict.fromkeys(FIELDS, text[:3000])
    header = quote(text[:500], safe="<>\"'/:;()[]{}=% ")
    said = ("User-Agent", "Accept-Language", "X-Language", "HX-Target", "X-Forwarded-For", "If-None-Match")
    headers = {"Origin": ORIGIN, **dict.fromkeys(said, header), "HX-Source": f"form#{header}"}
    headers |= {"Referer": f"{ORIGIN}/{header}", "HX-Current-URL": f"{ORIGIN}/agent?view={header}"}
    for number, (policy, method, path) in enumerate(calls(app, new_id())):
        if policy in policies and not path.startswith("/static") and path != "/agent/logout":
            for htmx in HTMX_OR_NOT if both else HTMX_OR_NOT[number % 2 :][:1]:
                ask: dict[str, Any] = {"query_string": urlencode(fields)} | (
                    {"data": fields} if method != "GET" else {}
                )
                yield path, browser.client.open(path, method=method, headers=headers | htmx, buffered=True, **ask)


@pytest.mark.parametrize("text", [BREAKOUT, "".join(LINES), *variants([SQL[1] + UNICODE[0]])])
def test_rows_13_37_44_and_51_nothing_that_is_sent_comes_back_as_more_than_text(
    app: Flask, web: Web, alice: Agent, rows: Any, text: str
) -> None:
    vera, agents = web.customer("Hello"), rows("select count(*) from agents")
    who = (
        (Browser(app), ("anyone",)),
        (vera, ("visitor",)),
        (web.agent("carol"), POLICIES.keys() - {"anyone", "visitor"}),
    )
    for browser, policies in who:
        for path, answer in reflected(app, browser, policies, text, both=text == BREAKOUT):
            assert answer.status_code < 500, path
            elements = Elements(answer.get_data(as_text=True))
            assert not any("onerror" in kind for kind in elements.kinds), path
            assert not any(address.lower().startswith("javascript") for address in elements.addresses), path
            assert not {name.lower() for name, _ in answer.headers} & {"x-zqxv", "set-cookie: a"}
            assert not re.search(r"[\r\n]", "".join(value for _, value in answer.headers)), path
            assert [c for c in answer.headers.getlist("Set-Cookie") if MARKER in c] == []
    assert rows("select count(*) from agents") == agents
    assert rows("select count(*) from tickets where number = 1001") == [(1,)]


# Row 45

ELSEWHERE = [
    *(
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example",
        "///evil.example",
    ),
    *(
        "javascript:zqxv()",
        "data:text/html,zqxv",
        "\t//evil.example",
        "/\t/evil.example",
        "\n//evil.example",
        "/%09/evil.example",
    ),
    *(
        "%2f%2fevil.example",
        "/%2fevil.example",
        "/%5cevil.example",
        "http:/\\evil.example",
        "@evil.example",
        ".evil.example",
    ),
    *(
        "/.//evil.example",
        "/..//evil.example",
        "//evil.example/..",
        "/agent/../..//evil.example",
        "\u2028//evil.example",
    ),
    *(
        "/\u2215/evil.example",
        "/\uff0f/evil.example",
        "//evil\u3002example",
        "http:///evil.example",
        "hTTp://evil.example",
    ),
    *(
        "//user@evil.example",
        f"{ORIGIN}@evil.example",
        f"{ORIGIN}.evil.example",
        "//[::1]",
        "/\r\n/evil.example",
        "//\\evil.example",
    ),
]


def host_of(address: str) -> str | None:
    """Return the host that a browser goes to from a page of ours (WHATWG URL: tabs go, and a backslash is a slash)."""
    cleaned = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    if not re.match(r"[a-z][a-z0-9+.-]*:", cleaned, re.IGNORECASE):
        cleaned = re.sub("^//+", "//", cleaned)
    elif re.match("https?:", cleaned, re.IGNORECASE):
        cleaned = re.sub(r"^(https?):/*", r"\1://", cleaned, flags=re.IGNORECASE)
    return urlsplit(urljoin(f"{ORIGIN}/agent/login", cleaned)).hostname


def test_row_45_the_test_knows_where_a_browser_goes() -> None:
    assert [
        host_of(address) for address in ("/agent", "agent", "//evil.example", "/\\evil.example", "/\t/evil.example")
    ] == [*("localhost", "localhost", "evil.example", "evil.example", "evil.example")]
    assert host_of("https:evil.example") == host_of("http:///evil.example") == "evil.example"
    assert host_of("javascript:zqxv()") is None


LEADING = ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url", "Refresh", "Content-Location")


WAYS = ("next", "view", "ticket", "return", "url", "redirect", "show", "done", "new", "language", "availability")


def test_row_45_no_answer_leads_elsewhere_whatever_names_the_way(app: Flask, web: Web, alice: Agent) -> None:
    agent, nobody, vera = web.agent("alice"), Browser(app), web.customer("Hello")

    def led(target: str, method: str, path: str, browser: Browser, htmx: dict[str, str]) -> list[str]:
        fields = dict.fromkeys(WAYS, target)
        odd = quote(target, safe="/\\:@[]%.()?=")
        headers = {"Origin": ORIGIN, "Referer": odd, "HX-Current-URL": odd} | htmx
        ask: dict[str, Any] = {"query_string": urlencode(fields)} | ({"data": fields} if method != "GET" else {})
        answer = browser.client.open(path, method=method, headers=headers, buffered=True, **ask)
        return [answer.headers[name] for name in LEADING if name in answer.headers]

    readers = {"visitor": [vera], "anyone": [nobody, agent]}
    asked = [
        (method, path, browser, htmx)
        for policy, method, path in calls(app, new_id())
        for browser in readers.get(policy, [agent, nobody])
        for htmx in HTMX_OR_NOT
        if path not in ENDS
    ]
    # Those whose answer leads to what the request says.
    leading = [call for call in asked if any("98765" in address for address in led("/agent?ticket=98765", *call))]
    assert {path for _, path, *_ in leading} >= {"/agent/login", "/agent/language", "/agent/availability", "/tickets"}
    for _, same in itertools.groupby(leading, key=lambda call: call[:2]):
        for target, call in zip(ELSEWHERE, itertools.cycle(same), strict=False):
            for address in led(target, *call):
                assert host_of(address) == "localhost", (call, target, address)


HTMX_OR_NOT: tuple[dict[str, str], ...] = ({}, {"HX-Request": "true"})
ENDS = ("/agent/logout", "/chat/key/delete")


# What the sources say

SOURCES = sorted((ROOT / "supportchat").rglob("*.py"))
TEMPLATE_FILES = sorted((ROOT / "templates").rglob("*.html"))


@functools.cache
def tree_of(source: Path) -> ast.Module:
    """Return a source, parsed."""
    return ast.parse(source.read_text())


def called(tree: ast.AST, name: str) -> list[ast.Call]:
    """Return the calls of a function or method of this name."""
    return [call for call in calls_in(tree) if (getattr(call.func, "id", "") or getattr(call.func, "attr", "")) == name]


@functools.cache
def calls_in(tree: ast.AST) -> list[ast.Call]:
    """Return all calls."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


# Markup of a variable, where what comes is HTML already: a rendered template, or escaped just before.
MARKED = {*(f"rendering/{name}.py" for name in ("filters", "assets", "languages", "fragments")), "sites/routes.py"}


def test_row_14_html_is_made_by_templates_and_nothing_escapes_them() -> None:
    marked = set[str]()
    for source in SOURCES:
        tree, name = tree_of(source), source.relative_to(ROOT / "supportchat").as_posix()
        unsafe = [call for call in called(tree, "Markup") if not isinstance(call.args[0], ast.Constant)]
        if unsafe:
            marked.add(name)
        for forbidden in ("render_template_string", "from_string", "eval", "exec"):
            assert called(tree, forbidden) == [], (name, forbidden)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                assert not re.search(
                    "(^|[^P])</?[a-z]+[ >]", "".join(str(getattr(v, "value", "")) for v in node.values)
                ), name
    assert marked == MARKED


def test_row_16_every_attribute_of_a_template_is_quoted() -> None:
    for template in TEMPLATE_FILES:
        assert not re.search(r"\s[\w:-]+=\{\{", template.read_text()), template


def test_row_37_no_statement_is_made_of_values() -> None:
    for source in SOURCES:
        for call in [c for name in ("execute", "executemany", "copy") for c in called(tree_of(source), name)]:
            made = call.args[:1]
            assert not any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in made), source
            assert not any(
                isinstance(part, ast.Call) and part in called(part, "format") and not is_sql(part) for part in made
            )


def is_sql(call: ast.Call) -> bool:
    """Whether something is psycopg's own way to put names into a statement: `sql.SQL(...).format(...)`."""
    return "sql.SQL(" in ast.unparse(call)


def test_row_37_no_function_of_the_schema_runs_a_statement_made_of_an_argument() -> None:
    for script in sorted((ROOT / "sql" / "functions").glob("*.sql")):
        for statement in re.findall(r"\bexecute\s+([^;]+);", re.sub(r"--[^\n]*", "", script.read_text())):
            assert statement.startswith(("function", "format(")), (script.name, statement)
            # A table's oid is written as its name, with quotes where it needs them.
            assert "%s" not in statement or re.search(r"from %s.*, (here|p_table)\)", statement), (
                script.name,
                statement,
            )
