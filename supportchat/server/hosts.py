"""Hosts as addresses carry them. It loads nothing of the app: gunicorn's parent process uses it."""

from __future__ import annotations


def host_and_port(host: str, port: int | str) -> str:
    """Return `host:port`, with an address of IPv6 in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
