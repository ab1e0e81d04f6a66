"""What can go wrong with an HTTP service on purpose: switched on by a method, off by `heal`."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Kind = Literal["page", "answer", "redirect", "hang", "slow", "cut_before", "cut_after"]
FOR_EVER = 1_000_000


@dataclasses.dataclass
class Fault:
    """One fault: what happens, to whom, and how many times more."""

    kind: Kind
    only: str | None
    times: int
    status: int = 502
    seconds: float = 0.0
    body: Any = None


class Faults:
    """The faults of one service. `only` limits one to a name: a function for rest, an action for storage."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def heal(self) -> None:
        """Switch every fault off."""
        self._faults = []

    def answer_with_page(self, status: int = 502, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Answer as the gateway does while the service is away: an HTML page with 502, 503, 520 ..."""
        self._add(Fault("page", only, times, status=status))

    def answer_with(self, status: int, body: Any, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Answer with this status and this JSON."""
        self._add(Fault("answer", only, times, status=status, body=body))

    def redirect(self, address: str, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Send requests elsewhere, to be repeated there as they are."""
        self._add(Fault("redirect", only, times, body=address))

    def hang(self, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Take requests and never answer them."""
        self._add(Fault("hang", only, times))

    def slow_down(self, seconds: float, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Let every request wait before it is served."""
        self._add(Fault("slow", only, times, seconds=seconds))

    def cut_before(self, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Cut the connection when a request has come in, before anything was done."""
        self._add(Fault("cut_before", only, times))

    def cut_after(self, *, only: str | None = None, times: int = FOR_EVER) -> None:
        """Do what a request wants (the transaction commits), and cut the connection instead of answering."""
        self._add(Fault("cut_after", only, times))

    async def around(self, name: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve a request, with the fault that is switched on for it."""
        fault = self._take(name)
        if fault is None:
            return await handler(request)
        if fault.kind == "page":
            return gateway_page(fault.status)
        if fault.kind == "answer":
            return web.json_response(fault.body, status=fault.status)
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": fault.body})
        if fault.kind == "hang":
            await asyncio.Event().wait()
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return await handler(request)
        if fault.kind == "cut_after":
            await handler(request)
        reset(request)
        raise asyncio.CancelledError  # there is nobody left to answer

    def _add(self, fault: Fault) -> None:
        self._faults = [fault, *self._faults]

    def _take(self, name: str) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and fault.only in (None, name):
                fault.times -= 1
                return fault
        return None


def gateway_page(status: int) -> web.Response:
    """Return what stands in for an answer while the service behind the gateway is away."""
    text = f"<html>\n<head><title>{status} Bad gateway</title></head>\n<body><h1>Error {status}</h1></body>\n</html>\n"
    return web.Response(status=status, text=text, content_type="text/html")


def reset(request: web.Request) -> None:
    """Cut the connection with a TCP reset, without a word."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
