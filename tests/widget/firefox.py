"""The widget in Firefox, by WebDriver BiDi: `FIREFOX=/usr/bin/firefox-esr pytest tests/widget/firefox.py`.

Not among the tests of `bin/test`: few machines have both browsers.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from supportchat.config import Config
from tests.cast import Agent, Cast
from tests.identity.conftest import SECRET, signed
from tests.server import desk_by_https, free_port, wait_for_port

from .conftest import SNIPPET

pytestmark = [
    pytest.mark.mode("postgres"),
    pytest.mark.skipif("FIREFOX" not in os.environ, reason="FIREFOX says where a Firefox is"),
]

SECONDS = 30
HEADERS = {
    "/strict": {
        "Content-Security-Policy": "default-src 'none'; script-src {desk}; frame-src {desk}; connect-src {desk}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    },
    "/isolated": {
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    },
    "/sandbox": {"Content-Security-Policy": "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox"},
}
BUTTON = "document.querySelector('support-chat')?.shadowRoot.querySelector('button')"
EXPANDED = f"{BUTTON}?.getAttribute('aria-expanded')"
READY = "document.querySelector('support-chat')?.shadowRoot.querySelector('.panel.ready') != null"


class Firefox:
    """A browser with one tab."""

    def __init__(self, program: str, folder: Path) -> None:
        command = [program, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr
        address = next(found[0] for line in self._process.stderr if (found := re.search(r"ws://\S+", line)))
        self._reader = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reader.start()
        self._socket = connect(f"{address}/session", max_size=None)
        self._said = 0
        self.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self.tab = self.call("browsingContext.create", type="tab")["context"]

    def call(self, method: str, **parameters: Any) -> Any:
        """Have the browser do something, and return what it answers."""
        self._said += 1
        self._socket.send(json.dumps({"id": self._said, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=SECONDS))).get("id") != self._said:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address: str) -> None:
        """Load a page, and wait for its button."""
        self.call("browsingContext.navigate", context=self.tab, url=address, wait="complete")
        self.until(f"{BUTTON} != null")

    def value(self, expression: str, context: str | None = None) -> Any:
        """Return what an expression is, in the page or in the chat."""
        answer = self.call(
            "script.evaluate", expression=expression, target={"context": context or self.tab}, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def until(self, expression: str, is_so: Any = True, *, in_chat: bool = False) -> None:
        """Wait until an expression has a value."""
        wait_for(lambda: self.value(expression, self.chat if in_chat else None) == is_so, expression)

    @property
    def chat(self) -> str:
        """The frame with the chat."""
        wait_for(lambda: self._frames(), "the frame")
        return str(self._frames()[0]["context"])

    def _frames(self) -> Any:
        return self.call("browsingContext.getTree", root=self.tab)["contexts"][0]["children"]

    def tabs(self) -> int:
        """Return how many tabs there are."""
        return len(self.call("browsingContext.getTree")["contexts"])

    def click_button(self) -> None:
        """Click the button of the widget as somebody with a mouse does."""
        box = f"{BUTTON}.getBoundingClientRect()"
        x, y = (
            self.value(f"Math.round({box}.{start} + {box}.{size} / 2)")
            for start, size in (("x", "width"), ("y", "height"))
        )
        moves = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.call(
            "input.performActions", context=self.tab, actions=[{"type": "pointer", "id": "mouse", "actions": moves}]
        )

    def type(self, text: str) -> None:
        """Type into whatever has the focus in the chat."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("input.performActions", context=self.chat, actions=[{"type": "key", "id": "keys", "actions": keys}])

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()


