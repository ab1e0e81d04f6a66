"""The colour of a site: whatever is chosen, what is written on it can be read, in both themes."""

from __future__ import annotations

import itertools
import re

import pytest

from supportchat.config import ROOT
from supportchat.sites.look import (
    CONTROL_CONTRAST,
    GROUNDS,
    OWN,
    TEXT_CONTRAST,
    WHITE,
    contrast,
    is_readable,
    look_class,
    look_name,
    nearest,
    preview_stylesheet,
    stylesheet,
    tokens,
)

CHANNELS = range(0, 256, 51)
COLOURS = ["#" + bytes(channels).hex() for channels in itertools.product(CHANNELS, repeat=3)]


def tokens_of_desk() -> dict[str, dict[str, str]]:
    text = (ROOT / "static/css/tokens.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): ([^;]+);", block)) for block in text.split(":root {")[1:3])
    return {"light": light, "dark": light | dark}


def test_contrast_is_what_the_guideline_says() -> None:
    assert contrast("#000000", WHITE) == pytest.approx(21)
    assert contrast("#777777", WHITE) == pytest.approx(4.48, abs=0.005)


def test_grounds_are_those_of_the_page() -> None:
    for theme, values in tokens_of_desk().items():
        assert GROUNDS[theme] == (values["background"], values["surface"], values["raised"])


def test_the_nearest_colour_passes_and_one_that_passes_stays() -> None:
    for colour in COLOURS:
        assert is_readable(nearest(colour)), colour
        if is_readable(colour):
            assert nearest(colour) == colour
        else:  # and no lighter one would do
            assert contrast(WHITE, nearest(colour)) < TEXT_CONTRAST + 0.1, colour


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_whatever_colour_is_chosen_text_and_controls_can_be_read(theme: str) -> None:
    page = tokens_of_desk()[theme]
    for colour in COLOURS:
        made = tokens(nearest(colour), theme)
        assert contrast(made["on-accent"], made["accent"]) >= TEXT_CONTRAST, colour
        assert min(contrast(made["accent"], ground) for ground in GROUNDS[theme]) >= CONTROL_CONTRAST, colour
        for ground in ("accent-soft", "mine"):
            for ink in (page["ink"], page["muted"], made["accent-ink"]):
                assert contrast(ink, made[ground]) >= TEXT_CONTRAST, (colour, ground)
        for ground in (*GROUNDS[theme], page["sunken"]):
            assert contrast(made["accent-ink"], ground) >= TEXT_CONTRAST, colour


def test_a_stylesheet_sets_the_tokens_of_its_class_and_nothing_else() -> None:
    rules = stylesheet("#8c4126")
    assert set(re.findall(r"([^{}]*)\{--", rules)) == {".look-8c4126"}
    names = set(re.findall(r"--([\w-]+):", rules))
    assert (
        names == {"accent", "on-accent", "accent-soft", "mine", "accent-ink", "halo"} <= set(tokens_of_desk()["light"])
    )
    assert look_name("#8c4126") != look_name("#8c4127")
    assert (look_class(OWN), look_class("#8c4126")) == ("", "look-8c4126")


def test_a_preview_has_both_themes_whatever_that_of_the_browser_is() -> None:
    rules = preview_stylesheet("#8c4126")
    for theme, values in tokens_of_desk().items():
        [block] = re.findall(rf"\.preview-{theme}\.look-8c4126\{{(.*?)\}}", rules)
        shown = dict(re.findall(r"--([\w-]+): ?([^;]+);", block))
        assert shown["background"] == values["background"]
        assert shown["accent"] == tokens("#8c4126", theme)["accent"]
