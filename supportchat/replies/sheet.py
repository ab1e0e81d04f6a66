"""Saved replies as a CSV file: `name`, `text`, and `close`, "yes" where the ticket closes once the reply is sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext

from ..database.rows import SavedReply
from ..rendering.sheets import safe_cell, value_of_cell
from ..server.turns import give_way
from ..web.forms import MESSAGE_CHARACTERS
from ..web.text import clean_text
from .forms import NAME_CHARACTERS, clean_name
from .variables import problem_with_names

COLUMNS = ("name", "text", "close")
YES = ("yes", "y", "true", "1", "x")
MOST_BYTES = 1024 * 1024
MOST_ROWS = 500
MOST_COLUMNS = 100  # nobody looks at more
MOST_PROBLEMS = 10


class SheetRefusedError(Exception):
    """A file from which nothing was taken, and why: a sentence for each line that is wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__(problems[0])
        self.problems = problems


def written(replies: list[SavedReply]) -> str:
    """Return the text of a file with these replies."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL)
    lines.writerow(COLUMNS)
    for reply in replies:
        cells = (reply["name"], reply["message"], "yes" if reply["close_after"] else "")
        lines.writerow([safe_cell(cell) for cell in cells])
        give_way()
    return "\ufeff" + text.getvalue()  # by which Excel knows that it is UTF-8


def read(content: bytes) -> list[dict[str, Any]]:
    """Return the replies of a file, as `import_replies` takes them.

    :raise SheetRefusedError: when one line of it cannot be taken.
    """
    if len(content) > MOST_BYTES:
        raise SheetRefusedError(gettext("This file is larger than %(megabytes)s MB. Split it.", megabytes=1))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SheetRefusedError(gettext("This file is not in UTF-8. Save it as “CSV UTF-8”.")) from error
    replies, problems, names = list[dict[str, Any]](), list[str](), dict[str, int]()
    for number, cells in _lines(text):
        reply, problem = _reply(cells)
        before = names.setdefault(reply["name"].lower(), number)
        if not problem and before != number:
            problem = gettext("Line %(number)s already has this name.", number=before)
        if problem:
            problems.append(gettext("Line %(number)s: %(problem)s", number=number, problem=problem))
        replies.append(reply)
        if len(replies) > MOST_ROWS or len(problems) > MOST_PROBLEMS:
            break
    if len(replies) > MOST_ROWS:
        problems.insert(0, gettext("This file has more than %(count)s replies. Split it.", count=MOST_ROWS))
    elif not replies:
        problems.append(gettext("There are no replies in this file."))
    if problems:
        raise SheetRefusedError(*problems[:MOST_PROBLEMS])
    return replies


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield what stands in each line by its column, with the number of the line where it ends."""
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip().lower() for name in next(lines, [])[:MOST_COLUMNS]]
        if not {"name", "text"} <= set(columns):
            raise SheetRefusedError(gettext("The first line has to name the columns: name, text, close."))
        for cells in lines:
            if lines.line_num % 50 == 0:
                give_way()
            if any(cell.strip() for cell in cells):
                yield lines.line_num, dict(zip(columns, map(value_of_cell, cells), strict=False))
    except csv.Error as error:
        problem = gettext("This line is not written as CSV.")
        raise SheetRefusedError(
            gettext("Line %(number)s: %(problem)s", number=lines.line_num, problem=problem)
        ) from error


def _reply(cells: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Return a reply, and why it cannot be taken, or ''."""
    name, message = clean_name(cells.get("name")), cells.get("text", "")
    problem = ""
    if not name:
        problem = gettext("The name is missing.")
    elif len(name) > NAME_CHARACTERS:
        problem = gettext("The name has more than %(count)s characters.", count=NAME_CHARACTERS)
    elif len(message) > 2 * MESSAGE_CHARACTERS or len(clean_text(message)) > MESSAGE_CHARACTERS:
        problem = gettext("The text has more than %(count)s characters.", count=MESSAGE_CHARACTERS)
    elif not clean_text(message):
        problem = gettext("The text is missing.")
    else:
        problem = problem_with_names(message)
    closes = cells.get("close", "").strip().lower() in YES
    return {"name": name, "message": "" if problem else clean_text(message), "close_after": closes}, problem
