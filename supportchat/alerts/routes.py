"""The page on which agents see whether alerts reach them, and what their browsers ask for."""

from __future__ import annotations

import functools
import uuid
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from ..agents.browsers import browser_of, own_user_agent
from ..agents.logins import agent_token_hash
from ..database import Invalid, call
from ..database.rows import OwnAlerts
from ..rendering.assets import BUILT, newest_files
from ..rendering.languages import language
from ..web import limits
from ..web.errors import described
from ..web.forms import uuid_of, whole_number
from ..web.htmx import from_htmx
from ..web.policies import for_people_with, open_to_all
from ..web.redirects import safe_next
from ..web.security import own_origin
from ..web.sentences import sentence
from .forms import device_said, settings_said
from .keys import PushKeys
from .ladder import Ladder
from .words import alert_problem

bp = Blueprint("alerts", __name__)

DEVICE = "/alerts/devices/<uuid:device_id>"


@bp.get("/alerts")
@for_people_with("answer")
def show() -> ResponseReturnValue:
    """Show what an agent is told of and how, and whether it reaches them."""
    return _page()


@bp.post("/alerts/settings")
@for_people_with("answer")
def change() -> ResponseReturnValue:
    """Say what an agent wants to be told of, and how."""
    try:
        call("change_alerts", agent_id=g.agent["id"], values=settings_said())
    except Invalid as error:
        status, code, detail = described(error)
        return _page(error=sentence(code, detail)), status
    return _done(_("Saved."))


@bp.post("/alerts/sound")
@for_people_with("answer")
def switch_sound() -> ResponseReturnValue:
    """Turn an agent's sound on or off."""
    call("change_alerts", agent_id=g.agent["id"], values={"sound": request.form.get("sound") == "on"})
    return redirect(safe_next(request.form.get("next", "")), 303)


@bp.post("/alerts/next")
@for_people_with("manage_desk")
def pass_on() -> ResponseReturnValue:
    """Say after how many minutes the next agent is told."""
    minutes = whole_number("minutes")
    call("change_settings", agent_id=g.agent["id"], values={"alert_next_minutes": minutes or None})
    return _done(_("Saved."))


# Devices


@bp.get("/alerts/devices")
@for_people_with("answer")
def devices() -> ResponseReturnValue:
    """Show the devices of an agent: what became of a test, say."""
    return _devices() if from_htmx() else redirect(url_for("alerts.show"), 303)


@bp.post("/alerts/devices")
@for_people_with("answer")
def add_device() -> ResponseReturnValue:
    """Have this browser notified from now on."""
    call(
        "add_device",
        agent_id=g.agent["id"],
        origin=own_origin(),
        user_agent=own_user_agent(),
        language=language(),
        token_hash=agent_token_hash(),
        only_known="known" in request.form,
        **device_said(),
    )
    return "", 204


@bp.post(f"{DEVICE}/delete")
@for_people_with("answer")
def delete_device(device_id: uuid.UUID) -> ResponseReturnValue:
    """Have a device notified no more."""
    call("delete_device", agent_id=g.agent["id"], device_id=str(device_id))
    return _devices() if from_htmx() else redirect(url_for("alerts.show"), 303)


@bp.post(f"{DEVICE}/test")
@for_people_with("answer")
def test_device(device_id: uuid.UUID) -> ResponseReturnValue:
    """Send a notification to a device, to see whether it arrives."""
    limits.check("receipts", f"test/{g.agent['id']}")
    call("test_device", agent_id=g.agent["id"], device_id=str(device_id))
    ladder: Ladder = current_app.extensions["ladder"]
    ladder.wake()
    return _devices() if from_htmx() else redirect(url_for("alerts.show"), 303)


@bp.post("/alerts/arrived")
@open_to_all
def arrived() -> ResponseReturnValue:
    """Note that a device has shown a notification. Nobody else knows its id, which counts once."""
    limits.check("receipts", "")
    push = uuid_of(request.form.get("push"))
    return ("", 204) if push and call("push_arrived", push_id=push) else ("", 404)


# What browsers load


@bp.get("/alerts/worker.js")
@open_to_all
def worker() -> ResponseReturnValue:
    """Serve the script that shows notifications. It stands between no page and the desk, and keeps nothing."""
    return Response(_worker(), mimetype="text/javascript")


@functools.cache
def _worker() -> str:
    source = (BUILT / newest_files()["worker.js"]).read_text(encoding="utf-8")
    return source.partition("\n//# sourceMappingURL")[0] + "\n"


@bp.get("/manifest.webmanifest")
@open_to_all
def manifest() -> ResponseReturnValue:
    """Say what the desk is on a Home Screen. On an iPhone only an app there gets notifications."""
    files = newest_files()
    response = jsonify(
        id="/agent",
        name=_("Support desk"),
        short_name=_("Support"),
        lang=language(),
        start_url="/agent",
        scope="/",
        display="standalone",
        background_color="#fcfbf8",
        theme_color="#f4f2ee",
        icons=[
            {"src": f"/static/{files[name]}", "sizes": size, "type": "image/png", "purpose": purpose}
            for name, size, purpose in (
                ("desk-192.png", "192x192", "any"),
                ("desk-512.png", "512x512", "any"),
                ("desk-maskable.png", "512x512", "maskable"),
            )
        ],
    )
    response.mimetype = "application/manifest+json"
    return response


@bp.errorhandler(Invalid)
def on_invalid(error: Invalid) -> ResponseReturnValue:
    """Say on the page itself what was wrong."""
    status, code, detail = described(error)
    if request.path == "/alerts/devices" or request.path == "/alerts/arrived":
        return sentence(code, detail), status
    return _page(error=sentence(code, detail)), status


def _done(said: str) -> ResponseReturnValue:
    return _page(said=said) if from_htmx() else redirect(url_for("alerts.show"), 303)


def _page(**values: Any) -> str:
    keys: PushKeys = current_app.extensions["push_keys"]
    name = "alerts/_alerts.html" if from_htmx() else "alerts/show.html"
    return render_template(name, agent=g.agent, public_key=keys.public(), **_values(), **values)


def _devices() -> str:
    return render_template("alerts/_devices.html", agent=g.agent, **_values())


def _values() -> dict[str, Any]:
    alerts: OwnAlerts = call("show_alerts", agent_id=g.agent["id"])
    is_waiting = any(device["test"] and device["test"]["is_waiting"] for device in alerts["devices"])
    return {"alerts": alerts, "browser_of": browser_of, "is_waiting": is_waiting}


def init_app(app: Any) -> None:
    """Give the app what sends, and what decides when."""
    from .sender import Sender  # whose parts take a while to load

    database, fragments, hub = (app.extensions[name] for name in ("database", "fragments", "hub"))
    keys = app.extensions["push_keys"] = PushKeys(database)
    ladder = Ladder(database, fragments, keys, Sender(database, fragments, keys), hub.desks.pages)
    app.extensions["ladder"] = ladder
    hub.listeners.append(ladder.hear)
    app.jinja_env.filters["alert_problem"] = alert_problem
    app.register_blueprint(bp)
