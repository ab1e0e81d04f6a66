"""Login, logout, and what a session is worth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from argon2.exceptions import VerifyMismatchError
from flask import Flask

from supportchat.agents import logins, passwords
from supportchat.app import create_app
from supportchat.config import Config
from supportchat.database.postgres import PostgresDatabase
from tests.cast import PASSWORD, Cast
from tests.web import Browser, Web


def login(web: Web, **fields: str) -> Any:
    browser = web.visitor()
    browser.get("/agent/login")
    return browser.post("/agent/login", **fields)


def test_a_login_leads_to_the_desk(web: Web) -> None:
    browser = web.visitor()
    answer = browser.post("/agent/login", email="alice@example.com", password=PASSWORD)
    assert answer.status_code == 303
    assert browser.get(answer.location).location == "/agent"


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_a_wrong_login_does_not_say_what_was_wrong(web: Web, email: str) -> None:
    answer = login(web, email=email, password="wrong")
    assert answer.status_code == 422
    assert "E-mail and password do not match" in answer.get_data(as_text=True)
    assert email in answer.get_data(as_text=True)


def test_an_empty_login_says_what_is_missing(web: Web) -> None:
    page = login(web, email="", password="").get_data(as_text=True)
    assert "Enter your e-mail address." in page
    assert "Enter your password." in page


def test_only_a_hash_of_the_session_is_stored(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    token = browser.client.get_cookie("a")
    assert token is not None
    [(stored,)] = rows("select token_hash from agent_sessions")
    assert len(stored) == 64
    assert token.value not in stored


def test_a_logout_ends_the_session_for_good(web: Web) -> None:
    browser = web.agent("alice")
    cookie = browser.client.get_cookie("a")
    assert cookie is not None
    answer = browser.post("/agent/logout")
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    browser.client.set_cookie("a", cookie.value)
    assert browser.get("/agent").status_code == 303


@pytest.mark.parametrize("path", ["/tickets", "/tickets/1001/changes"])
def test_a_page_of_another_agent_counts_as_not_logged_in(web: Web, cast: Cast, path: str) -> None:
    cast.visitor().start()
    browser = web.agent("alice")
    hers, his = (
        browser.client.get(path, headers={"HX-Request": "true", "X-Agent": cast.agent(name).id})
        for name in ("alice", "bob")
    )
    assert (hers.status_code, his.status_code) == (200, 401)
    assert his.headers["HX-Redirect"] == "/agent/login"
    assert browser.client.get(path, headers={"HX-Request": "true"}).status_code == 200


def test_a_form_of_another_agents_page_is_refused_with_its_text(web: Web, cast: Cast, rows: Any) -> None:
    cast.visitor().start()
    browser, bob = web.agent("bob"), cast.agent("bob")
    for path in ("/tickets/1001/messages", "/tickets/1001/notes", "/agent/logout", "/agent/language"):
        answer = browser.post(path, message="For Vera", page_of=cast.agent("alice").id)
        page = answer.get_data(as_text=True)
        assert (answer.status_code, "Bob Ortiz is now logged in in this browser" in page) == (409, True), path
        assert "For Vera" in page
        assert "page_of" not in page  # sent again from here, it is Bob's
    assert rows("select count(*) from ticket_notes") == [(0,)]
    assert browser.post("/tickets/1001/notes", message="From me", page_of=bob.id).status_code == 303


def test_every_form_of_an_agents_page_says_whose_page_it_is(web: Web, cast: Cast) -> None:
    cast.visitor().start()
    browser, carol = web.agent("carol"), cast.agent("carol")
    pages = ["/agent?ticket=1001", "/status"]
    browser.post("/tickets/1001/assignment", expected="")
    texts = [browser.get(path).get_data(as_text=True) for path in pages]
    browser.post("/tickets/1001/closure")
    texts += [browser.get(path).get_data(as_text=True) for path in pages]
    forms = [form for text in texts for form in re.findall(r'(?s)<form[^>]*method="post".*?</form>', text)]
    assert len(forms) > 10
    assert [form for form in forms if f'name="page_of" value="{carol.id}"' not in form] == []


def test_each_login_gets_a_new_session(web: Web, app: Flask) -> None:
    browser = Browser(app)
    browser.client.set_cookie("a", "x" * 43)
    browser.get("/agent/login")
    browser.post("/agent/login", email="alice@example.com", password=PASSWORD)
    cookie = browser.client.get_cookie("a")
    assert cookie is not None
    assert cookie.value != "x" * 43


def test_after_login_only_paths_of_ours_are_gone_to(web: Web) -> None:
    cases: list[tuple[str, str]] = [
        ("/status", "/status"),
        ("/agent?ticket=1001", "/agent?ticket=1001"),
        ("//evil.example", "/agent"),
        ("/\\evil.example", "/agent"),
        ("https:evil.example", "/agent"),
        ("javascript:alert(1)", "/agent"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/\t/evil.example", "/agent"),
    ]
    for target, leads_to in cases:
        browser = web.visitor()
        browser.get("/agent/login")
        answer = browser.client.post(
            "/agent/login",
            query_string={"next": target},
            data={"email": "alice@example.com", "password": PASSWORD},
            headers={"Origin": "http://localhost"},
        )
        assert browser.get(answer.location).location == leads_to


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(web: Web) -> None:
    browser = web.visitor()
    assert browser.get("/agent?ticket=1001").location == "/agent/login?next=/agent?ticket%3D1001"
    fragment = browser.get("/tickets", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (401, "/agent/login")


@pytest.mark.parametrize("page", ["http://[", "http://[x]/", "http://a]b/"])
def test_a_page_whose_address_is_none_is_not_come_back_to(web: Web, page: str) -> None:
    answer = web.visitor().get("/agent", headers={"HX-Request": "true", "HX-Current-URL": page})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/agent/login")


def test_a_page_that_leads_to_the_login_does_not_lead_whoever_is_logged_in_by_then_to_it(web: Web) -> None:
    assert web.agent("bob").get("/agent/login?next=/agent?ticket%3D1001").location == "/agent"


def test_a_browser_that_keeps_no_cookie_of_its_login_is_told_so(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    fields = {"email": "alice@example.com", "password": PASSWORD}
    answer = client.post("/agent/login?next=/status", data=fields, headers={"Origin": "http://localhost"})
    page = client.get(answer.location).get_data(as_text=True)
    assert "Your browser did not keep our cookie" in page
    assert "<form" in page


def test_a_login_while_the_database_is_away_keeps_the_address(web: Web, app: Flask) -> None:
    browser = web.visitor()
    browser.get("/agent/login")
    app.extensions["database"].close()
    app.extensions["database"] = PostgresDatabase("host=127.0.0.1 port=1 user=x dbname=x", wait=0.01)
    answer = browser.post("/agent/login", email="alice@example.com", password=PASSWORD)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "cannot reach our database" in page
    assert 'value="alice@example.com"' in page


def cookies_of(config: Config) -> list[str]:
    app = create_app(config)
    origin = config.public_url or "http://localhost"
    client = app.test_client()
    fields = {"email": "alice@example.com", "password": PASSWORD}
    login = client.post("/agent/login", base_url=origin, data=fields, headers={"Origin": origin})
    answers = [client.get("/chat", base_url=origin), login]
    app.extensions["database"].close()
    return [cookie for answer in answers for cookie in answer.headers.getlist("Set-Cookie")]


def test_cookies_are_plain_on_loopback_so_that_every_browser_can_log_in(config: Config) -> None:
    for cookie in cookies_of(config):
        assert "HttpOnly" in cookie
        assert "Secure" not in cookie
        assert not cookie.startswith("__Host-")


def test_cookies_are_bound_to_the_host_behind_https(config: Config) -> None:
    from dataclasses import replace

    cookies = cookies_of(replace(config, public_url="https://chat.example.com"))
    assert len(cookies) >= 2
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie


def test_an_unknown_address_costs_the_check_of_a_whole_hash() -> None:
    assert not passwords._hasher.check_needs_rehash(passwords._NOBODY)
    with pytest.raises(VerifyMismatchError):  # which is said of a hash that was computed
        passwords._hasher.verify(passwords._NOBODY, PASSWORD)


@pytest.mark.mode("postgres")
def test_the_cookie_of_a_login_lasts_as_long_as_its_session(rows: Any) -> None:
    assert rows("select extract(epoch from _supportchat.login_lasts())::integer") == [(logins.SECONDS,)]


def test_a_login_whose_password_changes_while_it_is_checked_is_a_wrong_one(
    web: Web, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_right(password_hash: str | None, password: str, group: str) -> bool:
        found = passwords.is_right_password(password_hash, password, group)
        rows("update agent_credentials set password_hash = 'new'")
        return found

    monkeypatch.setattr(logins, "is_right_password", is_right)
    answer = login(web, email="alice@example.com", password=PASSWORD)
    assert (answer.status_code, "E-mail and password do not match" in answer.text) == (422, True)
    assert rows("select count(*) from agent_sessions") == [(0,)]
