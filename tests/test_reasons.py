"""Why a ticket waits, in words."""

from __future__ import annotations

import re

import pytest

from supportchat.config import ROOT
from supportchat.database.rows import Reason
from supportchat.rendering.reasons import REASONS, capacity, taken, why_unassigned


def figures(code: str = "about_to_be_assigned", **values: int) -> Reason:
    """Figures as `unassigned_reason` gives them."""
    return Reason(agents=3, here=0, available=0, with_room=0, load=0, places=0, code=code) | values  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (figures("no_agents", agents=0), "there are no agents yet"),
        (figures("nobody_here"), "no agents online"),
        (figures("everybody_away", here=1), "the only online agent is away"),
        (figures("everybody_away", agents=2, here=2), "both agents are away"),
        (figures("everybody_full", available=1), "the only available agent is at the limit"),
        (figures("everybody_full", available=2, load=11, places=10), "both available agents are at their limit"),
        (figures("everybody_full", available=3, load=9, places=9), "all 3 agents are at their limit"),
    ],
)
def test_why_nobody_takes_a_ticket_is_told_in_words(values: Reason, sentence: str) -> None:
    assert why_unassigned(values) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (figures(available=1, load=2, places=3), "1 of 3 agents available · 2 of 3 tickets"),
        (figures(available=2, load=11, places=10), "2 of 3 agents available"),  # one of them still has room
        (figures("everybody_full", available=2, load=11, places=10), "2 of 3 agents available · at their limit"),
        (figures("everybody_full", available=1, agents=1, load=6, places=5), "1 of 1 agent available · at the limit"),
        (figures("nobody_here"), "0 of 3 agents available"),
    ],
)
def test_no_figure_says_that_more_places_are_taken_than_there_are(values: Reason, sentence: str) -> None:
    assert capacity(values) == sentence


def test_who_has_more_than_they_take_gets_no_new_ones() -> None:
    assert [taken(2, 3), taken(3, 3), taken(6, 5)] == [
        "2 of 3 tickets",
        "3 of 3 tickets",
        "6 of 5 tickets, no new ones for now",
    ]


def test_every_reason_that_sql_knows_has_words_and_they_stand_nowhere_else() -> None:
    scripts = "".join(path.read_text() for path in ROOT.glob("sql/functions/*.sql"))
    [cases] = re.findall(r"jsonb_build_object\('code', case\n(.*?)\n    end\)", scripts, re.DOTALL)
    codes = re.findall(r"(?:then|else) '(\w+)'", cases)
    assert len(codes) == 6
    assert set(codes) < set(REASONS)
    places = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("supportchat/**/*.py"), *ROOT.glob("static/js/**/*.js")]
    named = [path.name for path in places if re.search("|".join(codes), path.read_text())]
    assert named == ["reasons.py"]
