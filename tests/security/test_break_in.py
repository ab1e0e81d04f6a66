"""What was tried in a second break-in: the tables of docs/security.md name each by its row."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import psycopg
import pytest
from flask import Flask

from supportchat.agents import passwords
from supportchat.agents.helpers import Helpers
from supportchat.app import create_app
from supportchat.config import Config
from supportchat.database import Database, DatabaseError, Forbidden, NotFound
from supportchat.web import posting
from supportchat.web.cookies import token_hash
from tests.attacks import browser as attacks
from tests.cast import PASSWORD, Agent, Cast, email_of, new_id
from tests.people.cast import link_for, new_token
from tests.server import Server
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")

BETTER = "plinth gravel 94 tuba"


@contextlib.contextmanager
def uncommitted(database_url: str, statement: str, *arguments: Any) -> Iterator[None]:
    """Have another transaction do something that is committed only after the block."""
    with psycopg.connect(database_url) as other:
        other.execute(statement.encode(), arguments)
        yield


@pytest.fixture
def while_hashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something happen while a password is looked at, which takes a third of a second and waits for its turn."""

    def arrange(happens: Callable[[], object]) -> None:
        ask = passwords.ask_helper

        def asked(name: str, *question: Any, **options: Any) -> Any:
            answer = ask(name, *question, **options)
            if name in ("hash", "verify"):
                happens()
            return answer

        monkeypatch.setattr(passwords, "ask_helper", asked)

    return arrange


# B1: whoever is thrown out changes nothing any more


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/password", {"current": PASSWORD, "password": BETTER}),
        ("/account/two-factor/delete", {"proof": PASSWORD}),
        ("/account/recovery-codes", {"proof": PASSWORD}),
    ],
)
def test_row_b1_a_login_that_is_ended_while_its_password_is_looked_at_changes_nothing(
    web: Web,
    database: Database,
    rows: Any,
    bob: Agent,
    while_hashing: Callable[[Callable[[], object]], None],
    path: str,
    fields: dict[str, str],
) -> None:
    thief = web.agent("bob")
    if "password" not in path:
        bob.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=["c" * 64])
    before = (
        rows("select password_hash, totp_secret from agent_credentials order by 1"),
        rows("select code_hash from recovery_codes"),
    )
    while_hashing(lambda: rows("delete from agent_sessions"))
    answer = thief.post(path, **fields)
    assert (answer.status_code, answer.location) == (303, "/agent/login")
    assert before == (
        rows("select password_hash, totp_secret from agent_credentials order by 1"),
        rows("select code_hash from recovery_codes"),
    )


def test_row_b1_a_password_that_was_changed_meanwhile_is_not_changed_back(bob: Agent, database: Database) -> None:
    bob.come()
    owner = database.call("open_agent_session", agent_id=bob.id, token_hash="0" * 64)
    assert owner is not None
    bob.call("change_password", password_hash="owner's", token_hash="0" * 64, browser="")
    with pytest.raises(NotFound) as refused:
        bob.call("change_password", password_hash="thief's", token_hash=bob.token_hash, browser="")
    assert refused.value.code == "session_ended"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("change_password", {"password_hash": "x", "browser": ""}),
        ("end_agent_sessions", {}),
        ("turn_on_two_factor", {"secret": "A" * 32, "step": 1, "code_hashes": []}),
        ("turn_off_two_factor", {}),
        ("replace_recovery_codes", {"code_hashes": []}),
        ("connect_identity", {"issuer": "i", "subject": "s"}),
        ("disconnect_identity", {"issuer": "i"}),
    ],
)
def test_row_b1_nothing_about_an_account_is_changed_by_a_login_that_has_ended(
    bob: Agent, alice: Agent, function: str, arguments: dict[str, Any]
) -> None:
    for token in ("0" * 64, alice.token_hash, ""):  # ended, or somebody else's
        with pytest.raises(NotFound) as refused:
            bob.call(function, token_hash=token, **arguments)
        assert refused.value.code == "session_ended"


