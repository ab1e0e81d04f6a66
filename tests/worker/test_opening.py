"""Thousands of pages that come back at once: few of them are let in at a time, and nobody else waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import socketpair

from supportchat.server.client_socket import ClientSocket, is_handshake
from supportchat.server.connections import Connections
from supportchat.server.turns import MOST_OPENING, Turns

HEAD = b"GET /chat/ws HTTP/1.1\r\nHost: desk\r\nUpgrade: WebSocket\r\n\r\n"


class Client:
    """A client's end of a connection, and the worker's."""

    def __init__(self, turns: Turns, connections: Connections) -> None:
        ours, self.end = socketpair()
        slot = connections.enter("")
        assert slot is not None
        self.ours = ClientSocket(ours, slot, turns, 10)

    def ask(self, request: bytes) -> gevent.Greenlet[[int], bytes]:
        """Send a request, and have the worker receive it."""
        self.end.sendall(request)
        receiving = gevent.spawn(self.ours.recv, 8192)
        gevent.sleep(0.01)
        return receiving


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    """One more than may open a websocket at once, and another."""
    turns, connections = Turns(), Connections(100, 0)
    made = [Client(turns, connections) for _ in range(MOST_OPENING + 2)]
    yield made
    for client in made:
        client.end.close()
        client.ours.close()


def test_so_many_websockets_are_opened_at_once_and_the_next_when_one_is(clients: list[Client]) -> None:
    asked = [client.ask(HEAD) for client in clients]
    assert [asking.ready() for asking in asked] == [True] * MOST_OPENING + [False] * 2
    clients[0].ours.become_websocket()
    clients[1].ours.end_opening()  # it was refused
    gevent.joinall(asked, timeout=5, raise_error=True)
    assert asked[-1].get() == HEAD


def test_who_asks_for_something_else_passes_meanwhile(clients: list[Client]) -> None:
    *pages, other = clients
    for page in pages:
        page.ask(HEAD)
    request = HEAD.replace(b"Upgrade", b"Accept")
    assert other.ask(request).get(timeout=5) == request


def test_a_page_whose_socket_is_open_takes_no_turn_of_others(clients: list[Client]) -> None:
    first = clients[0]
    first.ask(HEAD)
    first.ours.become_websocket()
    for _ in range(MOST_OPENING):
        assert first.ask(HEAD).get(timeout=5) == HEAD
    assert clients[1].ask(HEAD).get(timeout=5) == HEAD


@pytest.mark.parametrize("data", [HEAD[:-2], HEAD.replace(b"GET", b"PUT"), HEAD.replace(b"Upgrade", b"Up"), b""])
def test_what_could_keep_others_waiting_takes_no_turn(data: bytes) -> None:
    assert is_handshake(HEAD)
    assert not is_handshake(data)
