"""What stands in the place of the reply box when a ticket is not the agent's any more."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.database import Database
from tests.cast import Agent
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """Alice's browser; ticket 1001 is hers, of Vera."""
    web.customer("Help me", customer_name="Vera Lindt")
    return web.agent("alice")


def said(desk: Browser) -> str:
    """Return the words of the box, one space between them."""
    page = desk.get("/tickets/1001/changes").text
    box = re.search(r'<p class="claim__says".*?(?=<div class="claim__kept")', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", box[0]).split()) if box else ""


def test_taken_over(desk: Browser, alice: Agent, bob: Agent) -> None:
    bob.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    assert said(desk) == "Bob took over this ticket. Your text is saved. Take back"


def test_handed_to_somebody_by_another_agent(desk: Browser, cast: Any, alice: Agent, bob: Agent) -> None:
    bob.come()
    cast.agent("carol").call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    assert said(desk) == "Carol handed this ticket over to Bob. Your text is saved. Take back"


def test_handed_over_by_and_to_agents_whose_names_an_older_version_has_not_kept(
    desk: Browser, cast: Any, alice: Agent, bob: Agent, rows: Any
) -> None:
    bob.come()
    cast.agent("carol").call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    rows("update events set detail = detail || '{\"agent\": null}', agent_id = null where kind = 'ticket.assigned'")
    assert said(desk) == "An agent handed this ticket over to an agent. Your text is saved. Take back"


def test_gone_back_to_the_queue_with_the_lease(
    desk: Browser, database: Database, alice: Agent, bob: Agent, rows: Any
) -> None:
    rows("update agents set lease_expires_at = null")
    rows(
        "update server_processes set started_at = now() - interval '1 minute', live_until = now() + interval '1 minute'"
    )
    rows("delete from agent_sessions where agent_id = %s and token_hash = %s", alice.id, alice.token_hash)
    rows("update agent_sessions set last_seen_at = now() - interval '11 minutes'")
    database.call("sweep_assignment")
    assert rows("select status from tickets") == [("waiting",)]
    words = "This ticket went back to the queue while you were offline."
    rows("update agent_sessions set last_seen_at = now()")
    assert said(desk) == f"{words} Your text is saved. Take back"
    bob.come()
    database.call("sweep_assignment")
    assert said(desk) == f"{words} Bob has it now. Your text is saved. Take back"


def test_handed_over_or_returned_by_oneself_is_no_news(desk: Browser, alice: Agent, bob: Agent) -> None:
    bob.come()
    alice.call("assign_ticket", number=1001, assignee_id=bob.id, expected_id=alice.id)
    assert said(desk) == "Assigned to Bob Ortiz Take over"
    bob.call("unassign_ticket", number=1001)
    assert said(desk) in ("Unassigned Claim", "")  # whoever has room gets it


def test_closed_by_whom(web: Web, alice: Agent, bob: Agent) -> None:
    vera, desk = web.customer("Help me"), web.agent("alice")
    alice.call("close_ticket", number=1001)
    assert said(desk) == "You closed this ticket. Reopen it to write to the customer."
    bob.call("reopen_ticket", number=1001)
    bob.call("close_ticket", number=1001)
    assert said(desk) == "Bob closed this ticket. Reopen it to write to the customer."
    alice.call("reopen_ticket", number=1001)
    vera.post("/chat/closure")
    assert said(desk) == "The customer ended this chat. Reopen it to write to the customer."