# B2: links of those who may not make any


@pytest.mark.parametrize("kind", ["invitation", "password"])
@pytest.mark.parametrize("act", ["demoted", "disabled", "demoted by hand", "disabled by hand"])
def test_row_b2_a_link_is_worth_nothing_once_who_made_it_may_make_none(
    database: Database, database_url: str, carol: Agent, alice: Agent, rows: Any, kind: str, act: str
) -> None:
    rows("update agents set role = 'admin' where id = %s", alice.id)
    token = token_hash(new_token())
    make = {
        "invitation": ("select invite_person(%s, %s, 'eve@example.com', 'admin')", alice.id, token),
        "password": ("select make_password_link(%s, %s, %s)", alice.id, carol.id, token),
    }[kind]
    acts: dict[str, Callable[[], object]] = {
        "demoted": lambda: carol.call("change_person", person_id=alice.id, role="agent"),
        "disabled": lambda: carol.call("disable_person", person_id=alice.id),
        "demoted by hand": lambda: rows("update agents set role = 'lead' where id = %s", alice.id),
        "disabled by hand": lambda: rows("update agents set is_active = false where id = %s", alice.id),
    }
    with uncommitted(database_url, *make):
        acts[act]()
    assert database.call("show_link", token_hash=token) is None
    with pytest.raises(NotFound):
        database.call("accept_invitation", token_hash=token, name="Eve", password_hash="x")
    with pytest.raises(NotFound):
        database.call("use_password_link", token_hash=token, password_hash="x")
    assert not any(not link["is_over"] for link in carol.call("list_people")["invited"])


def test_row_b2_a_link_for_a_password_does_not_outlive_that_its_owner_was_disabled_by_hand(
    database: Database, carol: Agent, bob: Agent, rows: Any
) -> None:
    token = link_for(carol, "make_password_link", person_id=bob.id).removeprefix("/links/")
    rows("update agents set is_active = false where id = %s", bob.id)
    rows("update agents set is_active = true where id = %s", bob.id)
    assert database.call("show_link", token_hash=token_hash(token)) is None


@pytest.mark.parametrize("act", ["a link", "the command", "disabled"])
def test_row_b3_a_new_password_forgets_in_which_browsers_somebody_is_known(
    database: Database, carol: Agent, bob: Agent, rows: Any, act: str
) -> None:
    database.call("open_agent_session", agent_id=bob.id, token_hash="0" * 64, browser="b" * 64)
    if act == "a link":
        token = link_for(carol, "make_password_link", person_id=bob.id).removeprefix("/links/")
        database.call("use_password_link", token_hash=token_hash(token), password_hash="new")
    elif act == "the command":
        database.call("reset_password", email=email_of("bob"), password_hash="new")
    else:
        carol.call("disable_person", person_id=bob.id)
    assert rows("select count(*) from agent_browsers where agent_id = %s", bob.id) == [(0,)]


# B4: addresses


@pytest.fixture
def behind_proxies(config: Config) -> Callable[[int], Flask]:
    """Makes a desk behind so many proxies."""

    def make(hops: int) -> Flask:
        return create_app(Config(**{**vars(config), "trusted_proxies": hops}))

    return make


@pytest.mark.parametrize("hops", [1, 2])
def test_row_b4_nothing_that_is_sent_as_x_forwarded_for_changes_whose_limits_and_bans_count(
    behind_proxies: Callable[[int], Flask], rows: Any, cast: Cast, hops: int
) -> None:
    cases: list[str] = [
        '"',
        '"1.2.3.4',
        '1.2.3.4, "',
        'a\\"b, "',
        '"1.2.3.4"',
        ",",
        " , ,",
        "é",
        "1.2.3.4, 5.6.7.8",
        '"a", "b',
        "[::1",
        "\t",
    ]
    app = behind_proxies(hops)
    others = "".join(f", 10.0.0.{hop}" for hop in range(1, hops))
    for sent in cases:
        browser = Browser(app)
        headers = {"Origin": "http://localhost", "X-Forwarded-For": f"{sent}, 198.51.100.7{others}"}
        browser.client.get("/chat", headers=headers)
        browser.client.post("/chat", data={"message": "Hi"}, headers=headers)
        assert rows("select address from user_sessions order by created_at desc limit 1") == [("198.51.100.7",)], sent
    assert rows("select count(*) from user_sessions") == [(len(cases),)]
    app.extensions["database"].close()


