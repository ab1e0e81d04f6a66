"""Calls that lose against another transaction: through both doors."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database, Unavailable
from supportchat.web.sentences import sentence

pytestmark = pytest.mark.both_modes

LOSING = """
    create sequence attempts;
    grant usage on sequence attempts to public;
    create or replace function public.send_ping(p_nonce text) returns void language plpgsql as $$
    begin
        if nextval('public.attempts') <= {} then
            raise sqlstate '{}';
        end if;
    end $$
"""


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_lost_against_another_transaction_is_run_again(database: Database, rows: Any, state: str) -> None:
    rows(LOSING.format(2, state))
    database.call("send_ping", nonce="n")
    assert rows("select last_value from attempts") == [(3,)]


def test_what_loses_every_time_is_said_in_a_sentence_of_its_own(database: Database, rows: Any) -> None:
    rows(LOSING.format(100, "40001"))
    with pytest.raises(Unavailable, match="changed_meanwhile") as refused:
        database.call("send_ping", nonce="n")
    assert "reach our database" not in sentence(refused.value.code)
    assert rows("select last_value from attempts") == [(3,)]
