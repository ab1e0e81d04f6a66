"""What the web code calls, and what the database has, are the same."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supportchat.config import ROOT
from supportchat.database import FUNCTIONS, REPEATABLE, Database
from tests.cast import Agent, Cast
from tests.conftest import Place


def test_what_stands_in_public_is_what_is_called() -> None:
    code = "".join(path.read_text() for path in (ROOT / "supportchat").rglob("*.py"))
    called = set(re.findall(r'(?:call|store_message|_say)\(\s*(?:database, )?"([a-z_]+)"', code))
    assert len(called) > 30
    assert called <= FUNCTIONS
    assert {name for name in FUNCTIONS if f'"{name}"' not in code} == set()


def test_every_function_is_there_and_gives_up_in_time(database: Database, rows: Any) -> None:
    assert database.call("missing_functions", names=sorted(FUNCTIONS)) == []
    limited = rows("select proname from pg_proc where array_to_string(proconfig, ' ') ~ 'statement_timeout'")
    assert {name for (name,) in limited} == FUNCTIONS
    assert REPEATABLE <= FUNCTIONS


@pytest.mark.mode("postgres")
def test_a_message_of_a_customer_does_not_read_the_whole_conversation(place: Place, cast: Cast, alice: Agent) -> None:
    vera = cast.visitor()
    session_id = vera.start()["session_id"]
    superuser = make_conninfo(place.conninfo, user="postgres")
    with psycopg.connect(superuser) as connection:
        connection.execute("set track_functions = 'all'")
        connection.execute("select public.post_message(%s, %s, gen_random_uuid(), 'Once')", [vera.key, session_id])
        (calls,) = connection.execute(
            "select calls from pg_stat_xact_user_functions where funcname = 'conversation_json'"
        ).fetchone() or (0,)
    assert calls == 0
