"""What people read in HTML: its texts, and the attributes that are shown or read out."""

from __future__ import annotations

from html.parser import HTMLParser

READ_ATTRIBUTES = (
    *("title", "aria-label", "aria-description", "aria-roledescription", "placeholder", "alt", "label", "summary"),
    *("data-ask", "data-ask-text", "data-ask-yes"),
    *("data-drop-zone", "data-printed"),
)
UNREAD_ELEMENTS = ("script", "style", "code", "pre", "svg", "table")  # a table shows rows of the database


class Reader(HTMLParser):
    """Collects the texts of a page in their order, and the attributes that people read."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes of an element."""
        self._unread += tag in UNREAD_ELEMENTS
        values = dict(attrs)
        self.attributes += [value for name in READ_ATTRIBUTES if (value := values.get(name))]
        if tag == "input" and values.get("type") in ("submit", "button") and values.get("value"):
            self.attributes.append(values["value"] or "")

    def handle_endtag(self, tag: str) -> None:
        """Go on behind an element."""
        self._unread -= tag in UNREAD_ELEMENTS

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if not self._unread:
            self.texts.append(data)


def read(html: str) -> Reader:
    """Read some HTML."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader
