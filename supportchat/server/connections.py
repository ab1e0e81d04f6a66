"""How many connections a process takes, in all and from one address."""

from __future__ import annotations

import ipaddress
from collections import Counter

IPV6_BITS = 64  # what one household or server is given; it has all the addresses in it


class Connections:
    """Counts connections, and gives each a slot while there is one."""

    def __init__(self, most: int, most_of_one: int) -> None:
        """:param most_of_one: from one address, sockets not counted: the hub counts those. 0: as many as there are."""
        self._most = most
        self._most_of_one = most_of_one
        self._taken = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> Slot | None:
        """Return a slot for a connection from an address, '' for one of no address; None when there is none left."""
        home = network_of(address) if self._most_of_one else ""
        if self._taken >= self._most or (home and self._of[home] >= self._most_of_one):
            return None
        self._taken += 1
        if home:
            self._of[home] += 1
        return Slot(self, home)

    def leave(self) -> None:
        """Free a slot."""
        self._taken -= 1

    def leave_home(self, home: str) -> None:
        """Count a connection at its address no more."""
        self._of[home] -= 1
        if not self._of[home]:
            del self._of[home]


class Slot:
    """The place of one connection, until it leaves."""

    def __init__(self, connections: Connections, home: str) -> None:
        self._connections = connections
        self._home = home

    def count_elsewhere(self) -> None:
        """Count this connection among those of its address no more; its slot stays taken."""
        if self._home:
            self._connections.leave_home(self._home)
            self._home = ""

    def leave(self) -> None:
        """Free the slot, once."""
        self.count_elsewhere()
        self._connections.leave()


def network_of(text: str) -> str:
    """Return an address of IPv4 as it is, and the /64 of one of IPv6."""
    try:
        found = ipaddress.ip_address(text[:64].partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, IPV6_BITS), strict=False))
    return str(found)
