"""A socket's frames go out whole, for whoever reads, however slowly."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import socketpair

from supportchat.realtime.safe_socket import SafeSocket

FRAME = bytes(range(256)) * 200
Pair = tuple[SafeSocket, socket.socket]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A socket to send by, whose patience is short, and who reads at its other end; with small buffers between."""
    monkeypatch.setattr("supportchat.realtime.safe_socket.SEND_SECONDS", 0.1)
    ours, theirs = socketpair()
    for each in (ours, theirs):
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            each.setsockopt(socket.SOL_SOCKET, buffer, 2048)
    yield SafeSocket(ours), theirs
    ours.close()
    theirs.close()


def test_who_reads_slowly_gets_everything(pair: Pair) -> None:
    ours, theirs = pair
    senders = [gevent.spawn(ours.send, frame) for frame in (FRAME, FRAME[::-1])]
    received = chunk = theirs.recv(4096)
    while chunk and len(received) < 2 * len(FRAME):
        gevent.sleep(0.01)  # longer in all than a reader may take nothing
        received += (chunk := theirs.recv(4096))
    assert received == FRAME + FRAME[::-1]  # whole, one after the other
    assert [sender.get() for sender in senders] == [len(FRAME), len(FRAME)]


def test_who_takes_nothing_is_cut_off(pair: Pair) -> None:
    ours, theirs = pair
    with pytest.raises(TimeoutError, match="does not read"):
        ours.send(FRAME)
    received = b""
    while chunk := theirs.recv(65536):
        received += chunk
    assert received == FRAME[: len(received)]
    assert len(received) < len(FRAME)
