"""Hosts in addresses. It must not load the app: gunicorn's parent process uses it."""

from __future__ import annotations

import ipaddress
import socket


def host_and_port(host: str, port: int | str) -> str:
    """Return `host:port`, with IPv6 addresses in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if is_ipv4(host):
        return host.startswith("127.")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_ipv4(text: str) -> bool:
    """Whether this is an address of IPv4. `ipaddress` takes ten times as long, and most addresses are."""
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):  # the second for characters that no address has
        return False
    return True
