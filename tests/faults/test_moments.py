"""Moments that faults have brought to light, each by itself."""

from __future__ import annotations

import pytest
from flask import Flask

from supportchat.database import Database, Unavailable
from supportchat.database.postgres import PostgresDatabase
from supportchat.realtime.connection import RESTART, Connection
from supportchat.realtime.conversation import Conversation
from supportchat.realtime.hub import Hub
from supportchat.realtime.register import Register
from tests.cast import Cast


def test_a_call_of_a_process_that_has_given_its_connections_back_can_be_repeated_elsewhere(
    database_url: str,
) -> None:
    door = PostgresDatabase(database_url)
    door.call("list_agents")
    door.close()
    with pytest.raises(Unavailable):
        door.call("list_agents")


def test_a_sweep_may_come_before_the_first_page_of_a_conversation_has_joined(
    app: Flask, cast: Cast, database: Database
) -> None:
    session_id = cast.visitor().start()["session_id"]
    conversation = Conversation(session_id, database, app.extensions["fragments"], Register())
    (state,) = database.call("conversations", session_ids=[session_id])
    conversation.compare(state)
    assert conversation.state is None


def test_a_page_that_reaches_a_process_as_it_stops_is_sent_to_another(app: Flask) -> None:
    hub: Hub = app.extensions["hub"]
    hub.is_stopping = True
    page = Connection()
    assert not hub.add(page)
    assert page.close_code == RESTART
