"""Texts as HTML, with what is an address in them as a link. Rendered once for each text, not for each viewer."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Generic, TypeVar

from linkify_it import LinkifyIt
from markupsafe import Markup, escape

from ..server.turns import give_way

MOST_CHARACTERS = 2048  # of one link
MOST_IN_A_WORD = 20  # links in what no space divides: each look at one may read all that follows
CACHE_BYTES = 8 * 1024 * 1024
_OVERHEAD = 200  # bytes that an entry costs beside its text and its HTML

LINK = Markup('<a href="{}" rel="noopener noreferrer nofollow" target="_blank">{}</a>')
_linkify = LinkifyIt()

T = TypeVar("T", bound=str)

_BEFORE_SCHEME = r"(?<![A-Za-z0-9+.-])"
_BEFORE_HOST = r"(?<![A-Za-z0-9_.@/:-])"
_CJK = "\u1100-\u11ff\u2e80-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_LOCAL = rf"[^\s@/\\\[\](){{}}<>\"“”„«»‹›:;,|`…{_CJK}]"
# Where a link may begin. Text in Chinese or Japanese may stand directly before it: there are no spaces.
_START = re.compile(
    rf"""
    (?P<web>{_BEFORE_SCHEME}https?://)
    | (?P<mailto>{_BEFORE_SCHEME}mailto:)
    | (?P<www>{_BEFORE_HOST}www\.)
    | (?P<mail>(?<!{_LOCAL}){_LOCAL}{{1,64}}@)
    # Without a scheme only where it can be nothing else: no Done.It and no main.py.
    | (?P<domain>{_BEFORE_HOST}(?:
        (?:[a-z0-9-]{{1,63}}\.){{1,4}}(?-i:com|net|org|edu|gov) | (?:[а-яё0-9-]{{1,63}}\.){{1,4}}рф
    )(?![A-Za-zа-яё0-9_@-]|\.\w))
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Nothing begins without one of these, and most texts have none.
_HINT = re.compile(r"://|@|mailto:|www\.|\.(?:com|net|org|edu|gov|рф)", re.IGNORECASE)
# What ends a link wherever it stands: punctuation of other scripts, quotes, what frames a text, what nobody sees.
_END = re.compile(
    '[。，、；：？！「」『』（）【】《》〈〉〔〕［］｛｝｜．｡｢｣､〝〞〟“”„‟«»‹›❝❞❛❜…—<>"|`\\\\^\u00ad\u061c\u200b-\u200f\u2028-\u202e'
    "\u2060-\u206f\ufe10-\ufe19\ufe50-\ufe57\ufeff]|[,;](?=https?://)",  # and where a list of links goes on
    re.IGNORECASE,
)
_HOST_BEFORE_CJK = re.compile(rf"[^/?#]*\.[A-Za-z]{{2,}}(?=[{_CJK}][^./?#]*$)")
# linkify-it-py reads such a label in two ways, so names of n of them in 2 to the n.
_PUNYCODE = re.compile("xn--", re.IGNORECASE)
# Stops and marks of Arabic, Hebrew, Armenian, Indian, Ethiopic, Tibetan, Burmese, Khmer and Mongolian among them.
_TRAILING = ":’‘*~?!.,;،؛؟۔׃։।॥።፣፤፥፡།༎၊။។៕᠂᠃·′″"
_IPV6 = re.compile(r"//(\[[0-9a-f:.]{2,45}\])(?=[:/?#]|\W*$)", re.IGNORECASE)
_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])_(?=[A-Za-z0-9])")


def linkified(text: str) -> Markup:
    """Return a text as HTML in which web and e-mail addresses are links."""
    if not has_hint(text):
        return escape(text)
    return _cache.shown(text)


def render(text: str) -> Markup:
    """Return what `linkified` does, computed anew."""
    parts, done = [], 0
    for start, end, address in links_in(text):
        parts += [escape(text[done:start]), LINK.format(address, text[start:end])]
        done = end
    return Markup("").join([*parts, escape(text[done:])])


def has_hint(text: str) -> bool:
    """Whether there may be an address in a text."""
    return _HINT.search(text) is not None


