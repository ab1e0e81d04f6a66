"""Connections to push services. Browsers name their addresses, so none may lead to where only the desk can go."""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import httpcore

MOST_CHARACTERS = 1000
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# The only part of IPv6 that is the internet's; all others are of one's own network, or lead to it.
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What else is not for everybody (RFC 6890, 7526, 9637), and which versions of Python take for public.
SPECIAL = [ipaddress.ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublicError(Exception):
    """A host whose name leads to an address that is not public."""


def is_good_endpoint(endpoint: str) -> bool:
    """Whether this may be the address of a push service: https, at its own port, at a name and not at an IP address."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_plain = (
        endpoint.isascii() and endpoint.isprintable() and " " not in endpoint and len(endpoint) <= MOST_CHARACTERS
    )
    is_named = "." in host and not host.rpartition(".")[2].isdigit() and ":" not in host
    return is_plain and is_named and parts.scheme == "https" and port in (None, 443) and "@" not in parts.netloc


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, also where one of IPv4 is written as one of IPv6."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if found not in GLOBAL_UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in SPECIAL)


class CheckedNetwork(httpcore.NetworkBackend):
    """Looks up a name itself, and connects to the very address that it has checked."""

    def __init__(self, is_allowed: Callable[[str], bool] = is_public) -> None:
        self._sockets = httpcore.SyncBackend()
        self._is_allowed = is_allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host, if all that its name leads to is public.

        :raise NotPublicError: when it is not. :raise httpcore.ConnectError: when it cannot be reached.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise NotPublicError(host)
        for address in addresses[:-1]:
            try:
                return self._sockets.connect_tcp(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._sockets.connect_tcp(addresses[-1], port, timeout)


def open_pool(
    is_allowed: Callable[[str], bool] = is_public, trusted: ssl.SSLContext | None = None
) -> httpcore.ConnectionPool:
    """Return connections to push services, which are kept for a while. Nothing is redirected, and no proxy is used.

    :param is_allowed: which addresses may be connected to. :param trusted: whose certificates count.
    """
    return httpcore.ConnectionPool(
        ssl_context=trusted or _system(),
        max_connections=20,
        max_keepalive_connections=10,
        keepalive_expiry=30.0,
        network_backend=CheckedNetwork(is_allowed),
    )


@functools.cache
def _system() -> ssl.SSLContext:
    return ssl.create_default_context()
