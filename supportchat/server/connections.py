"""Limits on the connections of a process, in total and per address."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

from .buckets import Buckets, Limit
from .hosts import is_ipv4

NEW = Limit(512, 10)  # connections of one address, where they are limited
UNREADABLE = "unreadable"  # whoever a proxy calls by no address: they share the limits of one
LONGEST = 128  # characters of an address with its zone and port
# Some proxies write `192.0.2.1:5678`, or `[2001:db8::1]:80`. What has more colons and no brackets has no port.
WITH_PORT = re.compile(r"\[([^]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}", re.ASCII)
IPV6_BITS = 64  # what one household or server gets, with all its addresses


class Connections:
    """Counts connections, and hands out slots while there are any, to each address not too many in a short time."""

    def __init__(self, most: int, most_of_one: int) -> None:
        """:param most_of_one: per address, without sockets, which the hub counts. 0: no limit."""
        self._most = most
        self._most_of_one = most_of_one
        self._taken = 0
        self._of: Counter[str] = Counter()
        self._new = Buckets()

    def enter(self, address: str) -> Slot | None:
        """Return a slot for a connection from an address ('' if it has none); None if no slot is left."""
        home = network_of(address) if self._most_of_one else ""
        if self._taken >= self._most or (home and self._is_too_much(home)):
            return None
        self._taken += 1
        if home:
            self._of[home] += 1
        return Slot(self, home)

    def _is_too_much(self, home: str) -> bool:
        return self._of[home] >= self._most_of_one or bool(self._new.take(home, NEW))

    @property
    def are_closed(self) -> bool:
        """Whether every slot is free."""
        return not self._taken

    def leave(self) -> None:
        """Free a slot."""
        self._taken -= 1

    def leave_home(self, home: str) -> None:
        """Stop counting a connection towards its address."""
        self._of[home] -= 1
        if not self._of[home]:
            del self._of[home]


class Slot:
    """The slot of one connection, until it closes."""

    __slots__ = ("_connections", "_home")

    def __init__(self, connections: Connections, home: str) -> None:
        self._connections = connections
        self._home = home

    def count_elsewhere(self) -> None:
        """Stop counting this connection towards its address; its slot stays in use."""
        if self._home:
            self._connections.leave_home(self._home)
            self._home = ""

    def leave(self) -> None:
        """Free the slot, once."""
        self.count_elsewhere()
        self._connections.leave()


def network_of(text: str) -> str:
    """Return an IPv4 address without its port, the /64 of an IPv6 address, and `UNREADABLE` for what is neither."""
    if is_ipv4(text) or not text:
        return text
    text = text[:LONGEST]
    parts = WITH_PORT.fullmatch(text)
    host = parts[1] or parts[2] if parts else text
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return UNREADABLE
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, IPV6_BITS), strict=False))
    return str(found)
