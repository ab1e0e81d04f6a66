"""The page of the audit log, and the log as a file."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from flask import Flask, render_template

from supportchat.audit.kinds import GROUPS
from supportchat.config import ROOT
from supportchat.rendering.sheets import safe_cell
from tests.cast import Agent
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")

WRITTEN = re.compile(r"_supportchat\.audit\(\s*'([\w.]+)'")


@pytest.fixture
def admin(web: Web) -> Browser:
    return web.agent("carol")


def kinds_in_sql() -> set[str]:
    """Return every kind that the functions write."""
    found = {kind for path in ROOT.glob("sql/functions/*.sql") for kind in WRITTEN.findall(path.read_text())}
    return found | {"customer.erased", "conversation.erased"}  # put together there


def test_every_kind_has_words_and_a_group(app: Flask) -> None:
    assert kinds_in_sql() == {kind for kinds in GROUPS.values() for kind in kinds}
    with app.test_request_context():
        for kind in kinds_in_sql():
            row = {"kind": kind, "about": {"role": "lead", "from": "agent", "to": "lead", "number": 1}, "person": None}
            assert "data-unworded" not in render_template("audit/_what.html", row=row), kind


def test_the_page_says_who_did_what_to_whom(admin: Browser, carol: Agent, bob: Agent) -> None:
    carol.call("change_person", person_id=bob.id, role="lead")
    carol.call("invite_person", token_hash="a" * 64, email="<b>@example.com")
    page = " ".join(re.sub(r"<[^>]*>", "", admin.get("/audit").text).split())
    assert "Carol Tan carol@example.com Changed the role of Bob Ortiz from Agent to Lead bob@example.com" in page
    assert "Carol Tan carol@example.com Invited &lt;b&gt;@example.com as Agent" in page
    assert "Logged in" in page


def test_the_page_is_filtered_by_kind_and_person(admin: Browser, carol: Agent, bob: Agent) -> None:
    carol.call("change_person", person_id=bob.id, role="lead")
    body = admin.get("/audit?group=people").text.partition("<tbody>")[2]
    assert "Changed the role" in body
    assert "Logged in" not in body
    assert "Logged in" not in admin.get(f"/audit?person={bob.id}").text.partition("<tbody>")[2]
    assert "There is nothing of this kind." in admin.get(f"/audit?person={bob.id}&group=privacy").text


@pytest.mark.parametrize("query", ["person=x", "before=x", "group=x", "before=99999999999999999999", "person=%00"])
def test_a_made_up_address_is_no_fault(admin: Browser, query: str) -> None:
    assert admin.get(f"/audit?{query}").status_code in (200, 422)


def test_there_are_fifty_to_a_page_and_a_link_to_the_older_ones(admin: Browser, rows: Any) -> None:
    rows("insert into audit_log (kind) select 'logout' from generate_series(1, 60)")
    page = admin.get("/audit").text
    assert page.partition("<tbody>")[2].count("<tr>") == 50
    [older] = re.findall(r'href="(/audit\?before=\d+)"', page)
    assert admin.get(older).text.partition("<tbody>")[2].count("<tr>") < 50


def test_the_whole_log_comes_as_csv_and_as_json(admin: Browser, rows: Any) -> None:
    rows("insert into audit_log (kind) select 'logout' from generate_series(1, 1100)")
    table = list(csv.DictReader(io.StringIO(admin.post("/audit/export", format="csv").text)))
    document = json.loads(admin.post("/audit/export", format="json").text)
    # The second file tells of the first, and each of itself.
    assert (len(table), len(document)) == (len(table), len(table) + 1)
    assert len(table) > 1100
    assert [row["id"] for row in document[1:]] == [int(row["id"]) for row in table]
    assert [row["kind"] for row in document[:2]] == ["audit.exported", "audit.exported"]


def test_a_file_has_what_the_page_shows(admin: Browser) -> None:
    table = list(csv.DictReader(io.StringIO(admin.post("/audit/export", format="csv", group="privacy").text)))
    assert [(row["kind"], row["who"]) for row in table] == [("audit.exported", "Carol Tan")]
    assert json.loads(admin.post("/audit/export", format="json", group="people", person="0" * 32).text) == []
    assert admin.post("/audit/export", format="exe").status_code == 422


def test_who_takes_the_name_of_somebody_else_is_told_from_them(admin: Browser, carol: Agent, bob: Agent) -> None:
    carol.call("change_person", person_id=bob.id, role="lead")
    bob.call("change_name", name="Carol Tan")
    assert "bob@example.com" in admin.get("/audit?group=logins").text.partition("<tbody>")[2]
    [renamed] = json.loads(admin.post("/audit/export", format="json", group="logins", person=bob.id).text)
    assert (renamed["who"], renamed["who_email"], renamed["who_id"]) == ("Carol Tan", "bob@example.com", bob.id)
    table = csv.DictReader(io.StringIO(admin.post("/audit/export", format="csv", group="people", person=bob.id).text))
    row = next(table)
    assert (row["who_id"], row["whom_email"], row["whom_id"]) == (carol.id, "bob@example.com", bob.id)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\uff1d1"])
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("before", [" ", "\u200b", "\u00a0", "\ufeff", "\U000e0020", "'", '"', "“", ' \u200b"'])
def test_no_cell_is_taken_for_a_formula_for_what_stands_before_it(before: str) -> None:
    assert safe_cell(f"{before}=1+1") == f"'{before}=1+1"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a;=2", "a;'=2"),
        ("a, =2", "a,' =2"),
        ('a";"=2', 'a";\'"=2'),
        ("a\n=2;-3", "a\n'=2;'-3"),
        ("\u22122", "'\u22122"),
        ("1-2=3, a@b", "1-2=3, a@b"),
        ('{"from": "a-b", "to": -1}', '{"from": "a-b", "to": -1}'),
    ],
)
def test_no_part_of_a_cell_is_one_where_another_separator_ends_it(text: str, kept: str) -> None:
    assert safe_cell(text) == kept


def test_a_long_cell_without_a_formula_stays_as_it_is() -> None:
    for part in ("; ", " ", ",", '"'):
        assert safe_cell(part * 20_000) == part * 20_000


def test_a_name_that_is_a_formula_is_none_in_the_file(admin: Browser, carol: Agent) -> None:
    carol.call("change_name", name="=HYPERLINK(1)")
    assert ',"\'=HYPERLINK(1)",' in admin.post("/audit/export", format="csv").text
