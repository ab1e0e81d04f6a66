"""Which language a page is in: the customer's choice, the agent's profile, what the browser likes; else English."""

from __future__ import annotations

import pytest
from flask import Flask, g

from supportchat.rendering.languages import choose_language, shipped_language
from tests.web import ORIGIN, Browser, Web

pytestmark = pytest.mark.mode("postgres")


def chosen(app: Flask, path: str = "/chat", **headers: str) -> str:
    """Return the language of a request."""
    with app.test_request_context(path, headers={name.replace("_", "-"): value for name, value in headers.items()}):
        return choose_language()


def test_the_browser_says_what_it_likes(app: Flask) -> None:
    cases: list[tuple[str, str]] = [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("pt-BR", "pt"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("zh-TW,zh;q=0.9", "en"),
        ("zh,ja;q=0.5", "ja"),
        ("fr;q=0.2,ar;q=0.9", "ar"),
        ("fr;q=0", "en"),
        ("fr;q=0,ja;q=0.1", "ja"),
        ("*", "en"),
        (";;;,q=,-,\x7f", "en"),
        ("x" * 8000 + ",de", "en"),
    ]
    for header, language in cases:
        assert chosen(app, Accept_Language=header) == language


def test_no_tag_of_any_kind_is_a_language_that_is_not_shipped() -> None:
    assert [shipped_language(tag) for tag in (None, "", "-", "xx", "../de", "de-")] == [None] * 5 + ["de"]


def test_a_customer_can_ask_for_a_language_and_the_browser_keeps_it(web: Web) -> None:
    browser = web.visitor()
    assert '<html lang="fr" dir="ltr">' in browser.get("/chat?lang=fr", headers={"Accept-Language": "de"}).text
    assert '<html lang="fr" dir="ltr">' in browser.get("/chat", headers={"Accept-Language": "de"}).text
    assert '<html lang="ar" dir="rtl">' in browser.get("/chat?lang=ar").text
    assert '<html lang="ar" dir="rtl">' in browser.get("/chat?lang=xx").text


@pytest.mark.parametrize("said", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_a_post_of_another_site_chooses_no_language(app: Flask, said: dict[str, str]) -> None:
    answer = app.test_client().post("/chat?lang=ja", headers=said)
    assert (answer.status_code, answer.headers.getlist("Set-Cookie")) == (403, [])


def test_the_desk_is_not_in_the_language_that_a_customer_asked_for(web: Web) -> None:
    browser = web.visitor()
    browser.get("/chat?lang=fr")
    assert '<html lang="en"' in browser.get("/agent/login?lang=de").text
    assert '<html lang="ja"' in browser.get("/agent/login", headers={"Accept-Language": "ja"}).text


def test_an_answer_is_in_the_language_of_the_page_that_it_is_for(app: Flask) -> None:
    assert chosen(app, X_Language="es", Accept_Language="de") == "es"
    assert chosen(app, "/tickets", X_Language="es", Accept_Language="de") == "es"


def test_an_agents_profile_comes_before_their_browser(app: Flask) -> None:
    with app.test_request_context("/agent", headers={"Accept-Language": "de"}):
        g.agent = {"language": "ja"}
        assert choose_language() == "ja"
        g.agent = {"language": None}
        assert choose_language() == "de"


@pytest.mark.parametrize("path", ["/nothing", "/tickets/4/nothing", "/agent/login", "/chat"])
def test_every_page_says_its_language(app: Flask, path: str) -> None:
    assert '<html lang="ar" dir="rtl">' in Browser(app).get(path, headers={"Accept-Language": "ar"}).text


def test_an_error_before_the_request_is_known_has_a_language_too(app: Flask) -> None:
    answer = app.test_client().get("/chat", headers={"Accept-Language": "ja", "Host": "evil.example"})
    assert answer.status_code == 400
    assert '<html lang="ja"' in answer.text


def test_an_agent_chooses_the_language_of_the_desk(web: Web) -> None:
    alice = web.agent("alice")
    answer = alice.client.post(
        "/agent/language",
        data={"language": "ar"},
        headers={"Origin": ORIGIN, "Referer": f"{ORIGIN}/agent?view=all"},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agent?view=all")
    assert '<html lang="ar" dir="rtl">' in alice.get("/agent", headers={"Accept-Language": "de"}).text
    alice.post("/agent/language", language="")
    assert '<html lang="de" dir="ltr">' in alice.get("/agent", headers={"Accept-Language": "de"}).text


def test_a_language_that_is_not_shipped_is_refused(web: Web) -> None:
    alice = web.agent("alice")
    assert alice.post("/agent/language", language="xx").status_code == 422
    assert '<html lang="en"' in alice.get("/agent").text
