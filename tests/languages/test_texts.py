"""Every text that people read goes through gettext: none stands bare in a template, in Python or in a script."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from supportchat.config import ROOT
from supportchat.rendering.languages import SHIPPED
from supportchat.translations.catalogs import KEYWORDS, texts_in_code

from .reading import read

# Two words, or one with a capital letter.
PROSE = re.compile(r"[A-Za-z]{2,}[,.:’']? [a-z]{2,}|^[A-Z][a-z]{2,}")
LETTERS = re.compile(r"[^\W\d_]{2,}")
# What looks like it and is not: headers, HTML, SQL, policies, regular expressions.
TECHNICAL = re.compile(
    r"--|^[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)+$|[<>{}]|^(SELECT|listen) |-src '|; |no-store|no-cache|max-age|upsert key"
)
NO_TEXTS = {
    *("Upgrade", "Forwarded", "Connection", "Cookie", "None", "Lax", "Origin", "Vary", "Cookie, HX-Request"),
    *("Photoshop", "Factory", "temporary directory"),
    *("Android", "Mobile ", " Mobile", "Headless"),
    *SHIPPED.values(),
    # Into the log
    *("at most ", " bytes, and less for text", "'websocket' and 'upgrade' as Upgrade and Connection"),
    *("the name of a host", "PUBLIC_URL, or TRUSTED_PROXIES behind a proxy"),
    "login by the provider",
    "the sandbox of the frame, which has to say allow-same-origin",
    "the browser, or what removes Origin on the way",
    # In templates: the product's name, a folder, and what buttons do
    *("sc", "supportchat", "sql/"),
    *("copy delete", "retry copy delete", "retry edit copy delete", "edit copy delete"),
    # The name of the main site in the database, until somebody gives it one; an example
    *("Support", "https://www.example.com"),
    # In scripts: keys and the like
    *("Meta", "Control", "Shift", "Shift+", "Shift+Slash", "Shift+Enter", "Slash", "Key"),
    *("Dead", "Process", "Unidentified", "AltGraph"),
    *("Enter", "Escape", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Home", "End", "Files", "BroadcastChannel"),
    # Of push services and the browser's parts
    *("Authorization", "Topic", "Urgency", "htmx worker", "bold 36px sans-serif", "PushManager", "Notification"),
    *("InvalidStateError", "alert seen", "supportchat alert"),
}

TEMPLATES = sorted(ROOT.glob("templates/**/*.html"))
# What operators read stays English: the command line, the log, refused settings.
OPERATORS = (
    *(
        "cli.py",
        "demo.py",
        "widget/shop.py",
        "backends.py",
        "server/",
        "config/",
        "database/",
        "supabase/",
        "translations/",
    ),
    *("images/redraw/", "realtime/sockets.py", "realtime/safe_socket.py", "web/refusals.py"),
    *("provider/errands.py", "provider/provider.py"),
)
MODULES = [
    path
    for path in sorted(ROOT.glob("supportchat/**/*.py"))
    if not str(path.relative_to(ROOT / "supportchat")).startswith(OPERATORS)
]
SCRIPTS = sorted(ROOT.glob("static/js/**/*.js"))


def named(path: Path) -> str:
    """Return the name of a file for a test."""
    return str(path.relative_to(ROOT))


# Templates


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_a_template_has_no_bare_text(path: Path) -> None:
    source = path.read_text()
    page = read(without_expressions(source))
    bare = [text.strip() for text in [*page.texts, *page.attributes] if LETTERS.search(text)]
    assert [text for text in bare if text not in NO_TEXTS] == []
    assert [text for text in strings_of_template(source) if is_prose(text)] == []


def is_prose(text: str) -> bool:
    """Whether a string seems to be for people."""
    return bool(PROSE.search(text)) and text not in NO_TEXTS and not TECHNICAL.search(text)


def without_expressions(source: str) -> str:
    """Return the HTML of a template alone."""
    environment = Environment(extensions=["jinja2.ext.i18n"])
    html, depth = "", 0
    for _, kind, value in environment.lex(
        re.sub(r"{% block body_class %}.*?{% endblock", "{% endblock", source, flags=re.DOTALL)
    ):
        depth += kind in ("variable_begin", "block_begin", "comment_begin")
        html += value if kind == "data" and not depth else ""
        depth -= kind in ("variable_end", "block_end", "comment_end")
    return html


def strings_of_template(source: str) -> Iterator[str]:
    """Return the strings in a template's expressions that gettext is not given."""
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    given = {
        id(part)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in KEYWORDS
        for part in call.args
    }
    return (
        const.value for const in tree.find_all(nodes.Const) if id(const) not in given and isinstance(const.value, str)
    )


# Python


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_python_has_no_bare_sentence(path: Path) -> None:
    tree = ast.parse(path.read_text())
    silent = {id(part) for node in ast.walk(tree) for whole in unread_by_people(node) for part in ast.walk(whole)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in silent)
    assert [node.value for node in found if isinstance(node.value, str) and is_prose(node.value)] == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_gettext_is_given_literals_which_can_be_extracted(path: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    texts = [call.args[0] for call in calls if ast.unparse(call.func) in KEYWORDS]
    assert [ast.unparse(text) for text in texts if not isinstance(text, ast.Constant)] == []


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_text_that_gettext_is_given_is_in_the_catalog(path: Path) -> None:
    """Babel does not see those within an f-string, or among what another text is given."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    texts = [call.args for call in calls if call.args and ast.unparse(call.func) in KEYWORDS]
    given = {text.value for args in texts for text in args if isinstance(text, ast.Constant)}
    assert given - extracted() == set()


@functools.cache
def extracted() -> set[object]:
    """Return all texts of the catalog, with their contexts."""
    return {part for text in texts_in_code() for part in (text.context, *_parts(text.id))}


def _parts(text: object) -> tuple[object, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (text,)


def unread_by_people(node: ast.AST) -> list[ast.AST]:
    """Return what in a piece of Python no page shows as it stands: docstrings, what gettext gets, log lines, faults."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node]
    if isinstance(node, ast.Raise):
        return [node]
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        is_log = name.split(".")[-1] in ("debug", "info", "warning", "error", "exception") or name == "log_refusal"
        # A request to another program: its names and headers. What an error says is for the log.
        is_errand = name in ("errand.ask", "quota.allows", "TimeoutError", "ProviderError")
        return [node] if name in KEYWORDS or is_log or is_errand else []
    if isinstance(node, ast.AnnAssign | ast.arg | ast.FunctionDef):
        return [part for part in (getattr(node, "annotation", None), getattr(node, "returns", None)) if part]
    return []


# Scripts


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_a_script_has_no_words_of_its_own(path: Path) -> None:
    assert [text for text in strings_of_script(path.read_text()) if is_prose(text)] == []


def strings_of_script(source: str) -> Iterator[str]:
    """Return the strings of a script, but for those of errors for developers, and for selectors and the like."""
    code = re.sub(r"^\s*//.*$|(?<=[\s;,{(])//\s.*$", "", source, flags=re.MULTILINE)
    code = re.sub(r"new (TypeError|DOMException|Error)\([^)]*\)", "", code)
    for found in re.finditer(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`|\'((?:[^\'\\\n]|\\.)*)\'', code):
        text = re.sub(r"\$\{[^}]*\}", "", found[1] or found[2] or found[3] or "")
        if not re.search(r"[\[\]#>=*]|\(pointer|:read-write|^[a-z-]+(, [a-z-]+)*$", text):
            yield text
