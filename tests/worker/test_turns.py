"""Long work of one connection, in pieces between which the others go on."""

from __future__ import annotations

import itertools

import gevent
import pytest
from gevent.socket import socketpair

from supportchat.server.client_socket import PIECE, ClientSocket
from supportchat.server.connections import Connections
from supportchat.server.turns import MOST_BEGINNING, Turns
from supportchat.web.bodies import DeskRequest, Spool
from tests.attacks.browser import multipart

LARGE = bytes(8 * PIECE)


def test_a_large_body_is_handed_on_in_pieces_however_much_of_it_is_asked_for() -> None:
    ours, theirs = socketpair()
    slot = Connections(1, 0).enter("")
    assert slot is not None
    sending = gevent.spawn(theirs.sendall, LARGE)
    connection = ClientSocket(ours, slot, Turns(), 5.0)
    pieces: list[int] = []
    while sum(pieces) < len(LARGE):
        pieces.append(len(connection.recv(len(LARGE))))
    assert max(pieces) <= PIECE
    sending.join()
    connection.close()
    theirs.close()


def test_others_go_on_while_a_form_with_a_picture_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.server.turns.LONG_ROUND_SECONDS", 0.0)
    body, kind = multipart({"message": ""}, LARGE)
    spool = Spool(1024)
    spool.write(body)
    spool.seek(0)
    other = gevent.spawn(lambda: None)
    request = DeskRequest(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": kind,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": spool,
            "wsgi.input_terminated": True,
        }
    )
    request.max_content_length = 2 * len(body)
    assert request.files["image"].read() == LARGE
    assert other.ready()
    request.close()
    spool.close()


def test_of_many_new_connections_a_round_of_the_event_loop_takes_only_some() -> None:
    turns, begun, rounds = Turns(), [0], [0]

    def begin() -> None:
        turns.take_to_begin()
        begun[0] += 1

    check = gevent.get_hub().loop.check()
    check.start(lambda: rounds.append(begun[0]))
    gevent.joinall([gevent.spawn(begin) for _ in range(4 * MOST_BEGINNING)], raise_error=True)
    check.stop()
    assert begun == [4 * MOST_BEGINNING]
    assert max(later - earlier for earlier, later in itertools.pairwise(rounds)) <= MOST_BEGINNING
