"""A Postgres whose owner of the database may call nothing that is meant for operators, as some hosts set it up."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.cast import Agent, Cast
from tests.web import Web

pytestmark = pytest.mark.mode("postgres")

# Each way to learn which server this is: the first that is allowed is taken.
IDENTITY = "^pg_(control_|current_wal|walfile_|is_in_recovery|last_wal)"
REVOKE = """
    do $do$
    declare
        signature regprocedure;
    begin
        for signature in select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~ '{}' loop
            execute format('revoke execute on function %s from public', signature);
        end loop;
    end $do$
"""


def revoke(cluster: str, rows: Any, pattern: str) -> None:
    [[name]] = rows("select current_database()")
    with psycopg.connect(f"{cluster} dbname={name}", autocommit=True) as superuser:
        superuser.execute(REVOKE.format(pattern).encode())


@pytest.mark.parametrize("pattern", ["^pg_control_system$", "^pg_current_wal_lsn$", IDENTITY, f"{IDENTITY}|postmaster"])
def test_a_chat_goes_its_whole_way(
    cast: Cast, alice: Agent, app: Flask, web: Web, cluster: str, rows: Any, pattern: str
) -> None:
    revoke(cluster, rows, pattern)
    assert web.visitor().get("/readyz").status_code == 200
    vera = cast.visitor()
    number = vera.start("Hello")["number"]
    alice.reply(number)
    assert alice.call("ticket_of_agent", number=number)["epoch"] == vera.chat["epoch"]
    assert alice.call("list_tickets", view="all")["rows"]
    assert web.customer("Hello").get("/chat").status_code == 200


def test_a_server_that_does_not_say_who_it_is_is_another_one_after_each_start(
    cluster: str, database_url: str, rows: Any
) -> None:
    def epoch(time_zone: str) -> str:
        with psycopg.connect(database_url, options=f"-c timezone={time_zone}") as session:
            [answer] = session.execute("select database_epoch()").fetchone() or [""]
            return str(answer)

    known = epoch("UTC")
    revoke(cluster, rows, IDENTITY)
    assert epoch("UTC") not in ("", known)
    assert epoch("UTC") == epoch("Asia/Kolkata")
