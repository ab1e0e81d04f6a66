"""Several sites, one queue: each page has the look of its site, and agents see where a ticket comes from."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Conflict, Database, Invalid, NotFound, Unavailable
from supportchat.sites import KEPT_SECONDS, Sites
from supportchat.sites.look import OWN, look_name
from tests.cast import Agent, Cast, Visitor
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def shop(carol: Agent) -> Agent:
    """An admin who has added a site."""
    carol.call("add_site", key="shop", name="The shop")
    carol.call("change_site", key="shop", values={"colour": "#8c4126"})
    return carol


def field(page: str, name: str) -> str:
    [value] = re.findall(rf'name="{name}" value="([^"]*)"', page)
    return str(value)


# The database


def test_the_main_site_is_always_there(database: Database, carol: Agent, rows: Any) -> None:
    assert [site["key"] for site in database.call("sites_in_use")] == ["main"]
    with pytest.raises(Conflict, match="main_site_stays"):
        carol.call("archive_site", key="main")
    assert rows("select site_id, colour from sites") == [(1, OWN)]


def test_a_ticket_keeps_the_site_that_its_chat_was_started_from(cast: Cast, shop: Agent, rows: Any) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    assert vera.start(site="shop")["site"] == "shop"
    assert victor.start()["site"] == "main"
    shop.call("archive_site", key="shop")
    assert vera.chat["site"] == "shop"
    for key in ("shop", "no such", None, "'"):
        assert cast.visitor().start(site=key)["site"] == "main"


def test_a_change_is_told_to_every_process_and_noted_in_the_audit_log_and_no_change_is_not(
    shop: Agent, rows: Any
) -> None:
    told = "select count(*) from events where kind = 'site.changed'"
    [(before,)] = rows(told)
    values = {"greeting": "Hello", "allowed_origins": ["https://shop.example"], "show_faces": False}
    changed = shop.call("change_site", key="shop", values=values)
    assert {name: changed[name] for name in values} == values
    assert shop.call("change_site", key="shop", values=values) == changed
    assert rows(told) == [(before + 1,)]
    [about] = rows("select about from audit_log where kind = 'site.changed' order by id desc limit 1")[0]
    assert about == {"site": "shop", "changed": ["allowed_origins", "greeting", "show_faces"]}


def test_what_a_site_cannot_be_is_refused(shop: Agent, rows: Any) -> None:
    cases: list[Any] = [
        *(
            {"key": "other"},
            {"site_id": 2},
            {"logo_path": "f" * 64},
            {"archived_at": "2026-01-01"},
            {"none": 1},
            "x",
        ),
        *({"colour": "red"}, {"name": None}, {"name": ""}, {"greeting": "x" * 161}, {"show_faces": None}),
        *({"allowed_origins": ["https://x.example"] * 21}, {"language": "german"}),
    ]
    for values in cases:
        before = rows("select * from sites order by site_id")
        with pytest.raises(Invalid):
            shop.call("change_site", key="shop", values=values)
        assert rows("select * from sites order by site_id") == before


def test_keys_are_unique_and_never_change_and_there_are_so_many_sites_at_most(shop: Agent, rows: Any) -> None:
    with pytest.raises(Conflict, match="site_key_taken"):
        shop.call("add_site", key="shop", name="Another")
    for key in ("Shop", "-x", "x-", "a b", "", "x" * 33, "../x"):
        with pytest.raises(Invalid):
            shop.call("add_site", key=key, name="Another")
    with pytest.raises(NotFound, match="site_not_found"):
        shop.call("change_site", key="none", values={})
    rows("insert into sites (key, name) select 'site-' || n, 'Site' from generate_series(1, 48) n")
    with pytest.raises(Conflict, match="sites_too_many"):
        shop.call("add_site", key="one-more", name="Another")
    shop.call("archive_site", key="shop")
    shop.call("add_site", key="one-more", name="Another")
    with pytest.raises(Conflict, match="sites_too_many"):
        shop.call("archive_site", key="shop", archived=False)


def test_a_stored_logo_is_no_orphan_and_anybody_who_knows_its_key_may_see_it(shop: Agent, database: Database) -> None:
    assert shop.call("change_logo", key="shop", logo="a" * 64) is None
    assert database.call("orphan_images", keys=["a" * 64, "b" * 64]) == ["b" * 64]
    assert database.call("is_open_picture", key="a" * 64)
    assert shop.call("change_logo", key="shop", logo=None) == "a" * 64
    assert not database.call("is_open_picture", key="a" * 64)


def test_agents_see_the_site_only_where_there_is_more_than_one(cast: Cast, alice: Agent, carol: Agent) -> None:
    vera = cast.visitor()
    number = vera.start()["number"]

    def names() -> list[Any]:
        [row] = alice.call("list_tickets", view="all")["rows"]
        return [row["site_name"], alice.call("ticket_of_agent", number=number)["site_name"]]

    assert names() == [None, None]
    carol.call("add_site", key="shop", name="The shop")
    assert names() == ["Support", "Support"]
    carol.call("archive_site", key="shop")
    assert names() == [None, None]


# What a process knows


def test_a_process_reads_the_sites_once_for_all_its_pages_and_anew_when_one_has_changed(
    app: Flask, carol: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, door, calls = app.extensions["sites"], app.extensions["database"], list[str]()
    call = door.call

    def noted(function: str, /, **arguments: Any) -> Any:
        calls.append(function)
        return call(function, **arguments)

    monkeypatch.setattr(door, "call", noted)
    for _ in range(3):
        assert sites.all()["main"]["name"] == "Support"
    assert calls == ["sites_in_use"]
    carol.call("change_site", key="main", values={"name": "Ours"})
    app.extensions["hub"].on_event({"event": "site.changed", "id": 1, "session_id": None, "detail": {"site": "main"}})
    assert sites.all()["main"]["name"] == "Ours"


def test_news_that_nobody_has_told_is_seen_after_two_seconds(
    database: Database, carol: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("supportchat.sites.time.monotonic", lambda: now)
    sites = Sites(database)
    sites.all()
    carol.call("change_site", key="main", values={"name": "Ours"})
    assert sites.all()["main"]["name"] == "Support"
    now += KEPT_SECONDS
    assert sites.all()["main"]["name"] == "Ours"


def test_while_the_database_does_not_answer_the_sites_stay_as_they_were(
    database: Database, shop: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, fresh = Sites(database), Sites(database)
    assert set(sites.all()) == {"main", "shop"}
    sites.forget()

    def fail(name: str, **more: Any) -> Any:
        raise Unavailable("database_unavailable")

    monkeypatch.setattr(database, "call", fail)
    assert set(sites.all()) == {"main", "shop"}
    assert set(fresh.all()) == {"main"}


# The customer's pages


def test_the_start_page_has_the_look_and_the_words_of_its_site(web: Web, shop: Agent) -> None:
    shop.call("change_site", key="shop", values={"greeting": "What can <b>we</b> do?"})
    page = web.visitor().get("/chat?site=shop").text
    assert "The shop" in page
    assert "<bdi>What can &lt;b&gt;we&lt;/b&gt; do?</bdi>" in page  # at the side where the language of the page begins
    assert 'class="look-8c4126"' in page
    assert f"/look/{look_name('#8c4126')}.css" in page
    assert field(page, "site") == "shop"
    main = web.visitor().get("/chat").text
    assert "/look/" not in main
    assert field(main, "site") == "main"


@pytest.mark.parametrize("named", ["", "?site=none", "?site=%00", f"?site={'x' * 5000}", "?site=main&site=shop"])
def test_every_other_name_of_a_site_means_the_main_one(web: Web, shop: Agent, named: str) -> None:
    assert field(web.visitor().get(f"/chat{named}").text, "site") == "main"


def test_a_chat_stays_on_its_site_from_the_first_message_on(web: Web, shop: Agent, rows: Any) -> None:
    vera = web.visitor()
    started = vera.post("/chat", message="Hello", site="shop")
    assert started.headers["Location"] == "/chat?site=shop"
    assert rows("select key from tickets join sites using (site_id)") == [("shop",)]
    for path in ("/chat?site=shop", "/chat"):
        assert 'class="look-8c4126"' in vera.get(path).text
    wrong = web.visitor().post("/chat", message="", site="shop")
    assert wrong.status_code == 422
    assert field(wrong.text, "site") == "shop"


def test_a_site_has_its_language_unless_the_customer_has_chosen_one(web: Web, shop: Agent) -> None:
    shop.call("change_site", key="shop", values={"language": "de"})
    vera = web.visitor()
    assert '<html lang="de"' in vera.get("/chat?site=shop").text
    assert '<html lang="en"' in vera.get("/chat").text
    assert '<html lang="fr"' in vera.get("/chat?site=shop&lang=fr").text
    vera.client.delete_cookie("l")
    vera.post("/chat", message="Hallo", site="shop")
    assert '<html lang="de"' in vera.get("/chat").text


def test_faces_and_answer_times_are_shown_only_if_the_site_says_so_and_they_are_known(
    web: Web, cast: Cast, alice: Agent, shop: Agent, rows: Any
) -> None:
    def page() -> str:
        return web.visitor().get("/chat/people?site=shop").text

    assert "avatar" in page()
    assert "Usually replies" not in page()
    for _ in range(3):
        alice.reply(cast.visitor().start()["number"])
    assert "Usually replies in under a minute" in page()
    shop.call("change_site", key="shop", values={"show_faces": False, "show_reply_time": False})
    web._app.extensions["sites"].forget()
    assert "avatar" not in page()
    assert "Alice" not in page()
    assert "We’re online" in page()
    assert "Usually replies" not in page()


def test_the_stylesheet_of_a_look_is_kept_for_ever_under_its_name_only(web: Web) -> None:
    browser = web.visitor()
    served = browser.get(f"/look/{look_name('#8c4126')}.css")
    assert "immutable" in served.headers["Cache-Control"]
    assert served.headers["Content-Type"].startswith("text/css")
    assert "no-store" in browser.get("/look/8c4126-00000000.css").headers["Cache-Control"]
    for name in ("zzzzzz-00000000", "8C4126-00000000", "8c4126"):
        assert browser.get(f"/look/{name}.css").status_code == 404


# The name, asked once somebody has written


@pytest.fixture
def vera(web: Web) -> Browser:
    browser = web.visitor()
    browser.post("/chat", message="Hello")
    return browser


def test_who_has_said_no_name_is_asked_for_it_and_agents_see_it(
    vera: Browser, alice: Agent, database: Database
) -> None:
    page = vera.get("/chat").text
    assert "What should we call you?" in page
    session = field(page.partition('id="introduction"')[2].partition("</form>")[0], "session")
    before = alice.call("ticket_of_agent", number=1001)["version"]
    answer = vera.post("/chat/name", htmx=True, session=session, customer_name="  Vera <i>Lindt</i> ")
    assert "Thanks, " in answer.text
    assert "<i>" not in answer.text
    ticket = alice.call("ticket_of_agent", number=1001)
    assert ticket["customer"]["name"] == "Vera <i>Lindt</i>"
    assert ticket["version"] > before
    assert "What should we call you?" not in vera.get("/chat").text


def test_a_name_that_was_said_stays(cast: Cast, database: Database) -> None:
    vera = cast.visitor()
    session = vera.start(customer_name="Vera")["session_id"]
    assert database.call("name_customer", visitor=vera.key, session_id=session, name="Eve")["customer_name"] == "Vera"


def test_nobody_names_the_customer_of_another_chat(cast: Cast, database: Database) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    session = vera.start()["session_id"]
    for who in (victor, Visitor(database)):
        if who is victor:
            who.start()
        with pytest.raises((Conflict, NotFound)):
            database.call("name_customer", visitor=who.key, session_id=session, name="Victor")
    assert vera.chat["customer_name"] is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_no_name_or_too_long_a_one_is_said_at_its_field(vera: Browser, name: str) -> None:
    for is_htmx in (True, False):
        answer = vera.post("/chat/name", htmx=is_htmx, customer_name=name)
        assert answer.status_code == 422
        assert "customer_name-error" in answer.text
