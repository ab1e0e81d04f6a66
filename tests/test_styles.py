"""What the styles may ask of a browser."""

from __future__ import annotations

import re

from supportchat.config import ROOT


def test_colours_are_known_to_browsers_from_before_2023() -> None:
    styles = {path.name: path.read_text() for path in (ROOT / "static" / "css").glob("*.css")}
    assert len(styles) > 20
    assert {name for name, text in styles.items() if re.search(r"\b(oklch|color-mix|light-dark)\(", text)} == set()
