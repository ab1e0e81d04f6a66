"""The box of a picture in the conversation, known before it is loaded, so that the layout does not shift."""

from __future__ import annotations

from typing import NamedTuple

WIDEST, HIGHEST = 308, 360
# Anything narrower or lower than this is cropped to its beginning.
LEAST_WIDTH, LEAST_HEIGHT = 120, 64
# The boxes of cropped pictures; pictures.css has the same numbers.
TALL_WIDTH, WIDE_HEIGHT, LINE_HEIGHT = 240, 96, 48


class Box(NamedTuple):
    """Width and height in CSS pixels; crop: 'tall', 'wide' or 'line' when it is cropped to its beginning, else ''."""

    width: int
    height: int
    crop: str


def picture_box(width: int, height: int) -> Box:
    """Return the box for a picture of this size."""
    scale = min(1, WIDEST / width, HIGHEST / height)
    if height > HIGHEST and width * scale < LEAST_WIDTH:
        return Box(min(max(width, LINE_HEIGHT), TALL_WIDTH), HIGHEST, "tall")
    if width > WIDEST and height * scale < LEAST_HEIGHT:
        is_line = height < WIDE_HEIGHT
        return Box(WIDEST, LINE_HEIGHT if is_line else WIDE_HEIGHT, "line" if is_line else "wide")
    return Box(max(1, round(width * scale)), max(1, round(height * scale)), "")
