"""Who asks for much waits behind their own requests, before anything is looked up or drawn for them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
import pytest
from flask import Flask

from supportchat.config import Config
from supportchat.server.buckets import Limit
from supportchat.server.turns import FairTurns
from supportchat.web.cookies import token_hash
from supportchat.web.door import Door
from supportchat.web.limits import KnownBrowsers
from tests.web import Web

LIMIT = Limit(2, 86400)  # for who is not known: 10


class Doorway:
    """A door, with nothing behind it, and the seconds that it has made somebody wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit: Limit = LIMIT) -> None:
        self.known = KnownBrowsers()
        self.waits: list[float] = []
        self.told: list[Any] = []
        self._door = Door(self._behind, limit, self.known)
        monkeypatch.setattr("supportchat.web.door.gevent.sleep", self.waits.append)

    def ask(self, address: str = "192.0.2.1", path: str = "/chat", cookie: str = "", **more: str) -> str:
        """Ask for a page, and return the status."""
        statuses: list[str] = []
        environ = {"REMOTE_ADDR": address, "PATH_INFO": path, "HTTP_COOKIE": cookie, **more}
        self._door(environ, lambda status, *_: statuses.append(status))  # type: ignore[arg-type]
        return statuses[0].partition(" ")[0]

    def _behind(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.told.append(environ.get("supportchat.too_fast"))
        start_response("200 OK", [])
        return []


@pytest.fixture
def doorway(monkeypatch: pytest.MonkeyPatch) -> Doorway:
    """A door that lets in few."""
    return Doorway(monkeypatch)


def test_an_address_that_asks_for_too_much_is_told_so_once_and_then_refused_without_a_page(doorway: Doorway) -> None:
    assert [doorway.ask() for _ in range(13)] == [*["200"] * 11, "429", "429"]
    assert [bool(told) for told in doorway.told] == [*[False] * 10, True]
    assert doorway.ask("192.0.2.2") == "200"
    assert doorway.told[-1] is None


def test_who_is_a_little_too_fast_waits_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    doorway = Doorway(monkeypatch, Limit(2, 2))  # 10 at once, then 5 a second
    assert {doorway.ask() for _ in range(20)} == {"200"}
    assert doorway.waits == [pytest.approx(n / 5, abs=0.1) for n in range(1, 11)]


def test_what_comes_at_once_follows_one_by_one_so_that_others_do_not_feel_it(monkeypatch: pytest.MonkeyPatch) -> None:
    doorway = Doorway(monkeypatch, Limit(100, 20))
    doorway.known.add(token_hash("k" * 43))
    for cookie, at_once, each in ((f"c={'k' * 43}", 20, 1 / 25), ("", 40, 1 / 50)):
        doorway.waits.clear()
        assert {doorway.ask(cookie=cookie) for _ in range(at_once + 10)} == {"200"}
        assert doorway.waits == [pytest.approx(n * each, abs=0.02) for n in range(1, 11)]
    assert not any(doorway.told)


def test_a_key_that_is_known_has_a_pace_of_its_own_and_one_that_is_made_up_has_none(doorway: Doorway) -> None:
    key = secrets.token_urlsafe(32)
    doorway.known.add(token_hash(key))
    for _ in range(11):
        doorway.ask(cookie=f"c-3000={secrets.token_urlsafe(32)}")
    assert doorway.told[-1]
    for _ in range(2):
        assert doorway.ask(cookie=f"n=x; c-3000={key}; a={secrets.token_urlsafe(32)}") == "200"
        assert doorway.told[-1] is None
    doorway.ask(cookie=f"c-3000={key}")
    assert doorway.told[-1] or doorway.ask(cookie=f"c-3000={key}") == "429"


def test_files_cost_a_tenth_of_a_page_and_the_probe_of_a_process_nothing(doorway: Doorway) -> None:
    assert [doorway.ask(path="/static/a.js") for _ in range(100)] == ["200"] * 100
    assert not any(doorway.told)
    doorway.ask()
    assert doorway.told[-1]
    assert [doorway.ask(path="/healthz") for _ in range(100)] == ["200"] * 100
    assert not any(doorway.told[-100:])


def test_a_long_cookie_costs_the_door_no_more_than_a_short_one(doorway: Doorway) -> None:
    doorway.known.add(token_hash("k" * 43))
    assert doorway.ask(cookie=f"x={'x' * 43};" * 4 + f"c={'k' * 43}") == "200"  # looked at as far as the fourth
    for _ in range(9):
        doorway.ask()
    doorway.ask()
    assert doorway.told[-1]


@pytest.mark.mode("postgres")
def test_what_was_typed_comes_back_with_the_time_to_wait(config: Config, app: Flask, web: Web) -> None:
    browser = web.visitor()
    answer = browser.client.post(
        "/chat",
        data={"message": "My text"},
        headers={"Origin": "http://localhost"},
        environ_overrides={"supportchat.too_fast": 4.2},
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    page = answer.get_data(as_text=True)
    assert [words in page for words in ("Too many requests", "Try again in 5 seconds.", "My text")] == [True] * 3


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("path", ["/chat", "/chat/people", "/readyz", "/agent", "/links/x", "/nothing", "/agent/login"])
def test_no_page_is_without_a_limit(path: str, config: Config) -> None:
    from supportchat.app import create_app

    app = create_app(replace(config, limit_requests=Limit(1, 86400)))
    client = app.test_client()
    statuses = [client.get(path).status_code for _ in range(8)]
    app.extensions["database"].close()
    assert 429 not in statuses[:5]
    assert statuses[5:] == [429] * 3


def test_in_a_long_round_one_of_each_group_begins_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.server.turns.LONG_ROUND_SECONDS", -1.0)
    turns, begun = FairTurns(gevent.get_hub()), list[str]()
    rounds = [0]

    def begin(group: str) -> None:
        turns.take(group)
        begun.append(group)

    check = gevent.get_hub().loop.check()
    check.start(lambda: rounds.append(len(begun)))
    gevent.joinall([gevent.spawn(begin, group) for group in ("a", "a", "a", "a", "b", "c")])
    check.stop()
    assert begun == ["a", "b", "c", "a", "a", "a"]
    assert max(later - earlier for earlier, later in itertools.pairwise(rounds)) <= 1


def test_a_text_does_not_wait_behind_all_the_sockets_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.server.turns.LONG_ROUND_SECONDS", -1.0)
    doorway, begun = Doorway(monkeypatch, Limit(0, 0)), list[str]()

    def ask(path: str, **more: str) -> None:
        doorway.ask(path=path, **more)
        begun.append(path)

    sockets = [gevent.spawn(ask, "/chat/stream", HTTP_UPGRADE="websocket") for _ in range(9)]
    gevent.joinall([*sockets, gevent.spawn(ask, "/chat/messages")], raise_error=True)
    assert begun.index("/chat/messages") <= 1


def test_who_goes_away_while_they_wait_for_a_turn_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.server.turns.LONG_ROUND_SECONDS", -1.0)
    turns = FairTurns(gevent.get_hub())
    gone, next_one = gevent.spawn(turns.take, "a"), gevent.spawn(turns.take, "b")
    gevent.idle()
    gone.kill()
    next_one.join(5)
    assert next_one.successful()
    assert not turns._waiting
