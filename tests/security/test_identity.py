"""Who somebody is: by the key of their browser or their login, and by nothing else that they say."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from supportchat.agents import passwords
from supportchat.config import ROOT
from supportchat.web.cookies import token_hash
from tests.cast import PASSWORD, Agent, email_of, new_id
from tests.routes import rules
from tests.web import Browser, Web

from .access import tables
from .conftest import SECRET, People
from .test_access import Counted

pytestmark = pytest.mark.mode("postgres")


def key_of(browser: Browser, name: str) -> str:
    cookie = browser.client.get_cookie(name)
    assert cookie is not None
    return str(cookie.value)


NEARLY: dict[str, Callable[[str], str]] = {
    "empty": lambda key: "",
    "zero": lambda key: "0",
    "null": lambda key: "null",
    "list": lambda key: "[]",
    "one less": lambda key: key[:-1],
    "the beginning": lambda key: key[:32],
    "one more": lambda key: key + "x",
    "space": lambda key: key + "%20",
    "other case": lambda key: key.swapcase(),
    "its hash": token_hash,
    "sql": lambda key: "' or token_hash is not null--",
    "pattern": lambda key: "%" * 43,
    "NUL": lambda key: key[:-1] + "\\000",
    "twice": lambda key: key + key,
    "a megabyte": lambda key: "x" * 1_000_000,
}


def test_rows_04_and_08_what_is_nearly_a_key_is_none(app: Flask, people: People) -> None:
    paths = {"c": ("vera", ("/chat/messages", "/chat")), "a": ("alice", ("/tickets", "/agent", "/status"))}
    unknown, counted = Browser(app), Counted(app)
    for name, (owner, addresses) in paths.items():
        unknown.client.set_cookie(name, "x" * 43)
        for path, (kind, made) in itertools.product(addresses, NEARLY.items()):
            expected = unknown.get(path, headers={"HX-Request": "true"}).status_code
            key = made(key_of(people.browsers[owner], name))
            for cookie in (f"{name}={key}", f"{name}[]={key}"):
                headers = {"HX-Request": "true", "Cookie": cookie}
                answer = Browser(app).client.get(path, headers=headers, buffered=True)
                assert answer.status_code == expected, (path, kind)
                assert SECRET not in answer.text, (path, kind)
    assert counted.calls.count("open_agent_session") == 0


def test_row_04_a_key_of_one_kind_is_none_of_the_other(app: Flask, people: People) -> None:
    swapped = Browser(app)
    swapped.client.set_cookie("a", key_of(people.browsers["vera"], "c"))
    swapped.client.set_cookie("c", key_of(people.browsers["alice"], "a"))
    assert swapped.get("/agent").status_code == 303
    assert swapped.get("/chat/messages", headers={"HX-Request": "true"}).status_code == 404


def test_row_04_the_database_has_hashes_and_no_key(app: Flask, people: People, rows: Any) -> None:
    everything = str(tables(rows))
    for browser in people.browsers.values():
        for cookie in (browser.client._cookies or {}).values():
            assert cookie.value not in everything
    assert token_hash(key_of(people.browsers["vera"], "c")) in everything


def test_row_05_typed_identity_opens_nothing_and_is_marked_as_not_verified(web: Web, rows: Any) -> None:
    who = {"customer_name": "Vera Lindt", "customer_phone": "+49 30 123456"}
    web.customer(SECRET, **who)
    other = web.customer("It is me, Vera", **who)
    page = other.get("/chat").get_data(as_text=True)
    assert SECRET not in page
    assert rows("select count(distinct visitor_id), count(*) from user_sessions") == [(2, 2)]
    for number, is_typed in ((1001, True), (1002, True)):
        shown = web.agent("carol").get(f"/agent?ticket={number}").get_data(as_text=True)
        assert ("Typed by the customer, not verified" in shown) == is_typed
        assert "Earlier tickets" not in shown
    web.customer("Without a name")
    assert "not verified" not in web.agent("carol").get("/agent?ticket=1003").get_data(as_text=True)


SOURCES = sorted((ROOT / "supportchat").rglob("*.py"))
# What is not secret, and needs no chance that nobody can guess: when to look again, and when to try again.
GUESSABLE = {
    "images/orphans.py",
    "privacy/eraser.py",
    "realtime/chores.py",
    "supabase/database.py",
    "supabase/events.py",
}


def test_row_07_chance_comes_from_the_system_wherever_it_keeps_somebody_out(web: Web) -> None:
    names = {path.relative_to(ROOT / "supportchat").as_posix(): imported(path) for path in SOURCES}
    assert {name for name, modules in names.items() if "random" in modules} <= GUESSABLE
    for path in SOURCES:
        assert not re.search(r"uuid\.uuid[13]\b|SystemRandom|getrandbits|time\.time\(\)\.encode", path.read_text()), (
            path
        )
    keys = {key_of(web.visitor(), "c") for _ in range(64)}
    assert {len(key) for key in keys} == {43}  # 256 bits
    assert max(len({key[place] for key in keys}) for place in range(43)) > 20
    assert min(len({key[place] for key in keys}) for place in range(42)) > 20  # no place is a clock or a counter


def imported(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    names = [a.name for node in tree if isinstance(node, ast.Import) for a in node.names]
    tree = ast.walk(ast.parse(path.read_text()))
    return {*names, *(node.module or "" for node in tree if isinstance(node, ast.ImportFrom) and not node.level)}


BLANK = ("", "%20", "%00", "null", "undefined", "0", "None", "[]", "%FF", "..", "x" * 5000)


def test_row_08_no_blank_secret_in_an_address_opens_anything(app: Flask, web: Web, rows: Any) -> None:
    links = [rule for rule in rules(app) if "token" in rule.arguments]
    before = tables(rows)
    for rule in links:
        for method in sorted(rule.methods or ()):
            unknown = web.visitor().send(method, rule.rule.replace("<token>", "x" * 43))
            for blank in BLANK:
                answer = web.visitor().send(method, rule.rule.replace("<token>", blank))
                assert answer.status_code in (unknown.status_code, 404, 405), (rule, method, blank)
                assert not [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(("a=", "a-"))]
    assert tables(rows) == before


# Row 12: what somebody else has put into a browser


def test_row_12_a_login_session_that_was_there_before_the_login_is_worth_nothing_after_it(app: Flask) -> None:
    chosen, browser, chooser = "z" * 43, Browser(app), Browser(app)
    for each in (browser, chooser):
        each.client.set_cookie("a", chosen)
    browser.post("/agent/login", email=email_of("alice"), password=PASSWORD)
    assert browser.get("/agent").status_code == 200
    assert key_of(browser, "a") != chosen
    assert chooser.get("/agent").status_code == 303


def test_row_12_a_key_that_makes_a_browser_known_is_not_adopted(app: Flask, web: Web, rows: Any) -> None:
    colleague, hers = web.agent("bob"), Browser(app)
    for chosen in ("z" * 43, key_of(colleague, "k")):  # anybody's, and one that is known already
        hers.client.set_cookie("k", chosen)
        hers.post("/agent/login", email=email_of("alice"), password=PASSWORD)
        assert hers.get("/agent").status_code == 200
        assert key_of(hers, "k") != chosen
        assert rows("select count(*) from agent_browsers where token_hash = %s", token_hash(chosen)) == [(0,)]
        hers.post("/agent/logout")


def test_row_12_a_browser_gets_a_new_key_with_each_login_and_stays_known_for_all_who_use_it(
    web: Web, rows: Any
) -> None:
    shared = web.agent("alice")
    keys = {key_of(shared, "k")}
    for name in ("bob", "alice"):
        shared.post("/agent/logout")
        shared.post("/agent/login", email=email_of(name), password=PASSWORD)
        keys.add(key_of(shared, "k"))
    assert len(keys) == 3
    assert rows("select count(*) from agent_browsers where token_hash = %s", token_hash(key_of(shared, "k"))) == [(2,)]


@pytest.mark.parametrize("htmx", [False, True])
def test_row_12_a_customers_key_that_somebody_else_has_chosen_is_not_adopted(app: Flask, rows: Any, htmx: bool) -> None:
    chosen, browser, chooser = "z" * 43, Browser(app), Browser(app)
    for each in (browser, chooser):
        each.client.set_cookie("c", chosen)
    browser.get("/chat")
    assert browser.post("/chat", htmx, message=SECRET, client_message_id=new_id()).status_code in (200, 303)
    assert key_of(browser, "c") != chosen
    assert SECRET in browser.get("/chat").get_data(as_text=True)
    page = chooser.get("/chat").get_data(as_text=True)
    assert SECRET not in page
    assert "Start Chat" in page
    assert rows("select count(*) from visitors where token_hash = %s", token_hash(chosen)) == [(0,)]


def test_row_12_a_start_whose_answer_was_lost_is_found_again_by_its_retry(app: Flask, rows: Any) -> None:
    browser, once = Browser(app), new_id()
    browser.get("/chat")
    before = key_of(browser, "c")
    browser.post("/chat", message="Hello", client_message_id=once)
    given = key_of(browser, "c")
    browser.client.set_cookie("c", before)  # the answer never came
    browser.post("/chat", message="Hello", client_message_id=once)
    assert key_of(browser, "c") == given != before
    assert rows("select count(*) from tickets") == [(1,)]


def test_row_12_who_has_a_chat_keeps_the_key_for_the_next_one(web: Web, rows: Any) -> None:
    browser = web.customer("Hello")
    key = key_of(browser, "c")
    browser.post("/chat/closure")
    browser.post("/chat", message="And again", client_message_id=new_id())
    assert key_of(browser, "c") == key
    assert rows("select count(distinct visitor_id), count(*) from user_sessions") == [(1, 2)]


def test_row_46_an_unknown_a_known_and_a_disabled_account_are_refused_alike(
    app: Flask, web: Web, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows("update agents set is_active = false where name = 'Bob Ortiz'")
    ask, hashes = passwords.ask_helper, list[str]()

    def counted(question: str, password_hash: str, password: str, group: str) -> Any:
        hashes.append(password_hash)
        return ask(question, password_hash, password, group=group)

    monkeypatch.setattr(passwords, "ask_helper", counted)
    asked, answers = Counted(app), []
    tries = [(email_of("alice"), "wrong password"), (email_of("nobody"), PASSWORD), (email_of("bob"), PASSWORD)]
    for email, password in tries:
        hashes.clear()
        (status, page, headers), calls = asked.costs(
            web.visitor().post("/agent/login", email=email, password=password), [email]
        )
        assert "begin_login" in calls
        answers.append((status, page, headers, calls, len(hashes)))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][-1] == 1


def test_row_52_what_was_sent_once_does_nothing_in_other_hands(
    web: Web, alice: Agent, people: People, rows: Any
) -> None:
    sent = {"message": "Only once", "client_message_id": new_id()}
    agent, vera = people.browsers["alice"], people.browsers["vera"]
    assert agent.post("/tickets/1001/messages", htmx=True, **sent).status_code == 200
    key = key_of(agent, "a")
    agent.post("/agent/logout")
    agent.client.set_cookie("a", key)
    before = tables(rows)
    assert agent.post("/tickets/1001/messages", htmx=True, **sent).status_code == 401
    people.browsers["carol"].post("/tickets/1001/messages", htmx=True, **sent)  # is told what became of it, as a reader
    assert tables(rows) == before
    first = {"message": "Mine", "client_message_id": new_id(), "session": people.hers.session_id}
    assert vera.post("/chat/messages", htmx=True, **first).status_code == 200
    before = tables(rows)
    assert vera.post("/chat/messages", htmx=True, **{**first, "message": "Changed"}).status_code == 422
    assert people.browsers["victor"].post("/chat/messages", htmx=True, **first).status_code == 409
    assert tables(rows) == before
    vera.post("/chat/key/delete")
    before = tables(rows)
    assert vera.post("/chat/messages", htmx=True, **first).status_code == 404
    assert tables(rows) == before
