"""What must not stand in the source. A mistake of each kind is tried too: no check passes because it sees nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from supportchat.config import ROOT

PYTHON = [*sorted((ROOT / "supportchat").rglob("*.py")), ROOT / "wsgi.py", ROOT / "gunicorn.conf.py"]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = [*sorted((ROOT / "static/js").rglob("*.js")), ROOT / "bundle.js"]

# A word of SQL at the beginning of a text that something is put into.
SQL = re.compile(
    r"^\s*(select\s.*\bfrom\b|insert\s+into|update\s+\S+\s+set|delete\s+from|create\s+(or|table|role|database|function)"
    r"|alter\s+(table|role|default)|drop\s+(table|role|function)|grant\s.*\bto\b|revoke\s.*\bfrom\b|with\s+\w+\s+as\s*\()",
    re.IGNORECASE | re.DOTALL,
)
# Names of ours alone: a script made of the scripts under sql/, which a person runs.
SQL_OF_OUR_NAMES = {"supportchat/database/names.py"}
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
TAG = re.compile(r"<[a-z][^<>]*>")
IN_SCRIPTS = re.compile(
    r"\beval\s*\(|\bnew Function\b|\bFunction\s*\(|\bset(?:Timeout|Interval)\s*\(\s*[\"'`]|\b(?:inner|outer)HTML\b"
    r"|\binsertAdjacentHTML\b|\bdocument\.write|\bDOMParser\b|\bcreateContextualFragment\b|\bsrcdoc\b|javascript:"
    r"|\bsetHTMLUnsafe\b|setAttribute\(\s*[\"'`](?:on|style|src)"
)
SUPPRESSED = re.compile(r"#\s*(?:ruff:\s*)?noqa(?P<codes>:[\s\w,]*?)?(?: - (?P<reason>.+))?$")


def texts_that_are_filled(tree: ast.AST) -> Iterator[str]:
    """Return every text that something is put into: by an f-string, `%`, `+` or `format`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and isinstance(side.value, str):
                    yield side.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            text = node.func.value
            if node.func.attr in ("format", "join") and isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


def sql_in(source: str) -> list[str]:
    """Return the statements of a source that something is put into."""
    return [text for text in texts_that_are_filled(ast.parse(source)) if SQL.match(text)]


def marked_in(source: str) -> list[int]:
    """Return the lines that call `Markup` something that is no text of ours, without a reason."""
    lines = source.splitlines()
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "Markup"
        and not (node.args and isinstance(node.args[0], ast.Constant))
        and "# noqa: S704 - " not in lines[(node.end_lineno or node.lineno) - 1]
    ]


def faults_of(template: str) -> list[str]:
    """Return what no template may have."""
    # What Jinja puts in is one word, wherever it stands.
    plain = JINJA.sub("J", template)
    found = re.findall(r"\|\s*(?:safe|xmlattr)\b|\bautoescape\b|\bMarkup\b", template)
    for tag in TAG.findall(plain):
        found += re.findall(r"\s(on\w+)\s*=", tag)
        found += re.findall(r"\s[\w:@.-]+=(?![\"'])\S*", re.sub(r"\"[^\"]*\"|'[^']*'", '""', tag))
        found += re.findall(r"""(?:href|src|action)=["']\s*(?:javascript|data|vbscript):""", tag, re.IGNORECASE)
    # What admins copy into their own pages is shown, escaped.
    shown = re.sub(r"{% set snippet %}.*?{% endset %}", "", template, flags=re.DOTALL)
    for tag in re.findall(r"<script\b[^>]*>", shown):
        if not re.search(r'nonce="{{ csp_nonce\(\) }}" (async )?src="{{ (asset\(|url_for\(.widget\.script.)', tag):
            found.append(tag)
    return found + re.findall(r"<(?:style|iframe|object|embed|base)\b|\sstyle=", plain)


@pytest.mark.parametrize("source", PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_python_makes_sql_or_html_of_values(source: Path) -> None:
    text, name = source.read_text(), source.relative_to(ROOT).as_posix()
    assert marked_in(text) == []
    if name not in SQL_OF_OUR_NAMES:
        assert sql_in(text) == []


def test_every_line_that_a_check_skips_says_why() -> None:
    for source in PYTHON:
        for number, line in enumerate(source.read_text().splitlines(), 1):
            if found := SUPPRESSED.search(line):
                assert re.match(r": [A-Z]+\d+", found["codes"] or ""), (source, number)
                if re.search(r"\bS\d", found["codes"]):
                    assert found["reason"], (source, number)


def test_no_template_switches_escaping_off_or_runs_anything() -> None:
    assert {path.name: faults for path in TEMPLATES if (faults := faults_of(path.read_text()))} == {}


def test_no_script_makes_code_or_html_of_texts() -> None:
    assert len(SCRIPTS) > 40
    assert {path.name: found for path in SCRIPTS if (found := IN_SCRIPTS.findall(path.read_text()))} == {}


@pytest.mark.parametrize(
    "mistake",
    [
        'f"select * from {table} where id = %s"',
        '"select * from tickets where id = " + number',
        '"delete from %s" % table',
        '"update {} set a = 1".format(table)',
        'f"""\n  with x as (select {a}) delete from t"""',
        '"insert into t values (%s)" % value',
    ],
)
def test_a_statement_that_is_put_together_is_seen(mistake: str) -> None:
    assert sql_in(f"x = {mistake}")


@pytest.mark.parametrize("mistake", ["Markup(text)", "markupsafe.Markup(f'<b>{x}</b>')", "Markup('<b>' + name)"])
def test_html_that_is_made_of_a_variable_is_seen(mistake: str) -> None:
    assert marked_in(mistake) == [1]
    assert marked_in("Markup('<b>{}</b>').format(x)") == []


@pytest.mark.parametrize(
    "mistake",
    [
        "<p>{{ text|safe }}</p>",
        "<p>{{ text | safe }}</p>",
        "{% autoescape false %}",
        "<a href={{ url }}>",
        "<a class=x>",
        '<a onclick="go()">',
        '<a href="javascript:go()">',
        "<script>go()</script>",
        '<script src="https://cdn.example/x.js"></script>',
        "<style>p {}</style>",
        '<p style="color: red">',
        '<iframe src="/x"></iframe>',
        "<p {{ attributes|xmlattr }}>",
    ],
)
def test_a_template_with_a_hole_is_seen(mistake: str) -> None:
    assert faults_of(mistake)


@pytest.mark.parametrize(
    "mistake",
    [
        "eval(text)",
        "new Function(text)",
        "node.innerHTML = text",
        "node.insertAdjacentHTML('x', text)",
        "document.write(text)",
        'setTimeout("go()", 1)',
        "node.setAttribute('onclick', text)",
        "range.createContextualFragment(text)",
    ],
)
def test_a_script_with_a_hole_is_seen(mistake: str) -> None:
    assert IN_SCRIPTS.search(mistake)


def test_no_program_is_started_by_a_shell_or_by_what_answers_requests() -> None:
    starts = set()
    for source in PYTHON:
        text = source.read_text()
        assert not re.search(
            r"shell\s*=\s*True|\bos\.(?:system|popen)\(|\bimport (?:pickle|marshal|shelve|yaml)\b", text
        ), source
        if re.search(r"\bsubprocess\.|\bos\.(?:posix_spawn|exec\w*|spawn\w*)\(", text):
            starts.add(source.relative_to(ROOT).as_posix())
    assert starts == {
        "supportchat/server/run.py",
        "supportchat/server/embedded.py",
        "supportchat/images/decoders.py",
        "supportchat/agents/helpers.py",
    }
