"""What the styles may ask of a browser."""

from __future__ import annotations

import re

from supportchat.config import ROOT


def test_colours_are_known_to_browsers_from_before_2023() -> None:
    styles = {path.name: path.read_text() for path in (ROOT / "static" / "css").glob("*.css")}
    assert len(styles) > 20
    assert {name for name, text in styles.items() if re.search(r"\b(oklch|color-mix|light-dark)\(", text)} == set()


def test_styles_have_no_texts() -> None:
    """No catalog would have them: `content` takes texts from attributes of the page."""
    contents = [
        found[1]
        for path in (ROOT / "static" / "css").glob("*.css")
        for found in re.finditer(r"\bcontent:([^;]*)", path.read_text())
    ]
    assert "attr(data-drop-zone)" in "".join(contents)
    assert [text for text in contents if re.search(r"\"[^\"]*[^\W\d_]", text)] == []


def test_every_page_beside_the_rail_has_the_same_frame() -> None:
    with_rail = {
        path.relative_to(ROOT / "templates").as_posix()
        for path in (ROOT / "templates").rglob("*.html")
        if '"agents/_rail.html"' in path.read_text()
    }
    assert with_rail == {"agents/_page.html", "agents/desk.html"}
