"""Who can log in when a desk starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supportchat.config import Config
from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from supportchat.server.beginning import offer_setup, prepare_people
from tests.postgres import COPY
from tests.variants import first

pytestmark = pytest.mark.mode("postgres")

HERE = Config(demo=True)
PUBLIC = Config(public_url="https://chat.example.com")


@pytest.fixture(scope="session")
def unused(cluster: str) -> str:
    """The name of a desk's database that nobody has used, to be copied."""
    with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as connection:
        connection.execute("create database unused owner supportchat")
    migrate(make_conninfo(cluster, user="supportchat", dbname="unused"))
    return "unused"


@pytest.fixture
def new_database(cluster: str, unused: str) -> Iterator[PostgresDatabase]:
    """A desk that nobody has used."""
    with psycopg.connect(f"{cluster} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"create database beginning template {unused} owner supportchat {COPY}".encode())
        door = PostgresDatabase(make_conninfo(cluster, user="supportchat", dbname="beginning"))
        yield door
        door.close()
        connection.execute(sql.SQL("drop database beginning with (force)"))


def names(database: PostgresDatabase) -> list[str]:
    return [agent["name"] for agent in database.call("list_agents")]


def test_a_desk_of_ones_own_has_demo_accounts_and_no_setup(
    new_database: PostgresDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_people(new_database, HERE)
    assert names(new_database) == ["Alice Kern", "Ben Ortiz", "Carol Tan"]
    assert capsys.readouterr().out.count("@example.com") == 3
    assert offer_setup(new_database) == ""


@pytest.mark.parametrize("config", first([PUBLIC, Config(demo=False)]))
def test_without_them_each_start_offers_another_setup(new_database: PostgresDatabase, config: Config) -> None:
    prepare_people(new_database, config)
    assert names(new_database) == []
    links = [offer_setup(new_database) for _ in range(2)]
    assert links[0] != links[1]
    assert [link.startswith("/links/") for link in links] == [True, True]


@pytest.mark.parametrize("public", [PUBLIC, replace(PUBLIC, public_url="", host="0.0.0.0")])
def test_a_desk_that_others_can_reach_by_now_closes_its_demo_accounts_and_offers_the_setup(
    new_database: PostgresDatabase, capsys: pytest.CaptureFixture[str], public: Config
) -> None:
    prepare_people(new_database, HERE)
    prepare_people(new_database, public)
    assert names(new_database) == []
    assert "alice@example.com, ben@example.com, carol@example.com" in capsys.readouterr().out
    assert offer_setup(new_database) != ""
    prepare_people(new_database, HERE)  # where it was before
    assert names(new_database) == []


def test_a_demo_admin_with_a_password_of_their_own_stays(new_database: PostgresDatabase) -> None:
    prepare_people(new_database, HERE)
    new_database.call("reset_password", email="carol@example.com", password_hash="x")
    prepare_people(new_database, PUBLIC)
    assert names(new_database) == ["Carol Tan"]
    assert offer_setup(new_database) == ""


def test_the_demo_accounts_of_an_earlier_version_are_known_by_the_password_that_was_printed(
    new_database: PostgresDatabase, cluster: str
) -> None:
    conninfo: Any = make_conninfo(cluster, user="supportchat", dbname="beginning")
    prepare_people(new_database, HERE)
    with psycopg.connect(conninfo) as connection:
        connection.execute("alter table agents drop column is_demo")
        connection.execute(
            "update agent_credentials set changed_at = now() where agent_id ="
            " (select id from agents where name = 'Ben Ortiz')"
        )
        connection.execute("delete from schema_scripts where name = 'supabase_schema.sql'")
    migrate(conninfo)
    prepare_people(new_database, PUBLIC)
    assert names(new_database) == ["Ben Ortiz"]
