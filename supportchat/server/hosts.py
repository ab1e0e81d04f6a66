"""Hosts in addresses. It must not load the app: gunicorn's parent process uses it."""

from __future__ import annotations

import ipaddress


def host_and_port(host: str, port: int | str) -> str:
    """Return `host:port`, with IPv6 addresses in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
