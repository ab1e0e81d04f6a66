"""Addresses as browsers write them into `Origin`: one that is written otherwise equals nothing that they ever send.

The rules are those of https://url.spec.whatwg.org/#host-parsing.
"""

from __future__ import annotations

import ipaddress
import re

import idna

ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<ipv6>[0-9a-f:.]+)]|(?P<wildcard>\*\.)?(?P<name>[^]\s/?#@:\\[]+))(?::(?P<port>[0-9]*))?/?",
    re.IGNORECASE,
)
NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?")
DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(address: str, *, wildcard: bool = False) -> str:
    """Return the origin of an address that has no path.

    :param wildcard: whether `*.` may stand before the name, as in a Content-Security-Policy.
    :raise ValueError: when no browser could be at this address.
    """
    found = ADDRESS.fullmatch(address)
    if found is None or (found["wildcard"] and not wildcard):
        raise ValueError(f"{address!r} is no address")
    scheme = found["scheme"].lower()
    host = f"[{ipaddress.IPv6Address(found['ipv6'])}]" if found["ipv6"] else _host(found["name"])
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 1 <= port <= 65535:
        raise ValueError(f"{port} is no port")
    shown = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{found['wildcard'] or ''}{host}{shown}"


def _host(name: str) -> str:
    host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    if NAME.fullmatch(host) is None:
        raise ValueError(f"{host!r} is no name of a host")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.removesuffix(".").rpartition(".")[2]):
        return str(ipaddress.IPv4Address(host))  # what ends in a number is one to browsers, also in short: 127.1
    return host
