"""Who does something too often is told to wait, and loses nothing by it."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import gevent
import psutil
import psycopg
import pytest
from PIL import Image

from supportchat.agents import passwords
from supportchat.agents.helpers import Helpers
from supportchat.config import Config, ConfigError
from supportchat.database import Database, TooFast
from supportchat.realtime.allowance import Allowance, Hellos, OpenPages
from supportchat.realtime.connection import Connection
from supportchat.server.buckets import Buckets, Limit
from supportchat.server.connections import network_of
from supportchat.server.memory import give_memory_back
from supportchat.server.places import Full, Places
from supportchat.web.limits import KnownBrowsers
from supportchat.web.sentences import in_words
from tests.cast import PASSWORD, Cast, new_id
from tests.web import Browser, Web


@pytest.fixture
def config(config: Config) -> Config:
    """A desk where everything is too fast after a few, for a day."""
    return replace(
        config,
        limit_typing=Limit(2, 86400),
        limit_receipts=Limit(2, 86400),
        limit_logins=Limit(2, 86400),
        limit_starts=Limit(2, 86400),
        limit_messages=Limit(4, 86400),
        limit_pictures=Limit(1, 86400),
        limit_logins_per_address=Limit(4, 86400),
        limit_starts_per_address=Limit(3, 86400),
    )


def test_messages_that_come_too_fast_are_refused_with_when_to_try_again(web: Web, rows: Any) -> None:
    browser, once = web.customer(), new_id()
    for _ in range(4):
        assert browser.post("/chat/messages", htmx=True, message="On time").status_code == 200
    for htmx in (False, True):
        answer = browser.post("/chat/messages", htmx=htmx, message="Too fast", client_message_id=once)
        page = answer.get_data(as_text=True)
        assert answer.status_code == 429
        assert 21_000 < int(answer.headers["Retry-After"]) <= 21_601
        assert "You are sending messages too fast. Try again in 360 minutes." in page
        assert htmx or ("Too fast" in page and once in page)
    assert rows("select count(*) from chat_messages where message = 'Too fast'") == [(0,)]
    assert web.visitor().post("/chat", message="Somebody else").status_code == 303


@pytest.mark.mode("postgres")
def test_an_agent_who_writes_too_fast_is_told_so(web: Web, cast: Cast) -> None:
    cast.agent("alice").come()
    cast.visitor().start()
    browser = web.agent("alice")
    for path in ("messages", "notes", "messages", "notes", "messages"):
        answer = browser.post(f"/tickets/1001/{path}", htmx=True, message="Hello", client_message_id=new_id())
    assert answer.status_code == 429
    assert browser.post("/tickets/1001/messages", message="Kept").get_data(as_text=True).count("Kept") == 1


@pytest.mark.mode("postgres")
def test_typing_and_receipts_have_their_limit_on_both_sides(web: Web, cast: Cast) -> None:
    cast.agent("alice").come()
    customer, agent = web.customer(), web.agent("alice")
    for browser, path in ((customer, "/chat"), (agent, "/tickets/1001")):
        for act in ("typing", "receipts"):
            statuses = [browser.post(f"{path}/{act}", read="1").status_code for _ in range(3)]
            assert statuses == [204, 204, 429]


@pytest.mark.mode("postgres")
def test_a_picture_too_many_is_refused_before_it_is_drawn(web: Web, rows: Any) -> None:
    browser = web.customer()
    statuses = [browser.post("/chat/messages", message="Look", image=(png(), "a.png")).status_code for _ in range(2)]
    assert statuses == [303, 429]
    assert rows("select count(*) from chat_images") == [(1,)]


@pytest.mark.mode("postgres")
def test_keys_that_are_made_up_count_for_their_address_and_lock_out_nobody_who_is_known(web: Web) -> None:
    vera = web.customer()
    statuses = []
    for number in range(21):
        stranger = web.visitor()
        stranger.client.set_cookie("c", f"{number:043}")
        statuses.append(stranger.post("/chat/messages", htmx=True, message="x").status_code)
    assert statuses == [*[404] * 19, 429, 429]  # five times four, of which vera's first message was one
    assert vera.post("/chat/messages", htmx=True, message="Hello").status_code == 200


def test_known_browsers_take_no_more_memory_when_there_are_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.web.limits.PLACES", 2)
    known = KnownBrowsers()
    assert not any(key in known for key in ("", "a"))
    for number in range(10):
        known.add(str(number))
    assert sum(str(number) in known for number in range(10)) <= 2
    assert "9" in known


def test_open_pages_are_counted_by_browser_and_of_customers_by_address() -> None:
    pages = OpenPages(Allowance(per_viewer=2, per_address=3))
    browsers = [Connection(token_hash=key, address="127.0.0.1") for key in ("a", "a", "a", "b", "c")]
    assert [pages.enter(page) for page in browsers] == [True, True, False, True, False]
    assert all(pages.enter(Connection(agent_id=f"{n}", address="127.0.0.1")) for n in range(9))
    pages.leave(browsers[0])
    assert pages.enter(browsers[4])


def test_the_hellos_of_one_browser_take_turns_over_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    hellos, waits = Hellos(Limit(2, 60)), list[int]()
    pages = [Connection(token_hash="a") for _ in range(3)]

    def sleep(seconds: float) -> None:
        waits.append(round(seconds))
        pages[2].close(1013)

    monkeypatch.setattr("gevent.sleep", sleep)
    for page in (*pages, Connection(token_hash="b")):
        hellos.wait(page)
    assert waits == [30]


def png() -> io.BytesIO:
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(content, "PNG")
    content.seek(0)
    return content


def test_a_browser_that_starts_chats_without_end_is_told_to_wait(web: Web, rows: Any) -> None:
    browser = web.customer("Hello")
    for _ in range(2):
        browser.post("/chat/closure")
        assert browser.post("/chat", message="Once more").status_code == 303
    browser.post("/chat/closure")
    answer = browser.post("/chat", message="My text", customer_name="Vera", client_message_id=new_id())
    page = answer.get_data(as_text=True)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 40_000) == (429, True)
    assert "Too many chats were just started from here." in page
    assert "My text" in page
    assert 'value="Vera"' in page
    assert rows("select count(*) from tickets") == [(3,)]


def test_an_address_that_starts_chats_without_end_is_told_to_wait_but_nobody_who_is_known_there(
    cast: Cast, database: Database, rows: Any
) -> None:
    limits = {"address": Limit(3, 86400), "browser": Limit(2, 86400)}
    vera, once = cast.visitor(), new_id()
    vera.start("Hello", client_message_id=once, address="192.0.2.1", limits=limits)
    for _ in range(2):
        cast.visitor().start(address="192.0.2.1", limits=limits)
    with pytest.raises(TooFast, match="starts_too_fast") as refused:
        cast.visitor().start(address="192.0.2.1", limits=limits)
    assert 28_000 < refused.value.retry_after <= 28_800
    assert rows("select count(*) from visitors") == [(3,)]
    cast.visitor().start(address="192.0.2.2", limits=limits)
    vera.start("Hello", client_message_id=once, address="192.0.2.1", limits=limits)  # its answer was lost
    vera.start("It still runs", address="192.0.2.1", limits=limits)
    database.call("close_chat", visitor=vera.key)
    vera.start("A new one", address="192.0.2.1", limits=limits)


def test_what_is_counted_in_sql_is_exact_for_all_who_ask_at_once(cast: Cast, rows: Any) -> None:
    def start(_: int) -> bool:
        try:
            cast.visitor().start(address="192.0.2.1", limits={"address": Limit(5, 86400)})
        except TooFast:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(20))) == 5
    assert rows("select count(*) from tickets") == [(5,)]


@pytest.mark.mode("postgres")
def test_a_bucket_fills_again_and_one_that_is_full_is_thrown_away(cast: Cast, rows: Any) -> None:
    limits = {"address": Limit(1, 3600)}
    for number in range(30):
        cast.visitor().start(address=f"192.0.2.{number}", limits=limits)
    assert rows("select count(*) from throttle_buckets") == [(30,)]
    rows("update throttle_buckets set full_at = now() - interval '1 second'")
    for number in range(3):
        cast.visitor().start(address=f"192.0.2.{number}", limits=limits)
    assert rows("select count(*) from throttle_buckets where full_at < now()") == [(0,)]


@pytest.mark.mode("postgres")
def test_two_who_come_back_at_once_do_not_wait_for_each_other_in_a_circle(database_url: str, rows: Any) -> None:
    rows("insert into throttle_buckets select 'x/' || n, now() - interval '1 hour' from generate_series(1, 20) n")
    take = "select _supportchat.take_token('x', %s, '[5, 60]')"

    def take_another(connection: psycopg.Connection[Any], whom: str) -> None:
        connection.execute(take, (whom,))
        connection.commit()

    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other, ThreadPoolExecutor(2) as pool:
        one.execute(take, ("a",))
        other.execute(take, ("b",))
        done = [pool.submit(take_another, one, "15"), pool.submit(take_another, other, "5")]
        assert [both.result(10) for both in done] == [None, None]


@pytest.mark.mode("postgres")
def test_nobody_is_locked_out_because_the_clock_was_set_back(rows: Any) -> None:
    rows("insert into throttle_buckets values ('x/a', now() + interval '1 day')")
    for _ in range(2):
        rows("select _supportchat.take_token('x', 'a', '[2, 60]')")
    with pytest.raises(psycopg.Error, match="x_too_fast"):
        rows("select _supportchat.take_token('x', 'a', '[2, 60]')")


def wrong(browser: Browser, email: str = "alice@example.com") -> Any:
    return browser.post("/agent/login", email=email, password="a guess")


def test_who_guesses_passwords_is_told_to_wait_before_another_is_looked_at(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = web.visitor()
    browser.get("/agent/login")
    assert [wrong(browser).status_code for _ in range(2)] == [422, 422]
    monkeypatch.setattr(passwords, "ask_helper", lambda *a: pytest.fail("a password was looked at"))
    for password in ("a guess", PASSWORD):
        answer = browser.post("/agent/login", email="ALICE@example.com", password=password)
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 40_000) == (429, True)
        assert "Too many attempts to log in. Try again in 720 minutes." in answer.get_data(as_text=True)
        assert 'value="ALICE@example.com"' in answer.get_data(as_text=True)


def test_an_address_that_guesses_at_many_accounts_is_told_to_wait(web: Web) -> None:
    browser = web.visitor()
    browser.get("/agent/login")
    assert [wrong(browser, f"nobody{n}@example.com").status_code for n in range(5)] == [*[422] * 4, 429]


def test_an_agent_gets_in_from_a_browser_that_knows_them_while_others_guess(web: Web) -> None:
    hers = web.log_in("alice")
    hers.post("/agent/logout")
    stranger = web.visitor()
    stranger.get("/agent/login")
    assert [wrong(stranger).status_code for _ in range(3)] == [422, 429, 429]
    hers.get("/agent/login")
    assert hers.post("/agent/login", email="alice@example.com", password=PASSWORD).status_code == 303
    hers.get("/agent")
    hers.post("/agent/logout")
    hers.get("/agent/login")
    assert [wrong(hers).status_code for _ in range(2)] == [422, 429]  # nor may anybody guess without end there
    assert hers.post("/agent/login", email="bob@example.com", password=PASSWORD).status_code == 303


@pytest.mark.mode("postgres")
def test_who_comes_while_all_hashing_is_busy_is_told_to_come_back(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "helpers", Helpers(most=1, most_waiting=0))
    browser = web.visitor()
    browser.get("/agent/login")
    answer = browser.post("/agent/login", email="alice@example.com", password=PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert "Too many people are logging in right now. Try again in 2 seconds." in answer.get_data(as_text=True)


@pytest.mark.mode("postgres")
def test_during_a_flood_of_logins_a_known_browser_at_the_same_address_gets_in(
    web: Web, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    hers, stranger, busy = web.agent("alice"), web.visitor(), Helpers(most=2, most_waiting=1)
    hers.post("/agent/logout")
    counted = rows("select * from throttle_buckets")
    monkeypatch.setattr(passwords, "helpers", busy)
    login = {"email": "alice@example.com", "password": PASSWORD}
    with busy._places.place("127.0.0.1"):
        waiting = gevent.spawn(busy.ask, "127.0.0.1", "score", "x", [])
        gevent.sleep(0)
        assert stranger.post("/agent/login", **login).status_code == 429
        assert rows("select * from throttle_buckets") == counted  # it was looked at by nobody
        assert hers.post("/agent/login", **login).status_code == 303
    waiting.join()
    busy.close()


def test_whoever_wants_many_places_makes_only_themselves_wait() -> None:
    places, order = Places(2, 1, 2), list[str]()

    def work(group: str) -> None:
        with places.place(group):
            order.append(group)
            gevent.sleep(0.01)

    waiting = [gevent.spawn(work, group) for group in ("a", "a", "a", "a", "b")]
    gevent.joinall(waiting)
    assert order[:2] == ["a", "b"]
    assert [type(work.exception) for work in waiting] == [type(None), type(None), type(None), Full, type(None)]
    assert (dict(places._held), dict(places._waiting)) == ({}, {})


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    """Processes for passwords, which end with the test."""
    made = Helpers(most=1, most_waiting=1)
    yield made
    made.close()


def test_who_guesses_passwords_takes_no_time_from_others(helpers: Helpers) -> None:
    assert helpers.ask("", "score", "correct horse battery staple", []) == 4
    [helper] = helpers._idle
    assert os.getpriority(os.PRIO_PROCESS, helper._pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getsid(helper._pid) == helper._pid  # see put_behind


def test_a_process_for_passwords_that_was_killed_is_replaced(helpers: Helpers) -> None:
    for _ in range(2):
        assert helpers.ask("", "verify", "no hash", "a guess") is False
        os.kill(helpers._idle[0]._pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(helpers._idle[0]._pid)], 1)


def test_a_question_that_has_no_answer_leaves_none_for_the_next_one(helpers: Helpers) -> None:
    with pytest.raises(ConnectionResetError):
        helpers.ask("", "score", None)
    assert helpers.ask("", "score", "", []) == 0


def test_buckets_are_bounded_in_number_and_keep_who_is_being_refused() -> None:
    buckets, limit = Buckets(most=100), Limit(1, 3600)
    for number in range(250):
        assert buckets.take(f"{number}", limit) == 0
        assert len(buckets._full_at) <= 100
    assert buckets.take("249", limit) > 3500
    assert Buckets().take("anybody", Limit(0, 1)) == 0


def test_full_buckets_are_forgotten_when_memory_is_given_back() -> None:
    buckets = Buckets()
    buckets.take("gone", Limit(10**9, 1))
    buckets.take("refused", Limit(1, 3600))
    give_memory_back()
    assert list(buckets._full_at) == ["refused"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("[2001:db8:1:2::3]:80", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::3]", "2001:db8:1:2::/64"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("[fe80::1%eth0]:80", "fe80::/64"),
        ("unknown", "unreadable"),
        ("_hidden:40001", "unreadable"),
        ("192.0.2.1:x", "unreadable"),
        ("x" * 9000, "unreadable"),
        ("", ""),
    ],
)
def test_an_address_stands_for_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_limit_is_set_as_how_many_in_how_many_seconds() -> None:
    config = Config.from_environment({"LIMIT_MESSAGES": "5/10", "LIMIT_STARTS": "0", "LIMIT_TYPING": ""})
    assert (config.limit_messages, config.limit_starts.most) == (Limit(5, 10), 0)
    assert config.limit_typing == Config().limit_typing
    for bad in ("5", "5/0", "0/5", "-1/5", "5/m", "٥/5", "5/10/2"):
        with pytest.raises(ConfigError, match="LIMIT_MESSAGES is"):
            Config.from_environment({"LIMIT_MESSAGES": bad})


def test_limits_can_be_off_on_a_desk_that_only_this_machine_reaches() -> None:
    for host in ("", "127.0.0.1", "::1", "localhost"):
        config = Config.from_environment({"LIMITS": "off", "HOST": host, "LIMIT_TYPING": "5/10"})
        assert (config.connections_per_address, config.limit_logins.most, config.limit_messages.most) == (0, 0, 0)
        assert config.limit_typing == Limit(5, 10)
    assert Config.from_environment({"LIMITS": "on"}) == Config(demo=True)


@pytest.mark.parametrize(
    "environ", [{"HOST": "0.0.0.0"}, {"HOST": "192.0.2.1"}, {"PUBLIC_URL": "https://chat.example.com"}]
)
def test_limits_stay_on_where_others_reach_the_desk(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="LIMITS=off is for measurements on this machine"):
        Config.from_environment({"LIMITS": "off", **environ})


def test_a_switch_that_is_neither_on_nor_off_is_refused() -> None:
    with pytest.raises(ConfigError, match="LIMITS is 'false': set it to on or off"):
        Config.from_environment({"LIMITS": "false"})


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (5, "5 seconds"), (89, "89 seconds"), (90, "2 minutes")]
)
def test_how_long_to_wait_is_written_in_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words
