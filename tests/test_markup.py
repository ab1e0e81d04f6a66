"""What is marked in a text is shown so, and everything else stays as it was typed."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from supportchat.rendering import markup
from supportchat.rendering.links import linkified
from supportchat.rendering.markup import MOST_BLOCKS, marked_up, plain, render
from tests.cast import Agent
from tests.languages.reading import read
from tests.security.corpus import EVERYTHING
from tests.test_links import PIECES
from tests.variants import variant
from tests.web import Web

TAG = re.compile(r"</?[a-z][^>]*>")
LINK = ' rel="noopener noreferrer nofollow" target="_blank"'


def tags(text: str) -> str:
    """Return what a text becomes, without attributes that say nothing here."""
    return re.sub(f' dir="[a-z]+"| tabindex="0"|{LINK}', "", str(marked_up(text)))


def shown(text: str) -> str:
    """Return the characters that a reader sees."""
    return unescape(TAG.sub("", str(marked_up(text))))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *this* and _that_", "<strong>bold</strong> and <em>this</em> and <em>that</em>"),
        ("(**bold**), “*so*”!", "(<strong>bold</strong>), “<em>so</em>”!"),
        ("これは**重要**です", "これは<strong>重要</strong>です"),
        ("hold `Rinse` & wait", "hold <code>Rinse</code> &amp; wait"),
        ("`**not bold**`", "<code>**not bold**</code>"),
        ("```\na\n  b\n```", "<pre><code>a\n  b</code></pre>"),
        (
            "see\n```service.log\n**x**\n```\nok",
            'see<p class="code-name">service.log</p><pre><code>**x**</code></pre>ok',
        ),
        ("```\nstill open", "<pre><code>still open</code></pre>"),
        ("- a\n- **b**\nThanks!", "<ul><li>a</li><li><strong>b</strong></li></ul>Thanks!"),
        ("1. yes\n3. no", '<ol><li value="1">yes</li><li value="3">no</li></ol>'),
        ("* a\n  * b", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("> your words\nmine", "<blockquote>your words</blockquote>mine"),
        (">> theirs", "<blockquote><blockquote>theirs</blockquote></blockquote>"),
        ("[the log](https://example.com/a_b_(c))", '<a href="https://example.com/a_b_(c)">the log</a>'),
        ("[write](mailto:a@example.com)", '<a href="mailto:a@example.com">write</a>'),
        ("[example.com](https://example.com)", '<a href="https://example.com">example.com</a>'),
        ("**https://example.com**", '<strong><a href="https://example.com">https://example.com</a></strong>'),
        ("`x` https://e.com/_a_/b", '<code>x</code> <a href="https://e.com/_a_/b">https://e.com/_a_/b</a>'),
    ],
)
def test_what_is_marked_is_shown_so(text: str, html: str) -> None:
    assert tags(text) == html


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2*3*4 = 24",
            "2 * 3 * 4",
            "2**3 and 4**5",
            "f*** and sh*t",
            "a_b_c snake_case",
            "__init__.py",
            "*",
            "**",
            "_ _",
        ),
        *("+ 49 30 901820", "-5 °C", "-", "1.", "1) one", "2026.", "-----", ">_<", ">:(", ">", "1.5 kg", "# Heading"),
        *(
            "<b>bold</b>",
            "&amp;",
            "C:\\*\\_x",
            "![a](https://example.com/a.png)"[:1],
            "a\n---\nb",
            "| a | b |",
            "~~no~~",
        ),
        *("  indented\n    more\n\n\nand so on", "tab\there", "`", "``", "a `b\nc` d", "a\\*b\\*", "[ ] todo", "***"),
    ],
)
def test_everything_else_stays_as_it_was_typed(text: str) -> None:
    assert str(marked_up(text)) == str(linkified(text))
    marked = f"**x**\n{text}"
    assert shown(marked) == f"x\n{text}"


def test_line_breaks_blank_lines_and_indents_stay() -> None:
    text = "**Try:**\n    def f():\n        return 1\n\n\n\n  ok?\n"
    assert shown(text) == text.replace("**", "").rstrip("\n")


@pytest.mark.parametrize(
    "text",
    [
        *("[x](javascript:alert(1))", "[x](data:text/html,x)", "[x](vbscript:x)", "[x](//evil.example)", "[x](/agent)"),
        *("[x](java\tscript:x)", "[x](file:///etc/passwd)", "[x](ftp://a.example)", "[x](tel:1)", "[x](#a)", "[x]( )"),
    ],
)
def test_a_link_leads_by_http_https_or_mail_and_nowhere_else(text: str) -> None:
    assert "<a" not in str(marked_up(text))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "https://bank.example",
            "bank.example",
            "www.bank.de",
            "pay@bank.example",
            "BANK.COM",
            " ",
            "\u200b",
            "\u2800",
        ),
        *("lo\u202egnp", "\u2066x\u2069", "bank\u00ad.de"),
    ],
)
def test_a_link_cannot_be_called_what_leads_elsewhere_or_shows_nothing(name: str) -> None:
    links = re.findall('href="([^"]+)"[^>]*>([^<]*)</a>', str(marked_up(f"[{name}](https://evil.example/a)")))
    assert (("https://evil.example/a", name)) not in links


def test_an_address_with_what_nobody_sees_is_no_link() -> None:
    assert "<a" not in str(marked_up("[x](https://evil.example\u202e/a)")).split("](")[0]


@pytest.mark.parametrize("text", EVERYTHING)
def test_nothing_that_is_typed_becomes_an_element_or_attribute_of_its_own(text: str) -> None:
    for written in (
        text,
        f"**{text}**",
        f"`{text}`",
        f"- {text}",
        f"> {text}",
        f"```\n{text}\n```",
        f"[{text}]({text})",
    ):
        html = str(marked_up(written))
        left = re.sub(
            r"</?(strong|em|code|ul|ol|li|blockquote|pre|p|a)( (dir|tabindex|class|value|rel|target)=\"[\w -]*\")*>"
            r"|<a href=\"(https?|mailto):[^\"<>]*\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">",
            "",
            html,
        )
        assert "<" not in left, written[:60]


def test_what_stands_very_deep_is_still_there() -> None:
    for text in ("> " * 60 + "here", "- " * 60 + "here", "".join("  " * n + f"- here{n}\n" for n in range(60))):
        assert shown(text).count("here") == text.count("here")
        assert str(marked_up(text)).count("<li>") + str(marked_up(text)).count("<blockquote") <= 66


MARKS = ("*", "**", "_", "`", "``", "```", "[", "](", "[x](", "> ", ">", "- ", "1. ", "* ", "\n", "~", "\t", "  ", "\\")
PAIRS = tuple(a + b for a in MARKS for b in MARKS)
PATHOLOGICAL = (
    *MARKS,
    *("*a ", "**a ", "*a_ ", "_a* ", "`a", "``a`", "[a](b", "[a](http://a.co/(", "- a\n", "> a\n", "1. a\n", "```\n"),
    *("- a\n  ", "> - ", "- > ", "a**b", "*a **b ", "https://a.co/*", "[https://a.co](", "\n\n", "- `a`\n", "> *a*\n"),
)


def seconds(text: str) -> float:
    times = []
    for _ in range(2):
        begun = time.process_time()
        render(text)
        times.append(time.process_time() - begun)
    return min(times)


@pytest.mark.parametrize(
    "pieces",
    [pytest.param((*PATHOLOGICAL, *PIECES), id="known"), pytest.param(PAIRS, id="pairs", marks=variant)],
)
def test_no_text_takes_more_than_its_length_is_worth(pieces: tuple[str, ...]) -> None:
    """Twice the text takes about twice the time: four times would be quadratic."""
    slow = []
    for piece in pieces:
        half, whole = (f"**x** `y` {piece * size}"[:size] for size in (4000, 8000))
        if (taken := seconds(whole)) > 0.03 and taken > 3.2 * max(seconds(half), 0.005):
            slow.append((piece, taken, seconds(half)))
    assert slow == []


def test_a_text_of_more_lists_and_quotes_than_anybody_reads_is_left_alone() -> None:
    lines = "- **a**\n" * (MOST_BLOCKS + 1)
    assert marked_up(lines) == linkified(lines)
    assert marked_up(lines.removeprefix("- **a**\n")) != linkified(lines)


def test_a_plain_text_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "_markdown", None)
    text = "Hello, snake_case and https://example.com/a_b!"
    assert marked_up(text) == linkified(text)
    assert plain("Hello") == "Hello"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("**bold** _it_ `code` [log](https://example.com)", "bold it code log"),
        ("```py\nx = 1\n```", "x = 1"),
        ("> theirs\nmine", "theirs\nmine"),
        ("Do:\n1. this\n2. that", "Do:\n1. this\n2. that"),
        ("2*3*4", "2*3*4"),
    ],
)
def test_outside_of_a_bubble_a_text_has_no_marks(text: str, written: str) -> None:
    assert plain(text) == written


@pytest.mark.mode("postgres")
def test_both_sides_see_the_same_and_the_queue_sees_it_plain(web: Web, alice: Agent, rows: Any) -> None:
    vera, desk = web.customer("It shows **E4**"), web.agent("alice")
    alice.reply(1001, "Hold `Rinse`, then see [the log](https://example.com).")
    for page in (vera.get("/chat").text, desk.get("/agent?ticket=1001").text):
        assert "<strong>E4</strong>" in page
        assert f'Hold <code>Rinse</code>, then see <a href="https://example.com"{LINK}>the log</a>.' in page
    assert "Hold Rinse, then see the log." in re.sub(r"\s+", " ", " ".join(read(desk.get("/agent").text).texts))
    assert rows("select message from chat_messages where sender = 'user'") == [("It shows **E4**",)]
    alice.call("add_note", number=1001, client_message_id="0" * 32, note="**Careful**")
    assert "<strong>Careful</strong>" in desk.get("/agent?ticket=1001").text


def test_no_html_is_made_of_a_variable_here() -> None:
    source = Path(markup.__file__).read_text()
    assert re.findall(r"Markup\((?![\"'])", source) == []