def links_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where addresses begin and end in a text, and where they lead."""
    for word in re.finditer(r"\S+", text):
        for start, end, address in _links_in(word[0]):
            yield word.start() + start, word.start() + end, address


def address_of(text: str) -> str:
    """Return where a text leads that is an address as a whole; '' for any other."""
    found = next(_links_in(text), None)
    return found[2] if found and found[:2] == (0, len(text)) else ""


def _links_in(word: str) -> Iterator[tuple[int, int, str]]:
    """Yield where links begin and end in a text without space, and where they lead."""
    position = 0
    for _ in range(MOST_IN_A_WORD):
        start = _START.search(word, position)
        if start is None:
            return
        piece = _until_its_end(word[start.start() : start.start() + MOST_CHARACTERS])
        length, address = _FINDERS[start.lastgroup or ""](piece)
        position = start.start() + length if length else start.end()
        if length:
            yield start.start(), position, address


def _until_its_end(piece: str) -> str:
    end = _END.search(piece)
    return piece[: end.start()] if end else piece


def _found_web(piece: str) -> tuple[int, str]:
    scheme, _, rest = piece.partition(":")
    if _START.match(rest, 2):  # "https://https://…": the address is what comes then
        return 0, ""
    length = _length("http:", _with_plain_host(rest.lstrip("/") and rest))
    if not length:
        return 0, ""
    end = len(scheme) + 1 + length
    return end, f"{scheme.lower()}{piece[len(scheme) : end]}"


def _with_plain_host(rest: str) -> str:
    """Return an address, as long as before, with a host that the library knows: none with `[::1]`, or `_`."""
    if ipv6 := _IPV6.match(rest):
        return f"//{'a' * (len(ipv6[1]) - 3)}.co{rest[ipv6.end() :]}"
    end = re.search("[/?#]", rest[2:])
    host_end = end.start() + 2 if end else len(rest)
    return _UNDERSCORE.sub("-", rest[:host_end]) + rest[host_end:]


def _found_domain(piece: str) -> tuple[int, str]:
    length = _length("http:", f"//{piece}") - 2
    host = re.split(r"[/?#:]", piece[: max(length, 0)])[0]
    is_whole = host.count(".") > piece.lower().startswith("www.")
    return (length, f"https://{piece[:length]}") if is_whole else (0, "")


def _found_mailto(piece: str) -> tuple[int, str]:
    length, address = _found_mail(piece[len("mailto:") :])
    return (length and length + len("mailto:")), address


def _found_mail(piece: str) -> tuple[int, str]:
    local, _, host = piece.partition("@")
    length = _length("mailto:", f"x@{host}") - 2
    if length <= 0 or "." not in host[:length]:
        return 0, ""
    end = len(local) + 1 + length
    return end, f"mailto:{piece[:end]}"


def _length(scheme: str, rest: str) -> int:
    """Return how much of what follows a scheme belongs to the address."""
    before_cjk = _HOST_BEFORE_CJK.match(rest.lstrip("/"))
    if before_cjk:
        rest = rest[: len(rest) - len(rest.lstrip("/")) + before_cjk.end()]
    rest = _PUNYCODE.sub("xn00", rest)  # of the same length
    return len(rest[: _linkify.test_schema_at(rest, scheme, 0)].rstrip(_TRAILING))


_FINDERS = {
    "web": _found_web,
    "mailto": _found_mailto,
    "www": _found_domain,
    "mail": _found_mail,
    "domain": _found_domain,
}


class Cache(Generic[T]):
    """What the texts look like that were shown last, bounded in bytes."""

    def __init__(self, most_bytes: int, render: Callable[[str], T]) -> None:
        self.bytes = 0
        self._render = render
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def shown(self, text: str) -> T:
        """Return what a text looks like, and let others go on before it is computed."""
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
        give_way()
        html = self._render(text)
        with self._lock:
            self._keep(text, html)
        return html

    def _keep(self, text: str, html: T) -> None:
        if text in self._kept:
            return  # by another request meanwhile
        self._kept[text] = html
        self.bytes += _cost(text, html)
        while self.bytes > self._most_bytes:
            self.bytes -= _cost(*self._kept.popitem(last=False))


def _cost(text: str, html: str) -> int:
    # A character takes up to four bytes of memory.
    return 4 * (len(text) + len(html)) + _OVERHEAD


_cache = Cache(CACHE_BYTES, render)
