"""The check of /status that nobody but the server reaches what is the desk's, in words, with the SQL that closes it."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from ..database.rows import Exposure
from .findings import Finding

SENTENCES = 3  # the statements name all
_ABOVE = lazy_gettext("The role %(role)s bypasses all restrictions (%(rights)s).")
SAID = {
    "key": lazy_gettext("The desk’s own key is one for browsers: its role is %(role)s."),
    "grant": lazy_gettext("%(role)s has access to %(thing)s (%(rights)s)."),
    "owner": lazy_gettext("%(role)s owns %(thing)s."),
    "default": lazy_gettext("%(role)s gets access to everything that is created in the schema %(thing)s."),
    "row_security": lazy_gettext("Row-level security is off for %(thing)s."),
    "no_policy": lazy_gettext("The policy server_only of %(thing)s is missing or has been changed."),
    "policy": lazy_gettext("The policy %(rights)s of %(thing)s lets %(role)s in."),
    "published": lazy_gettext("The publication %(rights)s sends changes of %(thing)s to browsers."),
    "attribute": _ABOVE,
    "bypass": _ABOVE,
    "superuser": _ABOVE,
    "member": lazy_gettext("%(role)s is a member of the role %(thing)s and has its access."),
    "lends": lazy_gettext("%(role)s can call %(thing)s, which reads the desk’s tables with its owner’s rights."),
    "realtime": lazy_gettext("A policy of %(thing)s gives %(role)s access to the desk’s events (%(rights)s)."),
    "storage": lazy_gettext("A policy of %(thing)s gives %(role)s access to the chats’ pictures (%(rights)s)."),
}


def describe(exposures: list[Exposure]) -> Finding:
    """Say what others than the server can reach: it fails, unless all there is are further superusers."""
    if not exposures:
        return Finding("ok", _("nobody but the desk’s server has access to its tables and functions"))
    sentences = list(dict.fromkeys(_sentence(exposure) for exposure in exposures))
    text = " ".join(sentences[:SENTENCES])
    if len(sentences) > SENTENCES:
        text += " " + ngettext("%(num)s more finding.", "%(num)s more findings.", len(sentences) - SENTENCES)
    state = "warn" if {exposure["kind"] for exposure in exposures} == {"superuser"} else "fail"
    return Finding(state, text, _fix(exposures), sql=_statements(exposures))


def _statements(exposures: Iterable[Exposure]) -> str:
    return "\n".join(dict.fromkeys(exposure["fix"] for exposure in exposures if exposure["fix"]))


def _fix(exposures: list[Exposure]) -> str:
    if any(exposure["kind"] == "key" for exposure in exposures):
        return _("Set SUPABASE_SECRET_KEY to the project’s secret key (Settings > API Keys) and restart.")
    return _("If that isn’t intended, run these statements in the SQL editor, as the owner of the database.")


def _sentence(exposure: Exposure) -> str:
    values = {key: exposure[key] or "" for key in ("role", "thing", "rights")}
    return str(SAID[exposure["kind"]]) % values
