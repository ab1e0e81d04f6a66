"""What somebody else does to a login by the provider, who can have a browser open addresses and send forms."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.cast import PASSWORD, Agent, email_of
from tests.people.cast import link_for
from tests.security.access import tables
from tests.web import Browser, Web

from .conftest import agreed, left_for, problem, through
from .issuer import Issuer

ANEW = "was used before, or began in another browser"


@pytest.fixture(autouse=True)
def bound(database: Database, issuer: Issuer, bob: Agent) -> None:
    """Bob can log in by the provider."""
    database.call("connect_identity", agent_id=bob.id, issuer=issuer.url, subject=issuer.user["sub"])


def leave(browser: Browser) -> str:
    """Return the address with which a browser comes back that left to log in."""
    return agreed(left_for(browser.post("/agent/login/provider")))


def changed(path: str, **values: str | None) -> str:
    """Return a path with other parameters."""
    query = dict(parse_qsl(urlsplit(path).query)) | values
    return f"{urlsplit(path).path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def test_nobody_is_logged_in_by_what_began_in_another_browser(web: Web, rows: Any) -> None:
    attacker, victim = web.visitor(), web.visitor()
    path = leave(attacker)
    left_for(victim.post("/agent/login/provider"))  # with a cookie of their own
    for browser in (victim, web.visitor()):
        assert ANEW in problem(web, browser.get(path))
    assert rows("select count(*) from agent_sessions") == [(0,)]
    assert "done" in attacker.get(path).location  # nor is it used up by those who cannot use it


def test_a_page_of_another_site_sends_nobody_to_the_provider(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    for path in ("/agent/login/provider", "/account/provider", "/account/provider/delete"):
        answer = browser.client.post(path, headers={"Origin": "https://evil.example"}, data={"proof": PASSWORD})
        assert answer.status_code == 403
    assert rows("select count(*) from provider_flows") == [(0,)]


def test_a_code_counts_once_however_often_it_comes_at_once(app: Flask, web: Web, rows: Any) -> None:
    browser = web.visitor()
    path = leave(browser)
    cookie = browser.client.get_cookie("o")
    assert cookie is not None

    def come_back(_: int) -> str:
        other = Browser(app)
        other.client.set_cookie("o", cookie.value)
        return str(other.get(path).location)

    with ThreadPoolExecutor(6) as pool:
        places = list(pool.map(come_back, range(6)))
    assert sum("done" in place for place in places) == 1
    assert sum("provider_expired" in place for place in places) == 5
    assert ANEW in problem(web, browser.get(path))
    assert rows("select count(*) from agent_sessions") == [(1,)]


def test_the_code_of_another_login_is_worth_nothing_here(web: Web, rows: Any) -> None:
    attacker, victim = web.visitor(), web.visitor()
    code = dict(parse_qsl(urlsplit(leave(attacker)).query))["code"]
    assert "did not answer as it should" in problem(web, victim.get(changed(leave(victim), code=code)))
    assert rows("select count(*) from agent_sessions") == [(0,)]


def test_what_another_issuer_sends_is_refused_before_its_code_goes_anywhere(web: Web, issuer: Issuer) -> None:
    browser = web.visitor()
    answer = browser.get(changed(leave(browser), iss="https://evil.example"))
    assert "did not answer as it should" in problem(web, answer)
    assert "/token" not in issuer.asked


def test_a_flow_of_a_former_issuer_is_not_finished_with_this_one(web: Web, issuer: Issuer, rows: Any) -> None:
    browser = web.visitor()
    path = leave(browser)
    rows("update provider_flows set issuer = 'https://former.example'")
    assert ANEW in problem(web, browser.get(path))
    assert "/token" not in issuer.asked


def test_a_state_that_somebody_has_chosen_is_none(web: Web, database: Database, issuer: Issuer) -> None:
    fixed = web.visitor()
    fixed.client.set_cookie("o", "c" * 43)
    assert ANEW in problem(web, fixed.get(f"/agent/login/callback?code=x&state={'s' * 43}"))
    left_for(fixed.post("/agent/login/provider"))
    cookie = fixed.client.get_cookie("o")
    assert cookie is not None
    assert cookie.value != "c" * 43  # what was put there is not adopted


@pytest.mark.parametrize("name", ["state", "code", "iss"])
def test_a_parameter_that_comes_twice_is_refused(web: Web, rows: Any, name: str) -> None:
    browser = web.visitor()
    path = leave(browser)
    value = dict(parse_qsl(urlsplit(path).query))[name]
    assert browser.get(f"{path}&{name}={quote(value)}").location.endswith("problem=provider_answer_bad")
    assert rows("select count(*) from agent_sessions") == [(0,)]


ODD = {
    "long": "x" * 100_000,
    "NUL": "a\x00b",
    "lines": "a\r\nSet-Cookie: a=b",
    "unicode": "\u202e\U0001f600",
    "empty": "",
    "markup": "<script>alert(1)</script>",
    "an escape": "\x1b[31m",
}


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "error_description"])
def test_no_parameter_does_more_than_to_be_refused(
    web: Web, rows: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in ODD:
        browser = web.visitor()
        answer = browser.get(changed(leave(browser), **{name: ODD[kind]}))
        is_ignored = name == "error_description"
        assert answer.status_code == 303
        assert re.fullmatch(r"/agent/login\?(done=|problem=provider_(expired|answer_bad))", answer.location)
        assert ("done" in answer.location) == is_ignored
        assert answer.headers.getlist("Set-Cookie") == [
            cookie for cookie in answer.headers.getlist("Set-Cookie") if re.match(r"[aok]=[\w-]*;", cookie)
        ]
        assert rows("select count(*) from agent_sessions") == [(int(is_ignored),)]
        assert all(record.getMessage().isprintable() for record in caplog.records)
        rows("delete from agent_sessions")


def test_a_refusal_at_the_provider_is_said_in_our_words(web: Web, issuer: Issuer) -> None:
    issuer.faults["redirect"] = {"error": "access_denied", "error_description": "Call 0900 1234 to unlock"}
    answer = through(web.visitor())
    assert "declined at Acme Login" in problem(web, answer)
    assert "0900" not in answer.location
    issuer.faults["redirect"] = {"error": "server_error"}
    assert "did not answer as it should" in problem(web, through(web.visitor()))


def test_a_page_says_only_what_we_have_written(web: Web) -> None:
    for problem_code in ("login_failed", "fault", "x", "<b>", "provider_is_only_way"):
        page = web.visitor().get(f"/agent/login?problem={quote(problem_code)}").text
        assert 'role="alert"></p>' in page


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "javascript:alert(1)",
        "/a\x00",
    ],
)
def test_nobody_is_led_elsewhere_after_the_login(web: Web, target: str) -> None:
    browser = web.visitor()
    answer = through(browser, f"/agent/login/provider?next={quote(target)}")
    place = browser.get(answer.location).location
    assert place.startswith("/")
    assert urlsplit(place).netloc == ""
    assert "\r" not in place


def test_a_long_place_to_go_to_is_dropped(web: Web, rows: Any) -> None:
    left_for(web.visitor().post("/agent/login/provider?next=/" + "x" * 5000))
    assert rows("select target from provider_flows") == [(None,)]


def test_neither_log_nor_database_nor_addresses_have_a_secret(
    web: Web, issuer: Issuer, rows: Any, caplog: pytest.LogCaptureFixture
) -> None:
    browser = web.visitor()
    with caplog.at_level(logging.DEBUG, "supportchat"):
        page = browser.post("/agent/login/provider")
        sent = dict(parse_qsl(urlsplit(left_for(page)).query))
        stored = str(tables(rows))
        path = agreed(left_for(page))
        answer = browser.get(path)
        browser.get(path)
        issuer.faults["token"] = lambda handler: handler.answer(400, b'{"error": "invalid_grant"}')
        through(web.visitor())
    code = dict(parse_qsl(urlsplit(path).query))["code"]
    cookies = [cookie.value for cookie in (browser.client._cookies or {}).values()]
    for secret in (sent["state"], *cookies):
        assert secret not in stored
        assert secret not in str(tables(rows))
    for secret in (sent["state"], code, sent["nonce"], *cookies):
        assert secret not in caplog.text
        assert secret not in answer.location
    assert page.headers["Cache-Control"] == "no-store, no-transform"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "Content-Encoding" not in page.headers


def test_a_name_from_the_provider_is_text(web: Web, issuer: Issuer, carol: Agent) -> None:
    issuer.user = {"sub": "7", "name": '<img src=x onerror="alert(1)">\r\nX-Evil: 1\u202e'}
    browser = web.visitor()
    through(browser, link_for(carol, "invite_person", email="lena@example.com") + "/provider")
    page = browser.get("/agent")
    assert "<img src=x" not in page.text
    assert "X-Evil" not in page.headers


@pytest.mark.parametrize("name", [["Lena"], {"a": 1}, 5, None, "", " \x00 ", "\u200b", "x" * 100_000])
def test_a_name_that_is_none_is_made_from_the_address(
    web: Web, issuer: Issuer, carol: Agent, rows: Any, name: Any
) -> None:
    issuer.user = {"sub": "7", "name": name}
    through(web.visitor(), link_for(carol, "invite_person", email="lena@example.com") + "/provider")
    expected = "x" * 80 if isinstance(name, str) and "x" in name else "lena"
    assert rows("select name from agents where email = 'lena@example.com'") == [(expected,)]


def test_who_logs_out_on_the_way_connects_nothing(web: Web, issuer: Issuer, rows: Any) -> None:
    issuer.user = {"sub": "7"}
    browser = web.agent("alice")
    path = agreed(left_for(browser.post("/account/provider", proof=PASSWORD)))
    browser.post("/agent/logout")
    browser.post("/agent/login", email=email_of("carol"), password=PASSWORD)
    assert "logged out in the meantime" in browser.get(browser.get(path).location).text
    assert rows("select count(*) from agent_identities where subject = '7'") == [(0,)]


def test_a_login_that_was_meant_for_something_else_connects_nothing(web: Web, issuer: Issuer, rows: Any) -> None:
    """Somebody who can set a cookie still has no row that says 'account' for this login session."""
    issuer.user = {"sub": "7"}
    attacker, victim = web.agent("carol"), web.agent("alice")
    path = agreed(left_for(attacker.post("/account/provider", proof=PASSWORD)))
    cookie = attacker.client.get_cookie("o")
    assert cookie is not None
    victim.client.set_cookie("o", cookie.value)
    assert "logged out in the meantime" in victim.get(victim.get(path).location).text
    assert rows("select count(*) from agent_identities where subject = '7'") == [(0,)]


def test_an_invitation_that_was_withdrawn_on_the_way_admits_nobody(
    web: Web, issuer: Issuer, carol: Agent, rows: Any
) -> None:
    issuer.user = {"sub": "7"}
    browser = web.visitor()
    path = agreed(left_for(browser.post(link_for(carol, "invite_person", email="lena@example.com") + "/provider")))
    carol.call("withdraw_link", link_id=carol.call("list_people")["invited"][0]["id"])
    assert "no longer works" in problem(web, browser.get(path))
    assert rows("select count(*) from agents where name = 'lena'") == [(0,)]


def test_two_who_use_an_invitation_at_once_are_one_person(web: Web, issuer: Issuer, carol: Agent, rows: Any) -> None:
    invitation = link_for(carol, "invite_person", email="lena@example.com") + "/provider"
    ways = []
    for sub in ("7", "8"):
        issuer.user = {"sub": sub}
        browser = web.visitor()
        ways.append((browser, agreed(left_for(browser.post(invitation)))))
    with ThreadPoolExecutor(2) as pool:
        places = list(pool.map(lambda way: way[0].get(way[1]).location, ways))
    assert sorted("done" in place for place in places) == [False, True]
    assert rows("select count(*) from agent_identities where subject in ('7', '8')") == [(1,)]


def test_a_first_login_by_a_rule_that_comes_twice_makes_one_account(database: Database, rows: Any) -> None:
    account = {"name": "Lena", "email": "lena@example.com", "role": "agent"}

    def join(_: int) -> Any:
        return database.call("agent_of_identity", issuer="i", subject="7", account=account)["id"]

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(join, range(4)))) == 1
    assert rows("select count(*) from agents where email = 'lena@example.com'") == [(1,)]


def test_the_state_is_known_by_its_hash(web: Web, rows: Any) -> None:
    state = dict(parse_qsl(urlsplit(left_for(web.visitor().post("/agent/login/provider"))).query))["state"]
    assert rows("select state_hash from provider_flows") == [(token_hash(state),)]


def test_row_b8_a_browser_on_its_way_to_the_provider_is_no_customer_in_a_frame(web: Web, rows: Any) -> None:
    browser = Browser(web._app)
    path = leave(browser)
    browser.get("/chat")
    assert browser.post("/chat", message="Hello").status_code == 303
    assert browser.client.get_cookie("c") is not None
    assert browser.client.get_cookie("f") is None
    assert "done" in browser.get(path).location
    assert "Hello" in browser.get("/chat").text
