"""The check of /status that looks at its own request: does the desk know what stands before it?"""

from __future__ import annotations

from werkzeug.datastructures import Headers

from ..config import Config
from ..web.security import is_loopback
from .checks import Check

FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded")


def check_proxy(config: Config, headers: Headers) -> Check:
    """Return what the headers of a request say about the proxies before the desk, beside what the settings say."""
    state, text, mend = _finding(config, headers)
    return Check("Services", "Proxy", state, text, mend)


def _finding(config: Config, headers: Headers) -> tuple[str, str, str]:
    came = [name for name in FORWARDED if name in headers]
    addresses = len([part for part in headers.get("X-Forwarded-For", "").split(",") if part.strip()])
    if came and not config.trusted_proxies:
        return (
            "warn",
            f"A proxy sends {' and '.join(came)}, but TRUSTED_PROXIES is 0: everybody seems to come from the proxy.",
            "Set TRUSTED_PROXIES to the number of proxies before the desk,"
            f"{'' if config.public_url else ' and PUBLIC_URL to the address that browsers use,'} and start it again.",
        )
    if config.trusted_proxies > addresses:
        return (
            "warn",
            f"TRUSTED_PROXIES is {config.trusted_proxies}, but X-Forwarded-For holds {addresses or 'no'}"
            f" address{'' if addresses == 1 else 'es'}. You have come past the proxies, or there are fewer.",
            "Set TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For, and let nobody reach the desk"
            " past them: they could make up the address that they come from.",
        )
    if not config.public_url and not is_loopback(config.host):
        return (
            "warn",
            "PUBLIC_URL is not set: the desk answers to any name.",
            "Set PUBLIC_URL to the address that browsers use, and start it again.",
        )
    return "ok", f"browsers come to {config.address}", ""
