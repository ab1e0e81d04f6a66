"""The customer card: the shop's own tables, by a function that is the shop's, and may be wrong in any way."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supportchat.config import ROOT
from supportchat.database import Database
from supportchat.database.postgres import PostgresDatabase
from supportchat.identity.card import Card, Cards, Row, card_of, safe_link
from supportchat.web.cookies import token_hash
from tests.cast import Agent, Cast
from tests.conftest import Place
from tests.server import Server
from tests.web import Browser, Web

from .conftest import identify, signed

[EXAMPLE] = re.findall(
    r"```sql\n(begin;\n\ncreate role support_card_reader.*?)```", (ROOT / "docs/identity.md").read_text(), re.DOTALL
)
SHOP = """
create table public.customers (id bigint primary key, company text, plan text, created_at timestamptz);
create table public.orders (number bigint primary key, customer_id bigint);
insert into public.customers values (7, 'Acme GmbH', 'Gold', '2024-05-01'), (8, 'Rival AG', 'Free', '2025-01-01');
insert into public.orders values (1042, 7), (1043, 8);
"""
KEY = "k" * 43


def has_function(rows: Any, body: str, language: str = "sql") -> None:
    """Give the database a card with some body."""
    rows("create schema if not exists supportchat")
    rows(
        "create or replace function supportchat.support_card(ref text) returns jsonb"
        f" language {language} security definer as $card$ {body} $card$"
    )


@pytest.fixture
def vera(database: Database, cast: Cast, site: str, carol: Agent) -> int:
    """The number of the ticket of a customer whom her site has named 7."""
    visitor = cast.visitor()
    number: int = visitor.start("Where is my order?")["number"]
    database.call("identify_customer", visitor=visitor.key, fresh="f" * 64, site=site, sub="7", name="Vera")
    return number


def card(database: Database, agent: Agent, number: int) -> Card | None:
    """Ask for a card as a process does that has asked for none yet."""
    return Cards(database).get(agent.id, number)


@pytest.mark.mode("postgres")
def test_the_example_of_the_document_shows_the_customers_orders_and_reads_only(
    place: Place, database: Database, alice: Agent, vera: int, rows: Any, cluster: str, web: Web
) -> None:
    name = re.search(r"dbname=(\w+)", place.conninfo)
    assert name
    conninfo = make_conninfo(cluster, dbname=name[1])
    example = EXAMPLE.replace("create role support_card_reader nologin;", "").replace("service_role", "supportchat")
    with psycopg.connect(conninfo, autocommit=True) as superuser:
        superuser.execute(SHOP)
        superuser.execute("drop role if exists support_card_reader")
        superuser.execute("create role support_card_reader nologin")
        superuser.execute(example)
        try:
            assert database.call("check_card") == {"owner": "support_card_reader", "reads_only": True, "is_open": False}
            shown = card(database, alice, vera)
            assert shown is not None
            assert (shown.title, shown.badge, shown.error) == ("Acme GmbH", "Gold", "")
            assert ("Orders", "1", "") in shown.rows
            assert shown.link
            assert "1042" in web.agent("alice").get(f"/tickets/{vera}/card").text
            assert "which only reads" in web.agent("carol").get("/status").text
        finally:
            superuser.execute("drop schema supportchat cascade")
            superuser.execute("drop owned by support_card_reader")
            superuser.execute("drop role support_card_reader")


@pytest.mark.mode("postgres")
def test_a_card_is_asked_for_only_by_a_name_that_the_site_has_signed(
    database: Database, cast: Cast, alice: Agent, vera: int, rows: Any, carol: Agent
) -> None:
    has_function(rows, "select jsonb_build_object('title', ref)")
    assert card(database, alice, vera) == Card(title="7")
    typed = cast.visitor().start("I am 7", customer_name="7")["number"]
    assert card(database, alice, typed) is None
    carol.call("change_identity", key="main", values={"shows_card": False})
    assert card(database, alice, vera) is None


@pytest.mark.mode("postgres")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("select pg_sleep(30); select '{}'::jsonb", "slow"),
        ("select to_jsonb(repeat('x', 10000000))", "large"),
        ("select jsonb_agg(n) from generate_series(1, 100000) as n", "large"),
        ("select to_jsonb(1 / (ascii(ref) - ascii('7')))", "failed"),
        ("create table public.mine (id int); select '{}'::jsonb", "failed"),
        ("delete from public.chat_messages; select '{}'::jsonb", "failed"),
        ("select x from public.packed", "large"),
        ("select jsonb_build_object('title', repeat('9', 5000)::numeric)", "shape"),
        ("select (repeat('[', 3000) || repeat(']', 3000))::jsonb", "shape"),
        ("select '[]'::jsonb", "shape"),
        ("select to_jsonb(7)", "shape"),
    ],
)
def test_a_card_that_goes_wrong_says_so_and_the_desk_goes_on(
    body: str, error: str, database: Database, alice: Agent, vera: int, rows: Any
) -> None:
    rows("create table public.packed as select to_jsonb(repeat('x', 100000)) as x")
    has_function(rows, f"set local check_function_bodies = off; {body}" if "mine" in body else body)
    assert card(database, alice, vera) == Card(error=error)
    assert database.call("messages_after", session_id=alice.call("ticket_of_agent", number=vera)["session_id"], after=0)


@pytest.mark.mode("postgres")
@pytest.mark.parametrize(
    "body",
    [
        "set statement_timeout = 0",
        "set default_transaction_read_only = on",
        "set search_path = evil",
        "set lock_timeout = '1ms'",
        "perform set_config('transaction_read_only', 'off', true); delete from public.chat_messages",
        "notify supportchat, 'forged'",
    ],
)
def test_a_card_leaves_nothing_of_its_own_on_the_connection(
    body: str, place: Place, alice: Agent, vera: int, rows: Any
) -> None:
    has_function(rows, f"begin {body}; return jsonb_build_object('title', 'Mine'); end", "plpgsql")
    database = PostgresDatabase(place.conninfo, size=1)
    database.call("check_table", table="agents")
    names = ("statement_timeout", "default_transaction_read_only", "search_path", "lock_timeout")

    def settings() -> list[str]:
        with database._pool.connection() as connection:
            return [connection.execute(f"show {name}").fetchone()[0] for name in names]  # type: ignore[index]

    before, lines = settings(), rows("select count(*) from chat_messages")
    shown = card(database, alice, vera)
    assert shown in (Card(title="Mine"), Card(error="failed"))
    assert (settings(), rows("select count(*) from chat_messages")) == (before, lines)
    assert shown == Card(title="Mine") or "delete" in body
    database.close()


def test_a_card_that_does_not_let_itself_be_stopped_is_given_up_with_its_connection(
    server: Server, database: Database, alice: Agent, vera: int, rows: Any
) -> None:
    body = "begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end"
    has_function(rows, body, "plpgsql")
    database.call("open_agent_session", agent_id=alice.id, token_hash=token_hash(KEY))
    answer = httpx.get(f"{server.url}/tickets/{vera}/card", headers={"Cookie": f"a={KEY}"})
    assert "The card took too long." in answer.text
    assert "Where is my order?" in httpx.get(f"{server.url}/agent?ticket={vera}", headers={"Cookie": f"a={KEY}"}).text
    running = (
        "select count(*) from pg_stat_activity where strpos(query, 'customer_card') > 0 and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 20
    while rows(running) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.mode("postgres")
def test_a_card_counts_for_a_minute_and_two_are_asked_for_at_a_time(
    database: Database, alice: Agent, vera: int, rows: Any
) -> None:
    has_function(rows, "select jsonb_build_object('title', 'One')")
    cards = Cards(database)
    assert cards.known(vera) is False
    assert cards.get(alice.id, vera) == cards.known(vera) == Card(title="One")
    has_function(rows, "select jsonb_build_object('title', 'Two')")
    assert cards.get(alice.id, vera) == Card(title="One")
    busy = Cards(database)
    for _ in range(2):
        busy._places.acquire()
    assert busy.get(alice.id, vera) == Card(error="busy")


@pytest.mark.mode("supabase")
def test_a_project_shows_a_card_and_stops_a_slow_one(database: Database, alice: Agent, vera: int, rows: Any) -> None:
    has_function(rows, "select jsonb_build_object('title', ref)")
    rows("grant usage on schema supportchat to service_role")
    assert card(database, alice, vera) == Card(title="7")
    has_function(rows, "select '{}'::jsonb from (select pg_sleep(30)) as late")
    assert card(database, alice, vera) == Card(error="slow")


@pytest.mark.mode("postgres")
def test_an_owner_who_may_write_is_warned_about(web: Web, rows: Any) -> None:
    has_function(rows, "select '{}'::jsonb")
    assert "which may write" in web.agent("carol").get("/status").text


def test_a_card_is_made_of_few_things_and_nothing_of_it_is_html() -> None:
    link = "https://shop.example/orders/7"
    given = {
        "title": "A" * 999,
        "badge": ["x"],
        "html": "<script>",
        "rows": [
            {"label": "Orders", "value": 12, "link": link},
            {"label": "Bad", "value": "x", "link": "javascript:alert(1)"},
            {"label": "", "value": "nameless"},
            {"label": "Deep", "value": {"a": [1]}},
            "no row",
            *[{"label": "More", "value": n} for n in range(99)],
        ],
        "link": {"label": "Open", "url": link},
    }
    made = card_of(given)
    assert made is not None
    assert (made.title, made.badge, made.link) == ("A" * 80, "", Row("Open", "Open", link))
    assert made.rows[:2] == (Row("Orders", "12", link), Row("Bad", "x", ""))
    assert len(made.rows) == 17
    assert card_of({"rows": 7, "link": []}) == Card()
    assert card_of(None) is None


@pytest.mark.parametrize(
    "address",
    [
        *(
            "javascript:alert(1)",
            "http://shop.example",
            "//shop.example",
            "https://",
            "https://a@b",
            "data:text/html,x",
        ),
        *("https://shop.example\\@evil.example", "https://sh\u200bop.example", "https://x/" + "y" * 500, 7, None),
        "https://[bad",
    ],
)
def test_no_link_of_a_card_hides_where_it_leads(address: Any) -> None:
    assert safe_link(address) == ""


@pytest.mark.mode("postgres")
def test_what_a_card_says_is_shown_as_text(web: Web, rows: Any, site: str, alice: Agent) -> None:
    evil = "<img src=x onerror=alert(1)>"
    row = f"jsonb_build_array(jsonb_build_object('label', '{evil}', 'value', '{evil}'))"
    body = f"select jsonb_build_object('title', '{evil}', 'rows', {row})"
    has_function(rows, body)
    customer: Browser = web.customer("Hello")
    identify(customer, signed(name=evil, attributes={evil: evil}))
    desk = web.agent("alice")
    for path in ("/tickets/1001/card", "/agent?ticket=1001"):
        page = desk.get(path).text
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page
