"""The access matrix: every route by everybody, with one's own ids, with those of others, and with those of nobody."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.cast import Agent, new_id
from tests.routes import calls, policy_of, rules
from tests.web import Browser

from .access import roles_of, rows_about, tables, unclassed
from .conftest import SECRET, Chat, People

LAST = ("/agent/logout", "/chat/key/delete")  # after them a browser is somebody else
FORM = {
    **{"message": "x", "availability": "away", "what": "browser", "days": "1"},
    **{"tag": "x", "priority": "1", "until": "hour"},
}


def test_row_01_every_route_is_classed_and_lets_in_whom_its_class_names(app: Flask) -> None:
    assert unclassed(app) == []


def test_row_01_a_new_route_fails_until_it_is_classed(app: Flask) -> None:
    app.add_url_rule("/new", view_func=lambda: "")
    app.add_url_rule("/tickets/<secret>", endpoint="found", view_func=app.view_functions["tickets.index"])
    assert unclassed(app) == [
        "/new has no class",
        "/tickets/<secret> has no class",
        "/tickets/<secret>: whose is secret?",
    ]


def test_row_01_a_route_that_lets_in_others_than_classed_fails(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    view = app.view_functions["status.show"]
    monkeypatch.setattr(view, "policy", policy_of(app, rule_of(app, "/agent")))
    assert unclassed(app) == ["/status lets in ['admin', 'agent', 'lead']"]
    monkeypatch.delattr(view, "policy")
    assert unclassed(app) == ["/status has no policy"]


def rule_of(app: Flask, path: str) -> Rule:
    return next(rule for rule in rules(app) if rule.rule == path)


def ordered(app: Flask, image_id: str, **values: str) -> list[tuple[str, str, str]]:
    return sorted(calls(app, image_id, **values), key=lambda call: call[2] in LAST)


def outcome(browser: Browser, method: str, path: str, htmx: bool) -> str:
    answer = browser.send(method, path, FORM, htmx=htmx)
    leads_to = answer.headers.get("HX-Redirect" if htmx else "Location", "").split("?")[0]
    is_logged_out = "Clear-Site-Data" in answer.headers
    is_on_the_way = path.startswith("/agent/login")
    if (
        answer.status_code == (401 if htmx else 303)
        and leads_to == "/agent/login"
        and not (is_logged_out or is_on_the_way)
    ):
        return "login"
    return "refused" if answer.status_code in (401, 403) else "let in"


def test_row_01_everybody_gets_in_where_they_may_and_nowhere_else(app: Flask, people: People, rows: Any) -> None:
    before = tables(rows)
    for name, role in people.roles.items():
        for policy, method, path in ordered(app, people.hers.image_id):
            if role not in roles_of(policy):
                expected = "login" if role == "stranger" else "refused"
                for htmx in (False, True):
                    got = outcome(people.browsers[name], method, path, htmx)
                    assert got == expected, (name, method, path, htmx)
    assert tables(rows) == before  # row 3: who was not let in has changed nothing
    for name, role in people.roles.items():
        for policy, method, path in ordered(app, people.hers.image_id):
            if role in roles_of(policy):
                assert outcome(people.browsers[name], method, path, method != "GET") == "let in", (name, method, path)


def test_row_01_nobody_but_her_and_the_desk_reads_what_she_wrote(app: Flask, people: People) -> None:
    readers = {name for name, role in people.roles.items() if role != "stranger"} | {"vera"}
    for name, browser in people.browsers.items():
        seen = ""
        for _, method, path in calls(app, people.hers.image_id):
            if method == "GET":
                seen += browser.get(path).get_data(as_text=True)
        assert (SECRET in seen) == (name in readers), name
        assert ("picture" in seen.split()) or name not in readers


OWN_HEADERS = ("Set-Cookie", "Content-Length")
VARYING = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|nonce[-=]\S+|/chat/handover/\S+|\d+")


def shape(answer: TestResponse, said: Iterable[str]) -> tuple[int, str, list[tuple[str, str]]]:
    """Return an answer without what each answer has of its own, and without what was said to get it."""
    page = answer.get_data(as_text=True)
    for value in said:
        page = page.replace(value, "")
    headers = [(name, VARYING.sub("", value)) for name, value in answer.headers if name not in OWN_HEADERS]
    return answer.status_code, VARYING.sub("", page), headers


class Counted:
    """What the database is asked meanwhile."""

    def __init__(self, app: Flask) -> None:
        self._call, self.calls = app.extensions["database"].call, list[str]()
        app.extensions["database"].call = self._counted

    def _counted(self, function: str, /, **arguments: Any) -> Any:
        if function != "sites_in_use":  # once in two seconds, for all pages
            self.calls.append(function)
        return self._call(function, **arguments)

    def costs(self, answer: TestResponse, said: Iterable[str] = ()) -> tuple[Any, list[str]]:
        """Return an answer with what it has asked, and begin anew."""
        made = shape(answer, said), list(self.calls)
        self.calls.clear()
        return made


# What forms and addresses name, and what somebody may try; the last of them is all at once.
NAMED = ("session", "client_message_id", "epoch")
TRIED = ("ticket", "number", "session_id", "visitor", "agent", "image_id", "customer_id")


def named(chat: Chat) -> dict[str, str]:
    values = {"client_message_id": chat.client_message_id, "epoch": chat.epoch, "ticket": str(chat.number)}
    return {**dict.fromkeys((*NAMED, *TRIED), chat.session_id), **values, "number": str(chat.number)}


@pytest.mark.parametrize("name", ["nobody", "new", "victor"])
def test_row_01_what_is_not_yours_and_what_is_not_there_are_answered_alike(
    app: Flask, people: People, rows: Any, name: str
) -> None:
    counted, browser, hers = Counted(app), people.browsers[name], people.hers
    before = rows_about(rows, hers.session_id)
    for policy, method, path in calls(app, "{image_id}"):
        if policy != "visitor" or path in LAST:
            continue
        for fields in (*((each,) for each in NAMED if name == "victor"), (*NAMED, *TRIED)):
            costs = []
            # The first one is thrown away: after it nothing is new any more.
            for chat in (of_nobody(), hers, of_nobody()):
                data = {field: named(chat)[field] for field in fields}
                where = path.format(image_id=chat.image_id) + ("?" + urlencode(data) if method == "GET" else "")
                costs.append(counted.costs(browser.send(method, where, {"message": "x", **data}), data.values()))
            assert costs[1] == costs[2], (method, path, fields)
    assert rows_about(rows, hers.session_id) == before


def of_nobody() -> Chat:
    return Chat(new_id(), 999_999, new_id(), new_id(), secrets.token_hex(16))


def test_row_02_a_picture_is_found_only_in_its_own_conversation(app: Flask, people: People) -> None:
    counted, hers, his = Counted(app), people.hers, people.his
    assert people.browsers["vera"].get(f"/chat/images/{hers.image_id}").data == b"picture"
    for name, theirs, other in (("victor", "/chat", hers), ("vera", "/chat", his), ("carol", "/tickets/1001", his)):
        browser = people.browsers[name]
        counted.calls.clear()
        foreign = counted.costs(browser.get(f"{theirs}/images/{other.image_id}"))
        unknown = counted.costs(browser.get(f"{theirs}/images/{new_id()}"))
        assert foreign == unknown
        assert foreign[0][0] == 404
        etag = browser.get(f"{theirs}/images/{other.image_id}", headers={"If-None-Match": f'"{other.image_id}"'})
        assert etag.status_code == 404


@pytest.mark.parametrize("number", ["1003", "0", "999999999"])
def test_row_01_a_ticket_that_is_not_there_is_not_found_whatever_is_done_with_it(
    app: Flask, people: People, rows: Any, number: str
) -> None:
    before = tables(rows)
    for _, method, path in calls(app, people.hers.image_id, number=number):
        if path.startswith(f"/tickets/{number}") and not (
            method == "GET" and path.endswith((f"/{number}", "/assignment"))
        ):
            # Agents may neither copy nor erase nor ban.
            who = "carol" if path.endswith(("/export", "/erasure", "/bans")) else "alice"
            answer = people.browsers[who].send(method, path, FORM, htmx=True)
            assert answer.status_code == 404, (method, path)
    assert tables(rows) == before


HOSTILE = {"uuid": "{id}", "boolean": "true", "integer": "987654", "bigint": "987654", "timestamptz": "2001-01-01"}


@pytest.mark.parametrize("name", ["victor", "alice"])
def test_rows_06_34_and_35_no_form_takes_a_column_that_is_not_its_own(
    app: Flask, people: People, rows: Any, name: str
) -> None:
    """Row 34 is the role of an agent, row 6 whose something is, row 35 all the rest."""
    columns = rows(
        "select distinct column_name, udt_name from information_schema.columns where table_schema = 'public' order by 1"
    )
    extra = {column: HOSTILE.get(kind, "m4rk").format(id=people.hers.session_id) for column, kind in columns}
    extra |= {"is_admin": "true", "role[]": "admin", "sender_agent_id": people.hers.session_id, "admin": "1"}
    for taken in (
        "message",
        "availability",
        "customer_name",
        "customer_phone",
        "client_message_id",
        "time_zone",
        "note",
        "name",
    ):
        extra.pop(taken, None)
    for taken in ("email", "language"):
        extra[taken] = ""
    assert extra["role"] == "m4rk"
    agents = "select role, is_active, email, name, max_tickets from agents order by email"
    before, hers = rows(agents), rows_about(rows, people.hers.session_id)
    fields = list(extra.items())
    for policy, method, path in calls(app, people.his.image_id, number="1002"):
        if method == "GET" or path in LAST or (name == "victor") != (policy == "visitor"):
            continue
        for start in range(0, len(fields), 15):
            people.browsers[name].send(method, path, {**FORM, **dict(fields[start : start + 15])}, htmx=True)
    assert rows(agents) == before
    assert rows_about(rows, people.hers.session_id) == hers
    everything = str(tables(rows))
    assert [odd for odd in ("m4rk", "987654", "2001-01-01") if odd in everything] == []


ACTS = [
    ("POST", "/tickets/1001/messages"),
    ("POST", "/tickets/1001/closure"),
    ("DELETE", "/tickets/1001/assignment"),
]


@pytest.mark.parametrize(("method", "path"), ACTS)
def test_row_36_who_does_not_have_a_ticket_neither_answers_nor_ends_nor_returns_it(
    people: People, rows: Any, method: str, path: str, alice: Agent
) -> None:
    rows("update agents set role = 'agent'")  # who has more rights may do more
    before = rows("select status, assigned_agent_id::text, version from tickets where number = 1001")
    assert before[0][1] == alice.id
    answer = people.browsers["carol"].send(method, path, {"message": "x", "client_message_id": new_id()}, True)
    assert answer.status_code == 409
    assert rows("select status, assigned_agent_id::text, version from tickets where number = 1001") == before
