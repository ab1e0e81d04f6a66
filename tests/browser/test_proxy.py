"""A proxy at another port, which asks the desk by a name of its own and says nothing of the one that browsers use."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from supportchat.config import Config
from supportchat.database import Database
from tests.server import Server, free_port

from .conftest import Agent, Customer


class Pipe(socketserver.BaseRequestHandler):
    """One connection through the proxy."""

    def handle(self) -> None:
        """Pass everything on, both ways, with another Host."""
        proxy = self.server
        assert isinstance(proxy, Proxy)
        with socket.create_connection(("127.0.0.1", proxy.behind)) as server:
            back = threading.Thread(target=_copy, args=(server, self.request))
            back.start()
            _copy(self.request, server, (b"Host: 127.0.0.1:%d" % proxy.port, b"Host: 127.0.0.1:%d" % proxy.behind))
            back.join()


def _copy(source: socket.socket, target: socket.socket, rewritten: tuple[bytes, bytes] = (b"", b"")) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data.replace(*rewritten, 1) if rewritten[0] else data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy before a server that listens at the port `behind`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, behind: int) -> None:
        self.port = port
        self.behind = behind
        super().__init__(("127.0.0.1", port), Pipe)


@pytest.fixture
def address(config: Config) -> Iterator[str]:
    """Where browsers reach a desk that stands behind such a proxy."""
    port = free_port()
    server = Server(config, PUBLIC_URL=f"http://127.0.0.1:{port}")
    server.start()
    with Proxy(port, server.port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.kill()
        proxy.shutdown()


def test_pages_are_live_behind_a_proxy_that_keeps_the_host_to_itself(
    browser: Browser, address: str, database: Database
) -> None:
    vera, alice = (kind(browser.new_context(locale="en-GB"), address, database) for kind in (Customer, Agent))
    assert isinstance(vera, Customer)
    assert isinstance(alice, Agent)
    alice.log_in()
    alice.is_live()
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    alice.press("Copy chat link")
    is_copied = "address => navigator.clipboard.readText().then((text) => text === address)"
    alice.page.wait_for_function(is_copied, arg=f"{address}/chat")
    vera.fill_in("Hello from outside")
    vera.is_live()
    alice.open().write("Live, too")
    vera.sees("Live, too")
    for window in (vera, alice):
        window.context.close()
        assert window.complaints == []
