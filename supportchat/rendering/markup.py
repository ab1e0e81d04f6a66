"""Texts with a little Markdown as HTML: bold, italic, code, lists, quotes and links. The rest stays as it was typed.

markdown-it-py finds the blocks and pairs what marks bold and italic. The rules for the rest are ours, because a chat is
no document: line breaks, indents and blank lines stay, and `2*3*4`, `__init__` and `+ 49 30` are shown as they are.
HTML is made here of constant pieces and of escaped texts only.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.rules_block.fence import make_fence_rule
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from markupsafe import Markup, escape

from ..web.text import MISLEADING, shows_something
from .links import CACHE_BYTES, LINK, Cache, address_of, has_hint, linkified, links_in

# Nothing is marked without one of these, and most texts have none.
_ITEM = r"(?:[-*]|\d{1,9}\.)[ \t]+\S"
_QUOTE = r">{1,6} +\S"  # with a space: `>_<` is no quote
_MARKS = re.compile(rf"\*[^\s*]|(?<!\w)_[^\s_]|`|\]\(|^[ \t]*(?:{_ITEM}|{_QUOTE})", re.MULTILINE)
_FIRST = "-> \t0123456789"  # of a list or a quote
_BLOCK = re.compile(r"^[ \t]*(?:[-*>]|\d{1,9}\.)", re.MULTILINE)
_ITEM_MARK, _QUOTE_MARK = re.compile(_ITEM), re.compile(_QUOTE)
MOST_BLOCKS = 200  # lines of lists and quotes: each costs as much as a page of text
DEEPEST = 6  # a list in a list in a list

_SPECIAL = re.compile(r"[*_`\[]")
_CODE = re.compile(r"(`{1,3})(?!`)([^`\n]+)\1(?!`)")
_RUN = re.compile(r"`+|\*+|_+")
_NAMED_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\(((?:[^\s()]|\([^\s()]*\)){1,2048})\)")
# A name that looks like an address must be the one that the link leads to.
_LIKE_ADDRESS = re.compile(r"\w\.[^\W\d_]{2,}")
_UNSEEN = re.compile(f"[{MISLEADING}\u00ad\u061c\u200b-\u200f\u2060-\u2064\ufeff]")
_NAME_OF_CODE = re.compile(r"[\w.+#/ -]{0,60}")

_INLINE = {
    "strong_open": Markup("<strong>"),
    "strong_close": Markup("</strong>"),
    "em_open": Markup("<em>"),
    "em_close": Markup("</em>"),
}
_BLOCKS = {
    "bullet_list_open": Markup('<ul dir="auto">'),
    "bullet_list_close": Markup("</ul>"),
    "ordered_list_open": Markup('<ol dir="auto">'),
    "ordered_list_close": Markup("</ol>"),
    "list_item_close": Markup("</li>"),
    "blockquote_open": Markup('<blockquote dir="auto">'),
    "blockquote_close": Markup("</blockquote>"),
}
_CODE_HTML = Markup("<code>{}</code>")
_NAME_HTML = Markup('<p class="code-name">{}</p>')
# A bdi, as a name at the start must not decide in which direction the note runs.
_MENTION_HTML = Markup('<bdi class="mention" data-mention="{}">{}</bdi>')
_FENCE_HTML = Markup('<pre tabindex="0" dir="ltr"><code>{}</code></pre>')


def marked_up(text: str) -> Markup:
    """Return a text as HTML, with what is marked in it as such and addresses as links."""
    if not _has_marks(text):
        return linkified(text)
    return _cache.shown(text)


def with_mentions(text: str, names: Mapping[str, str]) -> Markup:
    """Return what `marked_up` does, with those names marked that mention somebody.

    :param names: how each is written, with its @, and whom it means: ids of agents, with spaces between them.
    """
    return render(text, names) if names else marked_up(text)


def _has_marks(text: str) -> bool:
    # The rest takes ten times as long, and few texts need it: each message is asked this.
    has_signs = "*" in text or "_" in text or "`" in text or "](" in text
    return (has_signs or "\n" in text or text[:1] in _FIRST) and _MARKS.search(text) is not None


def plain(text: str) -> str:
    """Return a text without its marks, for a place that shows it in one line."""
    if not _is_marked(text):
        return text
    return _plain_cache.shown(text)


def render(text: str, names: Mapping[str, str] | None = None) -> Markup:
    """Return what `marked_up` or `with_mentions` does, computed anew."""
    if not _is_marked(text, names):
        return linkified(text)
    return Markup("").join(_html_parts(_tokens(text, names)))


def _without_marks(text: str) -> str:
    return "".join(_plain_parts(_tokens(text))).strip()


def _is_marked(text: str, names: Mapping[str, str] | None = None) -> bool:
    return (bool(names) or _has_marks(text)) and sum(1 for _ in _BLOCK.finditer(text)) <= MOST_BLOCKS


def _tokens(text: str, names: Mapping[str, str] | None = None) -> list[Token]:
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type == "inline":
            token.children = _markdown.inline.parse(token.content, _markdown, _found_in(token.content, names or {}), [])
    return tokens


def _found_in(text: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Return where addresses and names are in a text, as the rules below look it up."""
    addresses = {start: (end, address) for start, end, address in links_in(text)} if has_hint(text) else {}
    mentions = _mentions_in(text, names) if names else {}
    return {"addresses": addresses, "mentions": mentions, "starts": sorted({*addresses, *mentions})}


