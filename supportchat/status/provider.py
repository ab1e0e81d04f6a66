"""The check of /status that asks the provider by which people log in, where there is one."""

from __future__ import annotations

import time

from authlib.oidc.discovery import get_well_known_url
from flask_babel import gettext as _

from ..config import current_config
from ..provider.errands import UNREACHABLE, Errand, ProviderError
from ..provider.flows import CALLBACK
from ..provider.provider import Provider, current_provider
from .checks import Check


def check_provider() -> list[Check]:
    """Ask the provider what it says of itself, and say what has to be registered there; nothing without a provider."""
    provider = current_provider()
    if provider is None:
        return []
    start = time.perf_counter()
    state, text, fix = _finding(provider)
    return [Check("services", "provider", state, text, fix, milliseconds=(time.perf_counter() - start) * 1000)]


def _finding(provider: Provider) -> tuple[str, str, str]:
    address = current_config().address + CALLBACK
    try:
        provider.try_out(Errand())
    except ProviderError as error:
        text = (
            _("%(issuer)s cannot be reached (%(reason)s).", issuer=provider.issuer, reason=error.reason)
            if error.code == UNREACHABLE
            else _("%(issuer)s does not answer as it should (%(reason)s).", issuer=provider.issuer, reason=error.reason)
        )
        asked = get_well_known_url(provider.issuer, external=True)
        fix = _(
            "People can still log in with their passwords. Check OIDC_ISSUER, and whether this server reaches"
            " %(address)s.",
            address=asked,
        )
        return "fail", text, fix
    return "ok", _("%(issuer)s answers; register %(address)s there", issuer=provider.issuer, address=address), ""
