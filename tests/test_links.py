"""Where an address begins and ends in a text, and what that costs."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest

from supportchat.rendering import links
from supportchat.rendering.links import Cache, linkified, render

LINK = re.compile(r'<a href="([^"]*)" rel="noopener noreferrer nofollow" target="_blank">([^<]*)</a>')
SITE = "https://example.com"


def found(text: str) -> list[tuple[str, str]]:
    """Return address and text of each link, as a browser would read them."""
    return [(unescape(address), unescape(shown)) for address, shown in LINK.findall(str(linkified(text)))]


AFTER = [
    *"!\"';:?…`«»“”’*)]}>|,.。，、；：？！」』）】》—",
    *"،؛؟۔׃։।॥።།။។᠃｡､｣﹐❞〞‟″",
    "**",
    "...",
    "?!",
    "),",
    '".',
    "\u200b",
    "\u202e",
    "!!!",
]


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("link", [SITE, f"{SITE}/", f"{SITE}/a/b", f"{SITE}/a?b=1&c=(2)", f"{SITE}:8443/x#y"])
def test_a_link_ends_where_the_address_ends(link: str, after: str) -> None:
    for text in (f"{link}{after}", f"see {link}{after} and then", f"{link}{after}\nnext"):
        assert found(text) == [(link, link)]


@pytest.mark.parametrize(
    "before", [*"(\"'«»“„[{<>*_:,;!。，「（【—|`=", "请看", "こちら", "смотри", "ดู", "👉", "siehe:"]
)
def test_a_link_begins_where_the_address_begins(before: str) -> None:
    assert found(f"{before}{SITE}/a") == [(f"{SITE}/a", f"{SITE}/a")]


@pytest.mark.parametrize(
    ("text", "links_found"),
    [
        ("Https://example.com/x", [("https://example.com/x", "Https://example.com/x")]),
        ("HTTP://EXAMPLE.COM", [("http://EXAMPLE.COM", "HTTP://EXAMPLE.COM")]),
        ("http://почта.рф/путь", [("http://почта.рф/путь", "http://почта.рф/путь")]),
        ("почта.рф!", [("https://почта.рф", "почта.рф")]),
        ("http://例え.jp/パス、次", [("http://例え.jp/パス", "http://例え.jp/パス")]),
        ("https://zh.wikipedia.org/wiki/中文", [("https://zh.wikipedia.org/wiki/中文",) * 2]),
        ("请看https://example.com谢谢", [(SITE, SITE)]),
        ("访问example.com吧", [(SITE, "example.com")]),
        ("(https://en.wikipedia.org/wiki/A_(b))", [("https://en.wikipedia.org/wiki/A_(b)",) * 2]),
        ("www.example.de.", [("https://www.example.de", "www.example.de")]),
        ("example.com/a_b, too", [("https://example.com/a_b", "example.com/a_b")]),
        ("http://localhost:3000/chat http://10.0.0.5", [("http://localhost:3000/chat",) * 2, ("http://10.0.0.5",) * 2]),
        ("https://web.archive.org/web/2020/https://example.com/", [(f"https://web.archive.org/web/2020/{SITE}/",) * 2]),
        ("a@b.c!", [("mailto:a@b.c", "a@b.c")]),
        ("<me.too+x@firma.berlin>", [("mailto:me.too+x@firma.berlin", "me.too+x@firma.berlin")]),
        ("请联系a@b.com。", [("mailto:a@b.com", "a@b.com")]),
        ("müller@firma.de", [("mailto:müller@firma.de", "müller@firma.de")]),
        ("mailto:a@b.com", [("mailto:a@b.com", "mailto:a@b.com")]),
        ("http://[::1]:3000/x, http://[2001:db8::1].", [("http://[::1]:3000/x",) * 2, ("http://[2001:db8::1]",) * 2]),
        ("http://[::1/x http://[:: http://[", []),
        ("https://my_bucket.example.com/a_b_", [("https://my_bucket.example.com/a_b_",) * 2]),
        (f"https://{SITE}/a", [(f"{SITE}/a",) * 2]),
        (f"{SITE}/a,{SITE}/b;{SITE}/c", [(f"{SITE}/a",) * 2, (f"{SITE}/b",) * 2, (f"{SITE}/c",) * 2]),
        (f"{SITE}/a,b;c", [(f"{SITE}/a,b;c",) * 2]),
        (f"{SITE}/a {SITE}/b", [(f"{SITE}/a",) * 2, (f"{SITE}/b",) * 2]),
        ("readme.md main.py Done.It e.g.this ASP.NET 1.2.3.4 3.5 a.b", []),
        ("javascript:alert(1) data:text/html,x ftp://a.com/x //a.com file:///etc/passwd xhttps://a.b", []),
        ("http:// https:// www. www.a a@b @a.com a@ mailto: http://.. http://", []),
    ],
)
def test_what_is_found_in_a_text(text: str, links_found: list[tuple[str, str]]) -> None:
    assert found(text) == links_found


@pytest.mark.parametrize(
    "text", ["<b>&\"'", 'https://a.b/<script>alert(1)</script>"', "a@b.com<img src=x>", 'www.a.b"x=y']
)
def test_everything_is_escaped(text: str) -> None:
    shown = LINK.sub(r"\2", str(render(text)))
    assert not re.search("[<>\"']", shown)
    assert unescape(shown) == text


PIECES = (
    *(". .", ".", ",", ">", ")", "(", "@", "www.", "%a.", "&gt;", "a.", "a-", "http://", "mailto:", "a@", "x.co,"),
    *("http://a.co ", "http://a/(", "http://a/[", "http://a/'", 'http://a/"', "http://a.b?", "a.com/(", "a.com "),
    *("a@b.c,", "a.b@c.de ", "https://a.b/((", "[](", "1.2.3.4.", "。https://a.b", "谢谢", "a" * 64 + "@"),
    *("\u0301\u0316", "://", "-", "http://[::1]", "http://[", "https://", "http://a_", "a,http://", "؟"),
    *("www.xn--", "xn--a.", "XN--"),
)


@pytest.mark.parametrize("start", ["https://", "a@", "https://[(www.", "www."])
def test_a_name_of_many_encoded_labels_is_read_at_once(start: str) -> None:
    assert seconds(start + "xn--a." * 30 + "-") < 0.2


def test_encoded_names_are_links() -> None:
    assert found("https://xn--bcher-kva.de/xn--a, www.XN--bcher-kva.xn--p1ai.") == [
        ("https://xn--bcher-kva.de/xn--a",) * 2,
        ("https://www.XN--bcher-kva.xn--p1ai", "www.XN--bcher-kva.xn--p1ai"),
    ]


def seconds(text: str) -> float:
    times = []
    for _ in range(3):
        begun = time.process_time()
        render(text)
        times.append(time.process_time() - begun)
    return min(times)


def test_no_text_costs_much_more_than_a_plain_one() -> None:
    plain = seconds(("How are you today? " * 500)[:8000])
    worst = max((seconds((piece * 8000)[:7998] + "x."), piece) for piece in PIECES)
    assert worst[0] < 20 * plain, worst


def test_a_text_is_rendered_once_however_many_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(10_000, render)
    monkeypatch.setattr(links, "_cache", cache)
    first = linkified(f"{SITE}/once")
    monkeypatch.setattr(cache, "_render", lambda text: pytest.fail("rendered again"))
    assert linkified(f"{SITE}/once") is first
    assert linkified("nothing to find") == "nothing to find"


def test_what_is_kept_of_rendered_texts_is_bounded_in_bytes() -> None:
    cache = Cache(50_000, render)
    for number in range(200):
        cache.shown(f"{SITE}/{number} {'x' * 1000}")
        assert cache.bytes <= 50_000
