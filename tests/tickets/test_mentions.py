"""Colleagues who are mentioned in notes: completed, marked, and told until they have read it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.rendering.markup import MOST_BLOCKS, with_mentions
from tests.cast import Agent
from tests.web import Browser, Web

BOB = '<bdi class="mention" data-mention="b">{}</bdi>'


@pytest.fixture
def desk(web: Web, alice: Agent) -> Browser:
    """Alice's browser; ticket 1001 is hers, of Vera."""
    web.customer("Help me", customer_name="Vera Lindt")
    return web.agent("alice")


def marked(text: str, *names: str) -> str:
    return str(with_mentions(text, dict.fromkeys(names or ("@Bob Ortiz",), "b")))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("@Bob Ortiz, look", BOB.format("@Bob Ortiz") + ", look"),
        ("**see @Bob Ortiz**", f"<strong>see {BOB.format('@Bob Ortiz')}</strong>"),
        ("`@Bob Ortiz`", "<code>@Bob Ortiz</code>"),
        ("<b>@Bob Ortiz</b>", f"&lt;b&gt;{BOB.format('@Bob Ortiz')}&lt;/b&gt;"),
        ("Nobody", "Nobody"),
    ],
)
def test_a_mention_is_marked_among_everything_else(text: str, html: str) -> None:
    assert marked(text) == html


def test_a_mention_with_an_address_is_no_link_and_the_longest_spelling_counts() -> None:
    html = marked("@Bob (bob@example.com)", "@Bob", "@Bob (bob@example.com)")
    assert html == BOB.format("@Bob (bob@example.com)")


def test_an_address_beside_a_mention_is_a_link() -> None:
    assert marked("@Bob Ortiz https://example.com").endswith(">https://example.com</a>")


def test_a_note_of_very_many_lines_is_shown_without_marks() -> None:
    assert "mention" not in marked("- @Bob Ortiz\n" * (MOST_BLOCKS + 1))


def test_colleagues_are_completed_with_what_the_list_shows(desk: Browser) -> None:
    [bob] = desk.get("/tickets/mentions?q=ortiz").json  # type: ignore[misc]
    assert bob | {"hue": 0} == {
        "name": "Bob Ortiz",
        "email": "",
        "written": "Bob Ortiz",
        "initials": "BO",
        "hue": 0,
        "picture": "",
    }


def test_only_a_note_opens_the_list(desk: Browser) -> None:
    page = desk.get("/agent?ticket=1001").text
    assert page.count(' keys="@"') == 1
    note = page.index('id="note"')
    assert page.index(' keys="@"') < note < page.index("</text-expander>", note)


@pytest.mark.parametrize("htmx", [True, False])
def test_a_name_typed_in_full_mentions_with_and_without_scripts(desk: Browser, web: Web, htmx: bool) -> None:
    desk.post("/tickets/1001/notes", htmx=htmx, message="Please, @bob ortiz")
    assert re.search(
        r'<bdi class="mention" data-mention="[0-9a-f-]{36}">@bob ortiz</bdi>', desk.get("/agent?ticket=1001").text
    )
    assert row_in(web.agent("bob").get("/agent?view=all").text).count("hidden") < row_in(desk.get("/agent").text).count(
        "hidden"
    )


def row_in(page: str) -> str:
    return page[page.index("data-mention-mark") :].split(">", 1)[0]


def test_the_own_view_begins_with_tickets_that_mention_the_agent_until_they_have_read_it(
    desk: Browser, web: Web
) -> None:
    bob = web.agent("bob")
    group = 'id="queue-mentioned"'
    assert "hidden" in bob.get("/agent").text.split(group)[1].split(">")[0]
    desk.post("/tickets/1001/notes", htmx=True, message="@Bob Ortiz")
    shown = bob.get("/agent").text.split(group)[1]
    assert "hidden" not in shown.split(">")[0]
    assert "Vera Lindt" in shown.split("</section>")[0]
    assert bob.post("/tickets/1001/mentions", note="1").status_code == 204
    assert "hidden" in bob.get("/agent").text.split(group)[1].split(">")[0]


def test_a_saved_reply_in_a_note_mentions_and_one_in_a_reply_does_not(desk: Browser, rows: Any) -> None:
    desk.post("/replies", name="Ask Bob", message="@Bob Ortiz can you look?", whose="mine")
    [reply] = desk.get("/tickets/1001/replies?q=Ask").json  # type: ignore[misc]
    desk.post("/tickets/1001/messages", htmx=True, message=reply["text"])
    assert rows("select count(*) from note_mentions") == [(0,)]
    desk.post("/tickets/1001/notes", htmx=True, message=reply["text"])
    assert rows("select written from note_mentions") == [(["@Bob Ortiz"],)]


def test_a_mention_of_a_ticket_that_is_not_there_is_refused(desk: Browser) -> None:
    assert desk.post("/tickets/9999/mentions", note="1").status_code == 404
