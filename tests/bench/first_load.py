"""The first load of /chat: what a browser without a cache asks for, how much that is, and how long the server takes."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import urljoin

from tests.faults.desk import Desk as Server

from .crowd import percentile
from .meter import Meter
from .report import Line
from .wire import HTTPS, Answer, Browser

IMPORTS = {
    "css": re.compile(rb"""@import\s+(?:url\()?["']?([^"')]+)|url\(["']?([^"')]+)"""),
    "javascript": re.compile(rb"""(?:^|[;\n}])\s*(?:import|export)\b[^"'();]*["']([^"']+)["']"""),
}
PAGE_HEADERS = "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nUpgrade-Insecure-Requests: 1\r\n"
TIMES = 40


class References(HTMLParser):
    """What a page has a browser fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note stylesheets, scripts, preloads, icons and pictures."""
        values = dict(attrs)
        relations = (values.get("rel") or "").split()
        if tag == "link" and {"stylesheet", "icon", "preload", "modulepreload", "manifest"}.intersection(relations):
            self.found.append(values.get("href") or "")
        elif tag in ("script", "img") and values.get("src"):
            self.found.append(values["src"] or "")


async def load_everything(browser: Browser, path: str) -> dict[str, Answer]:
    """Load a page and all that it needs, each once."""
    answers: dict[str, Answer] = {}
    waiting = [path]
    while waiting:
        address = waiting.pop()
        if address in answers or address.startswith(("data:", "http")):
            continue
        answers[address] = await browser.ask("GET", address, PAGE_HEADERS if address == path else "", encodings=HTTPS)
        assert answers[address].status == 200, address
        # Once more, to be read here.
        waiting += references(address, await browser.ask("GET", address, encodings="identity"))
    return answers


def references(path: str, answer: Answer) -> list[str]:
    """Return the addresses that an answer has a browser fetch."""
    kind, body = answer.header("content-type"), answer.body
    if "html" in kind:
        parser = References()
        parser.feed(body.decode())
        return [urljoin(path, found) for found in parser.found]
    for name, pattern in IMPORTS.items():
        if name in kind:
            found = [next(filter(None, match.groups())).decode() for match in pattern.finditer(body)]
            return [urljoin(path, address) for address in found if not address.startswith(("data:", "#"))]
    return []


async def measure_first_load(server: Server, meter: Meter) -> list[Line]:
    """Load the page as a new customer, and count."""
    browser = Browser("127.0.0.1", server.port)
    answers = await load_everything(browser, "/chat")
    took, before = [], meter.read()
    for _ in range(TIMES):
        fresh = Browser("127.0.0.1", server.port)
        await fresh.get("/healthz")  # the connection is there
        start = time.monotonic()
        await fresh.ask("GET", "/chat", PAGE_HEADERS, encodings=HTTPS)
        took.append(1000 * (time.monotonic() - start))
        fresh.close()
    used = meter.read() - before
    browser.close()
    bodies = sum(len(answer.body) for answer in answers.values())
    heads = sum(answer.head_bytes for answer in answers.values())
    codings = sorted({answer.header("content-encoding") or "none" for answer in answers.values()})
    return [
        Line("first load of /chat, requests", f"{len(answers)}", must="12", aim="8"),
        Line(
            "first load of /chat, bytes",
            f"{bodies / 1000:.1f} kB + {heads / 1000:.1f} kB headers ({', '.join(codings)})",
            must="60 kB",
            aim="45 kB",
        ),
        Line(
            "GET /chat, server time p50",
            f"{percentile(took, 0.5):.1f} ms ({1000 * used.server / TIMES:.1f} ms CPU with a GET of /healthz)",
            must="5 ms",
        ),
    ]