def wait_for(is_so: Callable[[], Any], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def shop(config: Config, rows: Any, cast: Cast, tmp_path: Path) -> Iterator[str]:
    """The address of a shop on another site than its desk, both by https."""
    port = free_port()
    rows("update sites set allowed_origins = array[%s], follow_pages = true", f"https://127.0.0.1:{port}")
    carol = cast.agent("carol")
    carol.call("change_identity", key="main", values={"method": "secret"})
    carol.call("add_site_secret", key="main", secret=SECRET)
    with desk_by_https(config, tmp_path) as desk:

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"<!doctype html><title>Shop</title><h1>Shop</h1>{SNIPPET}".replace("{desk}", desk).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                for name, value in HEADERS.get(self.path, {}).items():
                    self.send_header(name, value.replace("{desk}", desk))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        pages = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        folder = tmp_path / "shop"
        folder.mkdir()
        proxy = subprocess.Popen([sys.executable, "-m", "tests.tls", str(port), str(pages.server_port), str(folder)])
        wait_for_port(port)
        yield f"https://127.0.0.1:{port}"
        proxy.kill()
        proxy.wait()
        pages.shutdown()
        pages.server_close()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    """A browser that has been nowhere yet."""
    folder = tmp_path / "profile"
    folder.mkdir()
    browser = Firefox(os.environ["FIREFOX"], folder)
    yield browser
    browser.close()


def start(firefox: Firefox, text: str) -> None:
    """Open the chat, and write the first message."""
    firefox.click_button()
    firefox.until(READY)
    firefox.value("document.querySelector('[data-text]').focus()", firefox.chat)
    firefox.type(text)
    firefox.value("document.querySelector('#start button:not([type=button])').click()", firefox.chat)
    firefox.until("document.querySelector('[data-messages] .bubble')?.textContent.trim()", text, in_chat=True)
    firefox.until("document.documentElement.dataset.live", "yes", in_chat=True)


@pytest.mark.parametrize("path", ["/", "/strict", "/isolated"])
def test_a_customer_opens_the_chat_writes_and_closes_it(path: str, firefox: Firefox, shop: str, rows: Any) -> None:
    firefox.open(shop + path)
    assert firefox.value("crossOriginIsolated") is (path == "/isolated")
    start(firefox, "Hello from Firefox")
    assert rows("select count(*) from user_sessions") == [(1,)]
    firefox.type("\ue00c")  # Esc
    firefox.until(EXPANDED, "false")
    firefox.until("document.activeElement.localName", "support-chat")
    firefox.open(f"{shop}/next")
    firefox.click_button()
    firefox.until(
        "document.querySelector('[data-messages] .bubble')?.textContent.trim()", "Hello from Firefox", in_chat=True
    )
    pages = "select jsonb_array_elements(pages) ->> 'url' from customer_pages"
    wait_for(lambda: rows(pages) == [(shop + path,), (f"{shop}/next",)], "pages")


def test_what_is_unread_shows_before_the_chat_is_opened(firefox: Firefox, shop: str, alice: Agent) -> None:
    firefox.open(shop)
    start(firefox, "Is anybody there?")
    firefox.type("\ue00c")
    firefox.until(EXPANDED, "false")
    firefox.value("sessionStorage.clear()")  # another visit
    alice.reply(1001, "Yes")
    firefox.open(f"{shop}/later")
    firefox.until(f"{BUTTON}.ariaLabel", "Chat with us (1)")


def test_a_customer_is_named_and_logs_out(firefox: Firefox, shop: str, rows: Any) -> None:
    firefox.open(shop)
    start(firefox, "My secret")
    firefox.value(f"supportchat.identify('{signed(sub='vera')}')")
    wait_for(lambda: rows("select count(*) from person_keys") == [(1,)], "the person")
    firefox.until("document.documentElement.dataset.live", "yes", in_chat=True)
    firefox.value("supportchat.logout(); location.assign('/goodbye')")
    wait_for(lambda: rows("select count(*) from person_keys") == [(0,)], "the logout")
    firefox.until("localStorage.getItem('supportchat:main')", "")


def test_in_a_sandbox_the_button_opens_a_tab(firefox: Firefox, shop: str) -> None:
    firefox.open(f"{shop}/sandbox")
    before = firefox.tabs()
    firefox.click_button()
    wait_for(lambda: firefox.tabs() == before + 1, "the tab")