# B5: an erasure leaves nothing that somebody wrote about a customer


def test_row_b5_what_was_written_about_a_customer_in_a_ban_goes_with_their_chat(
    cast: Cast, alice: Agent, carol: Agent, database: Database, rows: Any
) -> None:
    vera, victor = cast.visitor(), cast.visitor()
    numbers = [
        visitor.start("Hello", address=f"192.0.2.{place}")["number"] for place, visitor in enumerate((vera, victor))
    ]
    for number in numbers:
        carol.call("ban_customer", number=number, what="network", reason="Vera L., drunk again")
        carol.call("close_ticket", number=number)
    carol.call("erase_customer", number=numbers[0])
    carol.call("change_settings", values={"retention_days": 1})
    rows("update tickets set closed_at = now() - interval '9 days'")
    assert database.call("erase_old_chats")["erased"] == 1
    assert rows("select distinct reason from bans") == [("",)]
    assert rows("select count(*) from bans") == [(2,)]


def test_row_b5_a_customer_who_is_named_while_they_are_erased_leaves_nothing(
    cast: Cast, alice: Agent, carol: Agent, database_url: str, rows: Any
) -> None:
    vera = cast.visitor()
    number = vera.start("Hello")["number"]
    done: list[Any] = []
    erase = threading.Thread(target=lambda: done.append(carol.call("erase_customer", number=number, everything=True)))
    identify = "select identify_customer(%s, %s, 'main', 'vera', 'Vera Lindt', 'vera@example.com')"
    with uncommitted(database_url, "select identify_customer('none', %s, 'main', 'vera', 'Vera')", "1" * 64):
        pass  # her account has a row of its own
    with uncommitted(database_url, identify, vera.key, "2" * 64):
        erase.start()
        while not rows(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            pass
    erase.join(10)
    assert done
    assert rows("select count(*) from persons") == rows("select count(*) from person_keys") == [(0,)]
    assert rows("select count(*) from user_sessions where erased_at is null") == [(0,)]


# B6: first messages with links


def test_row_b6_a_chat_that_is_opened_again_with_a_link_before_anybody_has_replied_is_held(
    cast: Cast, alice: Agent, carol: Agent, database: Database
) -> None:
    carol.call("change_settings", values={"hold_links": "on"})
    spammer = cast.visitor()
    spammer.start("Hi")
    database.call("close_chat", visitor=spammer.key)
    spammer.post("https://evil.example")
    chat = spammer.chat
    assert (chat["status"], chat["queue_position"]) == ("waiting", None)


# B7: rights come first


TICKETS: dict[str, dict[str, Any]] = {
    "ticket_of_agent": {},
    "show_ticket": {},
    "follow_ticket": {"after": 0, "after_note": 0},
    "post_reply": {"client_message_id": new_id(), "message": "x"},
    "add_note": {"client_message_id": new_id(), "note": "x"},
    "record_receipt": {"delivered": 1, "read": 1},
    "signal_typing": {},
    "customer_card": {},
    "close_ticket": {},
    "ban_customer": {"what": "browser"},
    "export_customer": {},
    "preview_erasure": {},
    "erase_customer": {},
}


def test_row_b7_who_has_no_right_does_not_learn_which_tickets_there_are(cast: Cast, alice: Agent, rows: Any) -> None:
    for function in TICKETS:
        number = cast.visitor().start("Hello")["number"]
        rows("delete from role_rights where role = 'agent'")
        said = []
        for asked in (number, number + 1):
            with pytest.raises(DatabaseError) as refused:
                alice.call(function, number=asked, **TICKETS[function])
            said.append((type(refused.value), refused.value.code))
        assert said[0] == said[1]
        assert said[0][0] is Forbidden


def test_row_b10_whoever_has_a_link_does_not_wait_behind_those_who_guess_at_the_same_address(
    web: Web, carol: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Helpers(most=2, most_waiting=1)
    path = link_for(carol, "invite_person", email="lena@example.com")
    monkeypatch.setattr(passwords, "helpers", busy)
    browser = web.visitor()
    with busy._places.place("127.0.0.1"):
        waiting = gevent.spawn(busy.ask, "127.0.0.1", "score", "x", [])
        gevent.sleep(0)
        answer = browser.post(path, name="Lena", password=BETTER)
        assert (answer.status_code, "done" in answer.location) == (303, True)
    waiting.join()
    busy.close()


# B11: the audit log says what happened


def test_row_b11_a_wrong_password_of_somebody_who_is_logged_in_is_no_refused_login(web: Web, rows: Any) -> None:
    web.agent("bob").post("/account/password", current="wrong", password=BETTER)
    assert rows("select about from audit_log where kind = 'login.refused'") == [({"attempts": 1, "where": "account"},)]
    assert "Wrong password, while logged in" in web.agent("carol").get("/audit").text


def test_row_b11_a_change_of_name_is_kept_with_both_names(web: Web, rows: Any) -> None:
    web.agent("bob").post("/account/name", name="Carol Tan")
    assert rows("select about from audit_log where kind = 'name.changed'") == [
        ({"from": "Bob Ortiz", "to": "Carol Tan"},)
    ]
    assert "Bob Ortiz" in web.agent("carol").get("/audit").text


# B12: nothing is offered that is done


def test_row_b12_what_is_banned_already_is_not_offered_to_be_banned(web: Web) -> None:
    web.customer("Buy now")
    carol = web.agent("carol")
    both = carol.get("/agent?ticket=1001").text
    assert ('id="ban-browser"' in both, 'id="ban-network"' in both) == (True, True)
    one = carol.post("/tickets/1001/bans", htmx=True, what="browser", days="7").text
    assert ('id="ban-browser"' in one, 'id="ban-network"' in one) == (False, True)
    none = carol.post("/tickets/1001/bans", htmx=True, what="network", days="7").text
    assert ('id="ban-browser"' in none, 'id="ban-network"' in none, "Ban this customer" in none) == (
        False,
        False,
        False,
    )


# B15: places that one address holds


def test_row_b15_an_address_that_asks_for_sockets_without_end_keeps_nobody_from_opening_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "TIMEOUT", 10.0)  # whoever waited for all of them would wait for 30 seconds and more
    server = Server(config, LIMIT_REQUESTS="16/20")
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        stranger, vera = attacks.Browser(server.url, "127.0.1.9"), attacks.Browser(server.url, "127.0.0.2").start()
        for _ in range(200):
            stack.enter_context(stranger.connect()).sendall(stranger.head("GET", "/x/ws") * 20)
        for _ in range(3):
            stack.enter_context(vera.websocket())


# B16: connections to the database that wait for one lock


def test_row_b16_starts_at_many_addresses_leave_the_database_to_others(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    running: list[str] = []

    def call(function: str, **_: Any) -> None:
        running.append(function)
        at_once.append(len(running))
        gevent.sleep(0.005)
        running.pop()

    monkeypatch.setattr(posting, "call", call)

    def start(address: int) -> None:
        with app.test_request_context(environ_base={"REMOTE_ADDR": f"192.0.2.{address}"}):
            posting.start_chat()

    gevent.joinall([gevent.spawn(start, address) for address in range(20)], raise_error=True)
    assert (len(at_once), max(at_once)) == (20, posting.STARTS_AT_ONCE)
