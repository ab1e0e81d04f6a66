"""What a saved reply leaves open is filled in once, as text, and what stays open is not sent."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from supportchat.database.rows import TicketReplies
from supportchat.replies.variables import filled, problem_with_names, unfilled, values_of

FOUND: TicketReplies = {"number": 1042, "customer_name": "Dr. Vera Lindt", "desk_name": "Halden", "replies": []}
NOBODY: TicketReplies = {**FOUND, "customer_name": None}


@pytest.mark.parametrize(
    ("text", "known", "unknown"),
    [
        ("Hi {{customer.first_name|there}}!", "Hi Vera!", "Hi there!"),
        ("{{ customer.name }}", "Dr. Vera Lindt", "{{ customer.name }}"),
        ("{{customer.name|}}, #{{ticket.number}}", "Dr. Vera Lindt, #1042", ", #1042"),
        ("{{agent.name}} / {{agent.first_name}} of {{desk.name}}",) + ("Alice Kern / Alice of Halden",) * 2,
        *((text,) * 3 for text in ("{{customer.shoe_size}}", "{{7*7}}", "{{first_name}}", "{customer.name}", "{{}}")),
        ("{{order.id}} {{ Customer.Name }} {{order.id|soon}}",) + ("{{order.id?}} {{Customer.Name?}} soon",) * 2,
    ],
)
def test_a_variable_is_filled_or_has_what_stands_behind_the_bar(text: str, known: str, unknown: str) -> None:
    assert filled(text, values_of(FOUND, "Alice Kern")) == known
    assert filled(text, values_of(NOBODY, "Alice Kern")) == unknown


def test_braces_in_a_name_are_no_variable_and_fill_nothing() -> None:
    values = values_of({**FOUND, "customer_name": "{{agent.name}}"}, "Alice Kern")
    assert filled("Hi {{customer.name|there}}", values) == "Hi there"
    assert filled("{{{{customer.name}}}}", values_of({**FOUND, "customer_name": "agent.name"}, "A")) == "{{agent.name}}"


def test_what_is_still_open_is_named_once_each() -> None:
    text = "Hi {{customer.name}}, {{ticket.x}} {{customer.name}} and {{ jinja }} {{7*7}}"
    assert unfilled(text) == ["{{customer.name}}", "{{ticket.x}}"]


def test_what_a_saved_reply_left_open_is_told_from_what_somebody_typed() -> None:
    inserted = filled("It is {{order.id}} or {{ größe.x }}.", values_of(FOUND, "Alice Kern"))
    assert unfilled(inserted) == ["{{order.id?}}", "{{größe.x?}}"]
    assert unfilled("It is {{order.id}} or {{ a.b ? c : d }}, {{ order?.id }}.") == []
    assert filled(inserted, values_of(FOUND, "Alice Kern")) == inserted


def test_names_that_nothing_fills_in_are_named_with_those_that_there_are(lone_app: Flask) -> None:
    with lone_app.test_request_context():
        assert problem_with_names("Hi {{customer.name}}, {{ticket.number|0}} {{7*7}}") == ""
        assert problem_with_names("{{order.id}} {{ customer.nme|you }} {{order.id}} {{order.id?}}") == (
            "Nothing fills in {{order.id}}, {{ customer.nme|you }}, {{order.id?}}. The names are: customer.first_name, "
            "customer.name, ticket.number, agent.first_name, agent.name, desk.name."
        )


@pytest.mark.parametrize(
    "piece",
    ["{{", "{{a.", "{{a.a", "{{a-", "{{a.a?", "{{customer.name|", "{{ customer.name ", "{{customer.", "}}", "{{ \t"],
)
def test_no_text_takes_long_to_fill(piece: str) -> None:
    text = (piece * 8000)[:8000]
    begun = time.process_time()
    filled(text, {})
    unfilled(text)
    assert time.process_time() - begun < 0.1
