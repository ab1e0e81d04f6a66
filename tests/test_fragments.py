"""What is rendered for pages, and how often."""

from __future__ import annotations

from flask import Flask

from supportchat.rendering.fragments import MOST_NEWEST, Fragments
from tests.cast import Cast


def test_a_line_is_rendered_once_for_its_answer_and_the_pages_of_its_side(app: Flask, cast: Cast) -> None:
    vera = cast.visitor()
    vera.start("Hello")
    [line, *_] = vera.lines
    fragments: Fragments = app.extensions["fragments"]
    with fragments.in_language("en"):
        answer = fragments.message("customer", 1001, line)
        assert fragments.message("customer", 1001, line) is answer
        assert fragments.message("agent", 1001, line) != answer
    with fragments.in_language("de"):
        assert fragments.message("customer", 1001, line) is not answer
        for _ in range(2 * MOST_NEWEST):
            fragments.message("customer", 1001, line.copy())
    with fragments.in_language("en"):
        assert fragments.message("customer", 1001, line) is not answer  # it is no longer one of the newest
        assert fragments.message("customer", 1001, line | {"message": "Another"}) != answer


def test_a_name_after_a_dot_is_a_key_of_a_row_first(app: Flask) -> None:
    template = app.jinja_env.from_string("{{ row.items }} {{ row.get('items') }} {{ row.gone.too }}.")
    assert template.render(row={"items": 3}) == "3 3 ."
