"""Hosts in addresses. It must not load the app: gunicorn's parent process uses it."""

from __future__ import annotations


def host_and_port(host: str, port: int | str) -> str:
    """Return `host:port`, with IPv6 addresses in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
