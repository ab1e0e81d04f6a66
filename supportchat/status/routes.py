"""The health of the desk for admins; for machines, whether the process is alive and can serve."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from ..config import current_config
from ..database import FUNCTIONS, DatabaseError, Unavailable, call
from ..web.htmx import from_htmx
from ..web.policies import for_people_with, open_to_all
from ..web.proxies import undeclared_proxy
from .checks import GROUPS, Check, Checks
from .provider import check_provider
from .proxy import check_proxy
from .since import FirstSeen

bp = Blueprint("status", __name__)

# The three queries of the set-up guide, for any SQL editor.
QUERIES = (
    ("sessions", lazy_gettext("Check sessions"), "SELECT * FROM user_sessions ORDER BY created_at DESC LIMIT 5;"),
    ("messages", lazy_gettext("Check messages"), "SELECT * FROM chat_messages ORDER BY created_at DESC LIMIT 10;"),
    (
        "tickets",
        lazy_gettext("Check tickets created from chat"),
        "SELECT * FROM tickets WHERE channel = 'web-chat' ORDER BY created_at DESC LIMIT 5;",
    ),
)


@bp.get("/status")
@for_people_with("see_status")
def show() -> ResponseReturnValue:
    """Show the health of the desk, and how to fix problems."""
    values = _report()
    if from_htmx():
        return render_template("status/_report.html", **values)
    return render_template("status/show.html", agent=g.agent, **values)


@bp.get("/healthz")
@open_to_all
def healthz() -> ResponseReturnValue:
    """Report that the process is alive."""
    return {"status": "ok"}


@bp.get("/readyz")
@open_to_all
def readyz() -> ResponseReturnValue:
    """Report whether the process can serve: the database responds, and has all that a conversation needs."""
    try:
        if call("missing_functions", names=sorted(FUNCTIONS)):
            raise Unavailable("schema_missing")
        call("database_epoch")  # the only function that needs more than tables
    except DatabaseError as error:
        return {"status": "unavailable", "reason": error.code}, 503
    return {"status": "ok"}


def _report() -> dict[str, Any]:
    app = current_app
    examined = Checks(app.extensions["database"], app.extensions["images"], app.extensions["hub"])
    checks = examined.run()
    checks += check_provider()
    checks.append(check_proxy(current_config(), request.headers, undeclared_proxy()))
    app.extensions.setdefault("first_seen", FirstSeen()).note(checks)
    figures = examined.figures
    return {
        "checks": checks,
        "groups": GROUPS,
        "figures": figures,
        "agents": _or_none("list_agents"),
        "headline": headline(checks, figures["waiting"] if figures else 0),
        "mode": current_config().mode,
        "queries": QUERIES,
        "results": _or_none("verify_chat"),
    }


def headline(checks: list[Check], waiting: int) -> tuple[str, str]:
    """Return the overall state, and the first sentence of the page: what is broken, or how many wait."""
    failing = [check for check in checks if check.state == "fail"]
    warnings = [check for check in checks if check.state == "warn"]
    if failing:
        return "fail", ngettext("%(num)s problem needs attention", "%(num)s problems need attention", len(failing))
    if warnings and waiting:
        return "warn", ngettext("%(num)s customer is waiting", "%(num)s customers are waiting", waiting)
    if warnings:
        return "warn", ngettext(
            "Everything works, with %(num)s warning", "Everything works, with %(num)s warnings", len(warnings)
        )
    return "ok", _("Everything works")


def _or_none(function: str) -> Any:
    try:
        return call(function)
    except DatabaseError:
        return None
