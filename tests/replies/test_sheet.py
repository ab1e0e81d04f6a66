"""A file of saved replies: what is taken from it, what is refused by its line, and that no cell is a formula."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask

from supportchat.database.rows import SavedReply
from supportchat.replies.sheet import MOST_BYTES, SheetRefusedError, read, written

FORMULAS = ["=cmd|' /C calc'!A1", "+1", "-2", "@SUM(A1)", "\t=1", '"=1', "a;=1", "Hi,\n-5 EUR", "＝1"]


@pytest.fixture(autouse=True)
def _in_english(lone_app: Flask) -> Any:
    with lone_app.test_request_context():
        yield


def reply(name: str, message: str, *, close_after: bool = False) -> SavedReply:
    return SavedReply(
        id="",
        name=name,
        message=message,
        is_shared=False,
        close_after=close_after,
        snooze=None,
        tags=[],
        has_picture=False,
        uses=0,
    )


def refused(content: bytes) -> tuple[str, ...]:
    with pytest.raises(SheetRefusedError) as error:
        read(content)
    return error.value.problems


def test_what_is_exported_is_imported_as_it_was() -> None:
    replies = [reply("Hello", 'Hi {{customer.name}},\n  "how are you"; all, good?', close_after=True)]
    replies += [reply(f"Formula {number}", text.strip()) for number, text in enumerate(FORMULAS)]
    taken = read(written(replies).encode())
    assert taken == [
        {"name": each["name"], "message": each["message"], "close_after": each["close_after"]} for each in replies
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(written([reply(text.strip(), text.strip())]))))
    assert all(cell == "" or cell[0] not in "=+-@\t" for row in rows[1:] for cell in row)


@pytest.mark.parametrize(
    "content",
    [
        b"name,text\nHello,Hi\n",
        b"\xef\xbb\xbfName;Text;Close\r\nHello;Hi;\r\n",
        b"text\tname\tother\nHi\tHello\tx\n",
        b'"name","text"\n\n"Hello","Hi"\n,\n',
    ],
)
def test_files_of_other_programs_are_understood(content: bytes) -> None:
    assert read(content) == [{"name": "Hello", "message": "Hi", "close_after": False}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "The first line has to name the columns: name, text, close."),
        (b"title,body\na,b\n", "The first line has to name the columns: name, text, close."),
        (b"name,text\n", "There are no replies in this file."),
        (b"name,text\nA,b\n,c\n", "Line 3: The name is missing."),
        (b"name,text\nA,\n", "Line 2: The text is missing."),
        (b"name,text\nA,b\nB,c\na,d\n", "Line 4: Line 2 already has this name."),
        (b"name,text\n" + b"x" * 81 + b",c\n", "Line 2: The name has more than 80 characters."),
        (b"name,text\nA," + b"x" * 8001 + b"\n", "Line 2: The text has more than 8000 characters."),
        (
            b"name,text\nA,b\nB,{{order.id}}\n",
            "Line 3: Nothing fills in {{order.id}}. The names are: customer.first_name, customer.name, ticket.number, "
            "agent.first_name, agent.name, desk.name.",
        ),
        (b'name,text\nA,"b\n', "Line 2: This line is not written as CSV."),
        ("name,text\nA,ü\n".encode("latin-1"), "This file is not in UTF-8. Save it as “CSV UTF-8”."),
        (
            b"name,text\n" + b"".join(b"A%d,b\n" % number for number in range(501)),
            "This file has more than 500 replies. Split it.",
        ),
        (b"x" * (MOST_BYTES + 1), "This file is larger than 1 MB. Split it."),
    ],
)
def test_a_file_with_a_fault_is_refused_and_its_line_named(content: bytes, problem: str) -> None:
    assert refused(content)[0] == problem


def test_every_line_with_a_fault_is_named_up_to_ten() -> None:
    assert len(refused(b"name,text\n" + b",x\n" * 3)) == 3
    assert len(refused(b"name,text\n" + b",x\n" * 30)) == 10