def _mentions_in(text: str, names: Mapping[str, str]) -> dict[int, tuple[int, str]]:
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return {found.start(): (found.end(), names[found[0]]) for found in re.finditer(longest_first, text)}


def _html_parts(tokens: list[Token]) -> Iterator[Markup]:
    for token in tokens:
        if token.type == "inline":
            yield from map(_inline_html, token.children or ())
        elif token.type == "list_item_open":
            yield Markup('<li value="{}">').format(int(token.info)) if token.info else Markup("<li>")
        elif token.type == "fence":
            if name := token.info.strip():
                yield _NAME_HTML.format(name)
            yield _FENCE_HTML.format(token.content.removesuffix("\n"))
        elif token.type in _BLOCKS:
            yield _BLOCKS[token.type]


def _inline_html(token: Token) -> Markup:
    if token.type == "code_inline":
        return _CODE_HTML.format(token.content)
    if token.type == "address":
        return LINK.format(token.meta["to"], token.content)
    if token.type == "mention":
        return _MENTION_HTML.format(token.meta["to"], token.content)
    return _INLINE.get(token.type) or escape(token.content)


def _plain_parts(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield from (child.content for child in token.children or ())
        elif token.type == "list_item_open":
            yield f"\n{token.info}. " if token.info else "\n- "
        elif token.type == "fence":
            yield f"\n{token.content}"
        elif token.type in ("blockquote_open", "blockquote_close", "bullet_list_close", "ordered_list_close"):
            yield "\n"


# Blocks


def _lines(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take lines as they were typed, blank ones among them, up to where another block begins."""
    end, following = min(end, state.lineMax), start + 1
    rules, parent = state.md.block.ruler.getRules("paragraph"), state.parentType
    state.parentType = "paragraph"
    while following < end and (state.isEmpty(following) or _goes_on(state, following, end, rules)):
        following += 1
    state.parentType = parent
    last = following
    while state.isEmpty(last - 1):
        last -= 1
    state.line = following
    token = state.push("inline", "", 0)
    token.content = state.getLines(start, last, state.blkIndent, False)
    token.map = [start, following]
    return True


def _goes_on(state: StateBlock, line: int, end: int, rules: list[RuleFuncBlockType]) -> bool:
    return state.sCount[line] >= state.blkIndent and not any(rule(state, line, end, True) for rule in rules)


def _ends_quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """End a quote at the first line without its mark: whoever answers below it does not go on quoting."""
    return silent


def _not_too_deep(rule: RuleFuncBlockType) -> RuleFuncBlockType:
    """Return a rule that leaves as text what stands too deep, which the library would leave out."""
    return lambda state, start, end, silent: state.level < DEEPEST and rule(state, start, end, silent)


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return _begins(_ITEM_MARK, state, start) and list_block(state, start, end, silent)


def _quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return _begins(_QUOTE_MARK, state, start) and blockquote(state, start, end, silent)


def _begins(mark: re.Pattern[str], state: StateBlock, line: int) -> bool:
    return mark.match(state.src, state.bMarks[line] + state.tShift[line], state.eMarks[line]) is not None


_any_fence = make_fence_rule(markers=("`",))


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    is_named = _NAME_OF_CODE.fullmatch(line.lstrip("`")) is not None
    return is_named and _any_fence(state, start, end, silent)


# Within lines


def _text(state: StateInline, silent: bool) -> bool:
    special = _SPECIAL.search(state.src, state.pos, state.posMax)
    end = special.start() if special else state.posMax
    starts = state.env["starts"]
    following = bisect_left(starts, state.pos)
    if following < len(starts):
        end = min(end, starts[following])
    if end == state.pos:
        return False
    return _take(state, end)


def _take(state: StateInline, end: int) -> bool:
    """Take what comes up to a place as text."""
    state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _push(state: StateInline, kind: str, content: str, end: int, **meta: str) -> bool:
    token = state.push(kind, "", 0)
    token.content, token.meta = content, meta
    state.pos = end
    return True


def _mention(state: StateInline, silent: bool) -> bool:
    if state.pos not in state.env["mentions"]:
        return False
    end, agents = state.env["mentions"][state.pos]
    return _push(state, "mention", state.src[state.pos : end], end, to=agents)


def _address(state: StateInline, silent: bool) -> bool:
    if state.pos not in state.env["addresses"]:
        return False
    end, address = state.env["addresses"][state.pos]
    return _push(state, "address", state.src[state.pos : end], end, to=address)


def _code(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "`":
        return False
    if found := _CODE.match(state.src, state.pos):
        return _push(state, "code_inline", found[2], found.end())
    return _take(state, _run(state))


def _run(state: StateInline) -> int:
    """Return where a run of the same mark ends."""
    run = _RUN.match(state.src, state.pos)
    return run.end() if run else state.pos + 1


def _named_link(state: StateInline, silent: bool) -> bool:
    found = _NAMED_LINK.match(state.src, state.pos)
    address = found and address_of(found[2])
    if not found or not address or not _is_honest(found[1], found[2]):
        return False
    return _push(state, "address", found[1], found.end(), to=address)


def _is_honest(name: str, address: str) -> bool:
    """Whether a link can be called so: it shows something, and leads nowhere else than its name says."""
    if not shows_something(name) or _UNSEEN.search(name):
        return False
    looks_like_one = has_hint(name) or _LIKE_ADDRESS.search(name)
    return not looks_like_one or name in (address, address.partition(":")[2].removeprefix("//"))


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Note what may mark bold or italic: around words; `**` also within, where no spaces divide them."""
    marker, end = state.src[state.pos], _run(state)
    length = end - state.pos
    if marker not in "*_":
        return False
    if length > (2 if marker == "*" else 1) or state.src[state.pos - 1 : state.pos] == "\\":
        return _take(state, end)
    scanned = state.scanDelims(state.pos, length == 2 and not _is_within_word(state, end))
    if not (scanned.can_open or scanned.can_close):
        return _take(state, end)
    for _ in range(length):
        token = state.push("text", "", 0)
        token.content = marker
        place = len(state.tokens) - 1
        state.delimiters.append(Delimiter(ord(marker), length, place, -1, scanned.can_open, scanned.can_close))
    state.pos = end
    return True


def _is_within_word(state: StateInline, end: int) -> bool:
    return state.src[max(state.pos - 1, 0) : end + 1].isascii()


def _set_up() -> MarkdownIt:
    markdown = MarkdownIt("zero", {"html": False, "maxNesting": 20})
    markdown.core.ruler.enableOnly(["normalize", "block"])
    everywhere = ["paragraph", "blockquote", "list"]
    rules: tuple[tuple[str, RuleFuncBlockType, list[str]], ...] = (
        ("our_fence", _not_too_deep(_fence), everywhere),
        ("our_quote", _not_too_deep(_quote), everywhere),
        ("our_list", _not_too_deep(_list), ["paragraph", "blockquote"]),
        ("quote_end", _ends_quote, ["blockquote"]),
        ("lines", _lines, []),
    )
    for name, rule, alt in rules:
        markdown.block.ruler.push(name, rule, {"alt": alt})
    markdown.block.ruler.enableOnly([name for name, *_ in rules])
    inline: dict[str, Callable[[StateInline, bool], bool]] = {
        "mention": _mention,
        "address": _address,
        "our_text": _text,
        "our_code": _code,
        "our_emphasis": _emphasis,
        "named_link": _named_link,
    }
    for name, found in inline.items():
        markdown.inline.ruler.push(name, found)
    markdown.inline.ruler.enableOnly(list(inline))
    markdown.inline.ruler2.enableOnly(["balance_pairs", "emphasis", "fragments_join"])
    return markdown


_markdown = _set_up()
_cache = Cache(CACHE_BYTES, render)
_plain_cache = Cache(CACHE_BYTES // 4, _without_marks)
