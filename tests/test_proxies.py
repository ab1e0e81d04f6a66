"""A proxy of which TRUSTED_PROXIES says nothing is noticed, and nobody else can pretend to be one for long."""

from __future__ import annotations

import logging

import pytest
from werkzeug.datastructures import Headers

from supportchat.config import Config
from supportchat.status.proxy import check_proxy
from supportchat.web.proxies import AGAIN_SECONDS, FEWEST, SECONDS, ProxyWatch
from tests.web import Web

PROXY = "10.0.0.1"


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


def note(watch: ProxyWatch, forwarded: int, direct: int = 0, peer: str = PROXY) -> None:
    for _ in range(forwarded):
        watch.note(peer, is_forwarded=True)
    for number in range(direct):
        watch.note(f"192.0.2.{number}", is_forwarded=False)


@pytest.mark.parametrize(
    ("forwarded", "direct", "is_one"), [(FEWEST, 0, True), (FEWEST - 1, 0, False), (30, 29, True), (30, 30, False)]
)
def test_one_address_with_most_of_all_requests_is_a_proxy(
    clock: Clock, forwarded: int, direct: int, is_one: bool
) -> None:
    watch = ProxyWatch()
    note(watch, forwarded, direct)
    assert watch.peer() == (PROXY if is_one else None)


def test_many_who_send_the_header_are_no_proxy(clock: Clock) -> None:
    watch = ProxyWatch()
    for number in range(100):
        note(watch, 1, peer=f"192.0.2.{number}")
    assert watch.peer() is None


def test_it_is_forgotten_minutes_after_the_last_of_them(clock: Clock) -> None:
    watch = ProxyWatch()
    note(watch, 100)
    clock.now += SECONDS
    assert watch.peer() == PROXY
    note(watch, 0, 30)
    clock.now += SECONDS
    assert watch.peer() is None


def test_it_is_logged_loudly_and_once_an_hour(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    watch = ProxyWatch()
    caplog.set_level(logging.ERROR)
    for _ in range(int(AGAIN_SECONDS / SECONDS) + 2):
        note(watch, FEWEST)
        clock.now += SECONDS
    lines = [record.message for record in caplog.records if "A PROXY THAT IS NOT DECLARED" in record.message]
    assert len(lines) == 2
    assert all(PROXY in line for line in lines)


def test_its_memory_is_bounded(clock: Clock) -> None:
    watch = ProxyWatch()
    for number in range(5000):
        note(watch, 1, peer=f"{number}")
    assert len(watch._now[1]) == 1000


@pytest.mark.mode("postgres")
def test_requests_with_the_header_are_seen_by_status(web: Web) -> None:
    browser = web.agent("carol")
    for _ in range(FEWEST):
        web.visitor().get("/chat", headers={"Forwarded": "for=192.0.2.1"})
        browser.get("/chat", headers={"Forwarded": "for=192.0.2.1"})
    assert "Most recent requests come from 127.0.0.1" in browser.get("/status").text


def test_a_declared_proxy_is_none_to_warn_of() -> None:
    config = Config(trusted_proxies=1, public_url="https://chat.example.com")
    assert check_proxy(config, Headers({"X-Forwarded-For": "192.0.2.1"}), None).state == "ok"
    assert check_proxy(Config(), Headers(), PROXY).state == "warn"
