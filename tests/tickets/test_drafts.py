"""What agents have typed and not sent, as their pages save and show it."""

from __future__ import annotations

import re

import pytest

from tests.cast import Agent
from tests.web import Browser, Web


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """Alice's browser; ticket 1001 is hers."""
    web.customer("Help me", customer_name="Vera Lindt")
    return web.agent("alice")


def boxes(browser: Browser) -> list[str]:
    page = browser.get("/agent?ticket=1001").get_data(as_text=True)
    return re.findall(r"data-text>([^<]*)</textarea>", page)


def test_a_saved_draft_is_in_the_box_on_another_device_and_marked_in_the_queue(desk: Browser, web: Web) -> None:
    desk.post("/tickets/1001/drafts", mode="reply", message="Half <an> answer")
    desk.post("/tickets/1001/drafts", mode="note", message="A thought")
    other = web.agent("alice")
    assert boxes(other) == ["Half &lt;an&gt; answer", "A thought"]
    queue = other.get("/agent").get_data(as_text=True)
    assert re.search(r"data-draft-mark >Draft: <bdi data-draft-text>Half &lt;an&gt; answer", queue)


def test_a_draft_is_shown_to_nobody_else(desk: Browser, web: Web) -> None:
    desk.post("/tickets/1001/drafts", mode="note", message="A thought")
    bob = web.agent("bob")
    assert "A thought" not in bob.get("/agent?view=all&ticket=1001").get_data(as_text=True)
    assert bob.get("/tickets/drafts").json == {"drafts": []}


def test_scripts_are_told_when_a_draft_was_saved(desk: Browser) -> None:
    saved = desk.post("/tickets/1001/drafts", mode="reply", message="Half an answer").json
    assert saved is not None
    draft = {"number": 1001, "mode": "reply", "draft": "Half an answer", "acts": [], **saved}
    assert desk.get("/tickets/drafts").json == {"drafts": [draft]}


def test_sending_without_scripts_empties_the_box_whatever_was_sent(desk: Browser) -> None:
    for mode, resource in (("reply", "messages"), ("note", "notes")):
        desk.post("/tickets/1001/drafts", mode=mode, message="Half an answer")
        assert desk.post(f"/tickets/1001/{resource}", message="Something else").status_code == 303
    assert boxes(desk) == ["", ""]


def test_a_draft_that_cannot_be_kept_is_refused_with_a_sentence(desk: Browser) -> None:
    answer = desk.post("/tickets/1001/drafts", mode="reply", message="x" * 9000)
    assert (answer.status_code, "8,000" in answer.get_data(as_text=True)) == (422, True)
    assert desk.post("/tickets/1001/drafts", mode="letter", message="x").status_code == 422
    assert desk.post("/tickets/9/drafts", mode="reply", message="x").status_code == 404
