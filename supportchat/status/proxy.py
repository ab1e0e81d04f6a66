"""The check of /status that inspects its own request, and what others sent: are the proxy settings right?"""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import Headers

from ..config import Config
from ..server.hosts import is_loopback
from .checks import Check

FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded")


def check_proxy(config: Config, headers: Headers, undeclared: str | None = None) -> Check:
    """Compare what the headers of a request say about proxies with the settings.

    :param undeclared: the address of a proxy that the settings do not count, by what other requests say.
    """
    state, text, fix = _finding(config, headers, undeclared)
    return Check("services", "proxy", state, text, fix)


def _finding(config: Config, headers: Headers, undeclared: str | None) -> tuple[str, str, str]:
    came = [name for name in FORWARDED if name in headers]
    addresses = len([part for part in headers.get("X-Forwarded-For", "").split(",") if part.strip()])
    if came and not config.trusted_proxies:
        return (
            "warn",
            _(
                "A proxy sends %(headers)s, but TRUSTED_PROXIES is 0: everyone seems to come from the proxy.",
                headers=", ".join(came),
            ),
            _("Set TRUSTED_PROXIES to the number of proxies in front of the desk and restart it.")
            if config.public_url
            else _(
                "Set TRUSTED_PROXIES to the number of proxies in front of the desk and PUBLIC_URL to the address that"
                " browsers use, and restart it."
            ),
        )
    if undeclared and not config.trusted_proxies:
        return (
            "warn",
            _(
                "Most recent requests come from %(address)s with the headers of a proxy, but TRUSTED_PROXIES is 0. If"
                " that is your proxy, everyone shares the limits of one address.",
                address=undeclared,
            ),
            _("Set TRUSTED_PROXIES to the number of proxies in front of the desk and restart it."),
        )
    if config.trusted_proxies > addresses:
        return (
            "warn",
            ngettext(
                "TRUSTED_PROXIES is %(proxies)s, but X-Forwarded-For holds %(num)s address. You bypassed a proxy, or"
                " there are fewer.",
                "TRUSTED_PROXIES is %(proxies)s, but X-Forwarded-For holds %(num)s addresses. You bypassed a proxy, or"
                " there are fewer.",
                addresses,
                proxies=config.trusted_proxies,
            ),
            _(
                "Set TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For, and make sure that no one"
                " can bypass them: they could fake the address they come from."
            ),
        )
    if not config.public_url and not is_loopback(config.host):
        return (
            "warn",
            _("PUBLIC_URL is not set: the desk accepts any host name."),
            _("Set PUBLIC_URL to the address that browsers use, and restart it."),
        )
    return "ok", _("browsers use %(address)s", address=config.address), ""
