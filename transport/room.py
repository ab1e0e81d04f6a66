"""How many connections a process takes, in all and from one address."""

from __future__ import annotations

import ipaddress
from collections import Counter

IPV6_BITS = 64  # what one household or server is given; it has all the addresses in it


class Room:
    """The seats for connections."""

    def __init__(self, most: int, most_of_one: int) -> None:
        """:param most_of_one: from one address, sockets not counted: the hub counts those. 0: as many as there are."""
        self._most = most
        self._most_of_one = most_of_one
        self._taken = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> Seat | None:
        """Give a seat to a connection from an address, '' for one of no address; None when there is none left."""
        home = network_of(address) if self._most_of_one else ""
        if self._taken >= self._most or (home and self._of[home] >= self._most_of_one):
            return None
        self._taken += 1
        if home:
            self._of[home] += 1
        return Seat(self, home)

    def leave(self) -> None:
        """Free a seat."""
        self._taken -= 1

    def leave_home(self, home: str) -> None:
        """Count a connection at its address no more."""
        self._of[home] -= 1
        if not self._of[home]:
            del self._of[home]


class Seat:
    """The place of one connection, until it leaves."""

    def __init__(self, room: Room, home: str) -> None:
        self._room = room
        self._home = home

    def count_elsewhere(self) -> None:
        """Count this connection among those of its address no more; its seat stays taken."""
        if self._home:
            self._room.leave_home(self._home)
            self._home = ""

    def leave(self) -> None:
        """Free the seat, once."""
        self.count_elsewhere()
        self._room.leave()


def network_of(text: str) -> str:
    """Give an address of IPv4 as it is, and the /64 of one of IPv6."""
    try:
        found = ipaddress.ip_address(text[:64].partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, IPV6_BITS), strict=False))
    return str(found)
